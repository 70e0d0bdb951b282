"""Room that is kept for the last commit: a file that is thrown overboard when the disk is full."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from evonas.runs.files import sync_directory

__all__ = ["BALLAST", "load_ballast", "release_ballast"]

BALLAST = "ballast"
_BYTES = 256 * 1024


def load_ballast(directory: Path) -> None:
    """Takes the room, unless it is taken or there is none."""
    path = directory / BALLAST
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(descriptor).st_size < _BYTES:
                # Written, not only reserved: some file systems reserve nothing, and none may compress it away.
                os.pwrite(descriptor, os.urandom(_BYTES), 0)
        finally:
            os.close(descriptor)


def release_ballast(directory: Path) -> bool:
    """Gives the room back; whether there was any."""
    try:
        (directory / BALLAST).unlink()
        sync_directory(directory)
    except OSError:
        return False
    return True
