"""Atomic writes: files are written under a temporary name, synced and renamed, and the directory is synced."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["is_temporary", "place_new", "sync", "sync_directory", "temporary_in", "write_atomically", "write_new"]

#: Names that only evonas gives: files that a crash left behind are removed by the next owner of the directory.
_TEMPORARY = re.compile(r"\.evonas-[0-9a-f]{32}\.tmp(-journal)?")
#: Errors of file systems without hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def temporary_in(directory: Path) -> Path:
    """A new temporary name in the directory; creates nothing."""
    return directory / f".evonas-{secrets.token_hex(16)}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a file's name has the form of `temporary_in`."""
    return _TEMPORARY.fullmatch(name) is not None


def write_atomically(path: Path, content: bytes) -> None:
    """Writes `content` to `path` atomically: at any time and after any crash, there is the old or the new file.

    Replaces an existing file, so it is only for files known to be evonas's own.
    """
    _write(path, lambda file: file.write(content), lambda temporary: temporary.replace(path))


def write_new(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Creates a file at `path` with the output of `write`, completely or not at all.

    Raises:
        FileExistsError: `path` exists, even as a dangling link; it is left unchanged.
    """

    _write(path, write, lambda temporary: place_new(temporary, path))


def place_new(temporary: Path, path: Path) -> None:
    """Renames a file within its directory. Raises FileExistsError if the name exists."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Claimed by an empty file, so that no other process can take the name.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        temporary.replace(path)
    else:
        with suppress(OSError):  # the next owner of the directory removes it
            temporary.unlink()


def _write(path: Path, write: Callable[[BinaryIO], object], place: Callable[[Path], object]) -> None:
    temporary = temporary_in(path.parent)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        place(temporary)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Makes renames and deletions in the directory durable."""
    sync(directory)


def sync(path: Path) -> None:
    """Makes a file's content durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
