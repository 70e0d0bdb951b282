"""Disk space reserved for the last commit: a file that is deleted when the disk is full."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from evonas.io.atomic import sync_directory, write_new

__all__ = ["DISK_RESERVE", "is_disk_reserve", "release_disk_reserve", "reserve_disk"]

DISK_RESERVE = "ballast"
_BYTES = 256 * 1024
#: Bytes per write, so that a partial reserve is possible on a nearly full disk.
_STEP = 4096
_HEADER = b"Room that evonas keeps for its last commit when the disk is full.\n"


def reserve_disk(directory: Path) -> None:
    """Reserves the space, or as much as is available, unless a file of that name exists."""
    with suppress(OSError):
        write_new(directory / DISK_RESERVE, _fill)


def _fill(file: BinaryIO) -> None:
    # Written rather than preallocated, with incompressible content, since some file systems would reserve nothing.
    if os.write(file.fileno(), _HEADER) < len(_HEADER):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    left = _BYTES - len(_HEADER)
    with suppress(OSError):
        while left:
            left -= os.write(file.fileno(), os.urandom(min(left, _STEP)))


def is_disk_reserve(path: Path) -> bool:
    """Whether a file is the ballast of a run, by its first line rather than by name and length."""
    try:
        # A pipe of that name would otherwise block.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            return file.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


def release_disk_reserve(directory: Path) -> bool:
    """Releases the space; returns whether there was any."""
    if not is_disk_reserve(directory / DISK_RESERVE):
        return False
    try:
        (directory / DISK_RESERVE).unlink()
        sync_directory(directory)
    except OSError:
        return False
    return True
