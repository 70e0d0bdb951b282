"""Exclusive ownership of a run directory by an flock, which the kernel releases when its process ends.

Forks of the owner inherit the descriptor and would keep the lock, so they close it at once. If they could not (a fork
unknown to Python), a lock whose owner is dead is taken over.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
import weakref
from contextlib import suppress
from pathlib import Path

from evonas.io.atomic import temporary_in
from genomes.errors import InputError

__all__ = ["DISK_FAULTS", "LOCK_NAME", "RunLock", "is_lock", "owner_of"]

LOCK_NAME = "run.lock"

#: Errors caused by the disk; others are caused by the choice of the directory.
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)

#: Content of a lock file: empty, or the owner's process id with identifying marks.
_OURS = "evonas"
_CONTENT = re.compile(rf"(\d{{1,20}}( {_OURS}( [\w.:\[\]-]{{1,80}}){{0,3}})?)?\s*")
_MOST_BYTES = 300
_HELD: weakref.WeakSet[RunLock] = weakref.WeakSet()


class RunLock:
    """Held from construction to `release`.

    Raises:
        InputError: another process holds it, evonas did not write the file, or the directory is not writable.
        OSError: a disk error.
    """

    def __init__(self, directory: Path) -> None:
        self._path, self._descriptor = directory / LOCK_NAME, -1
        try:
            self._take(directory)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()} {_OURS} {' '.join(_marks_of(os.getpid()))}\n".encode(), 0)
        except OSError as error:
            self._close()
            if error.errno in DISK_FAULTS:
                raise
            raise InputError(
                f"run directory must be writable, but {directory} is not ({error.strerror}): "
                "choose another directory or change its permissions"
            ) from None
        except BaseException:
            self._close()
            raise
        _HELD.add(self)

    def _take(self, directory: Path) -> None:
        """Opens the file and locks it."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        content = _content_of(self._descriptor)
        if content is None:
            raise InputError(
                f"{self._path} must be the lock of a run, but another program wrote it: move it away, or choose "
                "another directory (out, --out)"
            )
        if _acquire(self._descriptor):
            if self._is_in_place():
                return
            self._close()  # the file was replaced meanwhile
            return self._take(directory)
        if _is_dead(content) and self._take_from_the_dead(directory):
            return
        raise InputError(
            f"run directory must be used by one process at a time, but {directory} is being used by process "
            f"{content.split(' ')[0].strip() or '(starting)'}: wait for it, stop it, or choose another directory. "
            "Other machines can join a search with evonas join, or through Ray"
        )

    def _take_from_the_dead(self, directory: Path) -> bool:
        """Replaces a lock held only by a child of a dead process; returns whether no other process was faster."""
        guard = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if not self._is_in_place():
                return False
            new = temporary_in(directory)
            descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            new.replace(self._path)
            self._close()
            self._descriptor = descriptor
            return True
        finally:
            os.close(guard)

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path, follow_symlinks=False), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Releases the lock. Idempotent."""
        if self._descriptor >= 0:
            with suppress(OSError):  # the number is shown only while somebody holds the lock
                os.ftruncate(self._descriptor, 0)
            self._close()

    def _close(self) -> None:
        """Closes the file unchanged: in a forked process, the lock belongs to the parent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _close_in_child() -> None:
    for lock in list(_HELD):
        lock._close()
    _HELD.clear()


os.register_at_fork(after_in_child=_close_in_child)


def _acquire(descriptor: int) -> bool:
    for _ in range(10):  # `owner_of` briefly holds a shared lock, which must not be mistaken for an owner
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def _content_of(descriptor: int) -> str | None:
    """The text of a lock file; None if evonas did not write it."""
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
        return None
    content = os.pread(descriptor, _MOST_BYTES, 0).decode("ascii", "replace")
    return content if _CONTENT.fullmatch(content) else None


def is_lock(path: Path) -> bool:
    """Whether a file's content shows that it is an evonas lock; an empty file has no owner."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        content = _content_of(descriptor)
        return content is not None and (not content.strip() or f" {_OURS}" in content)
    finally:
        os.close(descriptor)


def _marks_of(pid: int) -> list[str]:
    """Identifies a process among others of its number: its start, the machine's start, its PID namespace."""
    try:
        start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return [start, machine, os.readlink("/proc/self/ns/pid")]
    except (OSError, IndexError):
        return []


def _is_dead(content: str) -> bool:
    """Whether the owner ran on this machine and has ended; False if unknown."""
    number, *marks = content.replace(f" {_OURS}", "").split() or [""]
    own = _marks_of(os.getpid())
    if not number.isdigit() or len(marks) != 3 or not own or marks[1:] != own[1:]:
        return False
    return not (found := _marks_of(int(number))) or found[0] != marks[0] or _is_zombie(int(number))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return True


def owner_of(directory: Path) -> int | None:
    """Process id of the live owner, or None; changes nothing."""
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        content = _content_of(descriptor) or ""
        number = content.split(" ")[0].strip()
        return None if number and _is_dead(content) else int(number or 0)
    finally:
        os.close(descriptor)
    return None
