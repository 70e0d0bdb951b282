"""Whether what a run is gone on with is what it began with: its data file, data and settings. Imports no pandas."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from evonas.config import Settings
from evonas.io.npz import open_plain
from evonas.io.printable import printable
from genomes.encodings import ENCODINGS, space_from_json
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData
    from evonas.runs.reader import RunReader

__all__ = ["check_origin", "check_same", "origin_of", "same_space", "space_class"]

#: For how long a file is read to see whether it has changed: some gigabytes.
_SECONDS = 5.0

_OPEN = ("trainer", "auto")


def origin_of(path: str | Path) -> dict[str, Any]:
    """Where a file is and what it holds, as JSON values: "path" as given, "absolute", "bytes", "sha256"."""
    file = Path(path).absolute()
    return {"path": str(path), "absolute": str(file), "bytes": file.stat().st_size, "sha256": _sha256(file)}


def check_origin(origin: Mapping[str, Any]) -> None:
    """Refuses to go on with a file that has changed since. A file that is gone is no matter: the run holds its data.

    The path may be anybody's words: only a regular file that takes its room on the disk, and is as long as the run
    says, is read, no further than that, and for a few seconds at most.

    Raises:
        InputError: the file holds something else now; says what differs.
    """
    if not {"absolute", "bytes", "sha256"} <= origin.keys():
        return
    file, size = Path(origin["absolute"]), origin["bytes"]
    try:
        with open_plain(Path(os.path.realpath(file))) as stream:
            about = os.fstat(stream.fileno())
            now = _sha256_within(stream, size) if about.st_size == size and _takes_room(about) else None
    except (OSError, ValueError):  # ValueError: the path holds a null character
        return
    if about.st_size == size and now in (None, origin["sha256"]):
        return
    raise InputError(
        f"data must be those of the run, but {file} has changed since it started: {size:,} bytes with "
        f"SHA-256 {origin['sha256'][:12]} then, {about.st_size:,} bytes{f' with {now[:12]}' if now else ''} now. "
        "Restore the file, move it away (the run directory holds the data of the run), or start a new run"
    )


def _takes_room(about: os.stat_result) -> bool:
    """Whether a file is on a disk: those of /proc and /sys are not, and may have no end."""
    return about.st_blocks > 0 or about.st_size == 0


def _sha256_within(stream: BinaryIO, size: int) -> str | None:
    """Of so many bytes; None where that takes too long."""
    digest, left, until = hashlib.sha256(), size, time.monotonic() + _SECONDS
    while left and (piece := stream.read(min(left, 1 << 20))):
        digest.update(piece)
        left -= len(piece)
        if time.monotonic() > until:
            return None
    return digest.hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def space_class(space: Any) -> dict[str, str]:
    """What a run records of a space whose class is a user's own: "space_class"; nothing of those of evonas."""
    kind = type(space)
    known = kind in ENCODINGS.values()
    return {} if known else {"space_class": f"{kind.__module__}.{kind.__qualname__}"}


def same_space(run: RunReader, given: Any = None) -> Any:
    """The space of a run, to go on with it.

    Args:
        run: the run.
        given: a space of the user's own, if the run is of one.

    Raises:
        InputError: the run is of a class of the user's own, and none is given, or another one.
    """
    wanted = run.source.get("space_class")
    if given is None and wanted is None:
        return space_from_json(run.space_json)
    name = space_class(given).get("space_class") if given is not None else None
    if given is None or name != wanted:
        raise InputError(
            f"space must be given again: the run {run.directory} searches one of the class {printable(wanted)}, which "
            "is not kept: go on in Python, with evonas.resume(run_dir, space=...), or start a new run"
            if wanted
            else f"space must be that of the run {run.directory}, which is kept: leave it out"
        )
    if given.to_json() != run.space_json:
        raise InputError(f"space must be that of the run {run.directory}, but it has other settings: restore them")
    return given


def check_same(store: RunReader, data: PreparedData | None, settings: Mapping[str, Any]) -> None:
    """Raises InputError, with the difference, if data or settings that are given are not those of the run."""
    if data is not None and data.fingerprint != store.fingerprint:
        raise InputError(
            f"data must be those of the run {store.directory}, but their fingerprint is {data.fingerprint[:16]}, not "
            f"{store.fingerprint[:16]}: resume with the same rows, target and split, or start a new run"
        )
    # What is left open agrees with whatever it came to.
    given = {name: value for name, value in settings.items() if value is not None and (name, value) != _OPEN}
    wanted = Settings(**{**store.settings.model_dump(), **given})
    if difference := store.settings.difference(wanted):
        raise InputError(
            f"settings must be those of the run {store.directory}, but these differ: {'; '.join(difference)}. "
            "Leave them out to go on, or start a new run"
        )
