"""Disk errors, of SQLite or of file operations, as `StorageError`."""

from __future__ import annotations

import errno
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evonas.errors import StorageError
from evonas.runs.disk_reserve import release_disk_reserve

__all__ = ["durably", "storing"]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FAULTS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk gave an I/O error",
    sqlite3.SQLITE_READONLY: "the file system is read-only",
    sqlite3.SQLITE_CANTOPEN: "a file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the database is read differently from what was written",
    sqlite3.SQLITE_BUSY: "another process holds the database",
}


@contextmanager
def storing(directory: Path, exists: bool = True) -> Iterator[None]:
    """Converts disk errors inside the block to StorageError; `exists` is whether the run exists already."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        if (fault := _fault(error)) is None:
            raise
        fix = (
            "Nothing that was committed is lost: free disk space or repair the disk, then evonas resume "
            f"{shlex.quote(str(directory))}"
        )
        raise StorageError(
            f"{directory} could not be written: {fault} ({error}). "
            f"{fix if exists else 'No run was created: free disk space, or choose another directory (out, --out)'}",
            full=_is_full(error),
        ) from error


def durably(directory: Path, commit: Callable[[], None]) -> None:
    """Runs a commit. On a full disk the ballast is deleted for it, and the search ends afterwards.

    Raises:
        StorageError: the commit failed, or succeeded using the last reserve.
    """
    try:
        with storing(directory):
            commit()
    except StorageError as error:
        if not error.full or not release_disk_reserve(directory):
            raise
        with storing(directory):
            commit()
        raise StorageError(
            f"{directory} is on a full disk. Everything evaluated is committed, using reserved space: "
            f"free disk space, then evonas resume {directory}",
            full=True,
        ) from error


def _fault(error: Exception) -> str | None:
    if isinstance(error, OSError):
        return "the disk is full" if error.errno in _FULL else error.strerror or type(error).__name__
    return _FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
