"""The path and digest of a data file, for detecting later changes. Does not import pandas."""

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

#: Time limit in seconds for reading a file to detect changes: enough for some gigabytes.
_SECONDS = 5.0


def origin_of(path: str | Path) -> dict[str, Any]:
    """The path and digest of a file, as JSON values: "path" as given, "absolute", "bytes", "sha256"."""
    file = Path(path).absolute()
    return {"path": str(path), "absolute": str(file), "bytes": file.stat().st_size, "sha256": _sha256(file)}


def check_origin(origin: Mapping[str, Any]) -> None:
    """Raises an error if the file has changed. A missing file is accepted, since the run directory holds the data.

    The path is untrusted: only a regular file that occupies disk space and has the recorded size is read, up to that
    size, for at most a few seconds.

    Raises:
        InputError: the file's content has changed; the message states the difference.
    """
    if not {"absolute", "bytes", "sha256"} <= origin.keys():
        return
    file, size = Path(origin["absolute"]), origin["bytes"]
    try:
        with open_plain(Path(os.path.realpath(file))) as stream:
            about = os.fstat(stream.fileno())
            now = _sha256_within(stream, size) if about.st_size == size and _takes_room(about) else None
    except (OSError, ValueError):  # ValueError: the path contains a null character
        return
    if about.st_size == size and now in (None, origin["sha256"]):
        return
    raise InputError(
        f"data must be those of the run, but {file} has changed since it started: {size:,} bytes with "
        f"SHA-256 {origin['sha256'][:12]} then, {about.st_size:,} bytes{f' with {now[:12]}' if now else ''} now. "
        "Restore the file, move it away (the run directory holds the data of the run), or start a new run"
    )


def _takes_room(about: os.stat_result) -> bool:
    """Whether a file occupies disk space; those in /proc and /sys do not, and may be endless."""
    return about.st_blocks > 0 or about.st_size == 0


def _sha256_within(stream: BinaryIO, size: int) -> str | None:
    """The SHA-256 of this many bytes; None if that takes too long."""
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
