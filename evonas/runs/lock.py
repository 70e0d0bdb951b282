"""One owner for a run directory: an flock that the kernel releases whatever way its process ends."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from genomes.errors import InputError

__all__ = ["DISK_FAULTS", "LOCK_NAME", "RunLock", "owner_of"]

LOCK_NAME = "run.lock"

#: Errors that are the disk's, where others are a mistake of whoever chose the directory.
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


class RunLock:
    """Held from construction to `release`.

    Raises:
        InputError: another process holds it, or the directory cannot be written.
        OSError: the disk is at fault.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / LOCK_NAME
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if error.errno in DISK_FAULTS:
                raise
            raise InputError(
                f"run directory must be writable, but {directory} is not ({error.strerror}): "
                "choose another place or change its permissions"
            ) from None
        if not _acquired(self._descriptor):
            owner = os.read(self._descriptor, 32).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise InputError(
                f"run directory must be used by one process at a time, but {directory} is being used by process "
                f"{owner or '(starting)'}: wait for it, stop it, or choose another directory"
            ) from None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Lets others in. May be called twice."""
        if self._descriptor >= 0:
            with suppress(OSError):  # the number is shown only while somebody holds the lock
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def _acquired(descriptor: int) -> bool:
    for _ in range(10):  # `owner_of` holds a shared lock for an instant, which must not look like an owner
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def owner_of(directory: Path) -> int | None:
    """Process id of the live owner, or None; changes nothing."""
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32).strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)
    return None
