"""Whether what a run is gone on with is what it began with: its data file, data and settings. Imports no pandas."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData
    from evonas.runs.reader import RunReader

__all__ = ["check_origin", "check_same", "origin_of"]

_OPEN = ("trainer", "auto")


def origin_of(path: str | Path) -> dict[str, Any]:
    """Where a file is and what it holds, as JSON values: "path" as given, "absolute", "bytes", "sha256"."""
    file = Path(path).absolute()
    return {"path": str(path), "absolute": str(file), "bytes": file.stat().st_size, "sha256": _sha256(file)}


def check_origin(origin: Mapping[str, Any]) -> None:
    """Refuses to go on with a file that has changed since. A file that is gone is no matter: the run holds its data.

    Raises:
        InputError: the file holds something else now; says what differs.
    """
    file = Path(origin.get("absolute", ""))
    if "sha256" not in origin or not file.is_file():
        return
    now = origin_of(file)
    if now["sha256"] != origin["sha256"]:
        raise InputError(
            f"data must be those of the run, but {file} has changed since it started: {origin['bytes']:,} bytes with "
            f"SHA-256 {origin['sha256'][:12]} then, {now['bytes']:,} bytes with {now['sha256'][:12]} now. Restore the "
            "file, move it away (the run directory holds the data of the run), or start a new run"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
