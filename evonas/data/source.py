"""Where a file of data is and what it holds, to see later whether it has changed. Imports no pandas."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from evonas.io.npz import open_plain
from genomes.errors import InputError

__all__ = ["check_origin", "origin_of"]

#: For how long a file is read to see whether it has changed: some gigabytes.
_SECONDS = 5.0


def origin_of(path: str | Path) -> dict[str, Any]:
    """Where a file is and what it holds, as JSON values: "path" as given, "absolute", "bytes", "sha256"."""
    file = Path(path).absolute()
    return {"path": str(path), "absolute": str(file), "bytes": file.stat().st_size, "sha256": _sha256(file)}


def check_origin(origin: Mapping[str, Any]) -> None:
    """Refuses to continue with a file that has changed since. A missing file does not matter: the run holds its data.

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
    """Of this many bytes; None if that takes too long."""
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
