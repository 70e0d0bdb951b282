"""Files that are whole or absent: written under a temporary name, synced, renamed, and the directory synced."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["TEMPORARY", "sync_directory", "write_atomically"]

#: Ending of names that are not in place yet; whatever a crash left of them is removed by the next owner.
TEMPORARY = ".tmp"


def write_atomically(path: Path, content: bytes) -> None:
    """Puts `content` at `path`: whoever looks, at any instant and after any crash, sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Makes renames and deletions in the directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
