"""The folder through which several machines work on one run: `shared` in the run directory.

    shared/session.json             the current search: versions, settings, digest of the data; by the owner
    shared/SESSION/owner.beat       a number that the owner increments
    shared/SESSION/WORKER/          one folder for each worker that has joined, created by it
        worker.beat                 a number that the worker increments
        to/00000001.npz, ...        messages from the owner, one per file
        from/00000001.npz, ...      messages to the owner

Suitable for network file systems: there are no locks, every file has one writer, messages appear atomically (written
under another name, then renamed) and are deleted by their receiver. Liveness is detected by a changing beat, on the
reader's own clock; clocks of machines are never compared. Only the owner opens the database of the run.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from evonas.io.atomic import is_temporary, temporary_in
from evonas.io.npz import open_plain
from genomes.errors import InputError

__all__ = ["BEAT_SECONDS", "SHARED", "Beat", "Heard", "Inbox", "Outbox", "SessionFile", "check_shared", "clear"]
__all__ += ["clear_worker", "make_worker", "new_name", "read_session", "workers_in", "write_session"]

SHARED = "shared"
SESSION_FILE = "session.json"
#: Interval between beats in seconds.
BEAT_SECONDS = 1.0

_NAME = re.compile("[0-9a-f]{16}")
_MESSAGE = re.compile(r"(\d{8})\.npz")
_BEATS = ("owner.beat", "worker.beat")
_MOST_BYTES = 1 << 20
#: Larger than the weights of any network; a larger file is not read.
_MOST_MESSAGE = 1 << 31
#: Number of failed reads after which a file is not considered a message.
_UNREADABLE = 20


class SessionFile(TypedDict):
    """Information that a worker needs to join."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    format: Literal[1]
    session: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    versions: dict[str, str]
    settings: dict[str, Any]
    candidate_seconds: Annotated[float, Field(gt=0.0)] | None
    memory_bytes: Annotated[int, Field(gt=0)] | None
    data_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    build: dict[str, Any] | None
    ended: bool


_SESSIONS = TypeAdapter(SessionFile)


def new_name() -> str:
    """Returns a unique name for a session or a worker."""
    return secrets.token_hex(8)


def check_shared(shared: Path) -> None:
    """Raises OSError if the folder is a symbolic link, or its session file was not written by evonas."""
    if shared.is_symlink():
        raise OSError(errno.ELOOP, "it is a link to another folder")
    if os.path.lexists(shared / SESSION_FILE) and not _is_session(shared / SESSION_FILE):
        raise OSError(errno.EEXIST, f"{SESSION_FILE} in it is not a file of evonas")


def write_session(shared: Path, session: SessionFile) -> None:
    """Writes the current search, or that it has ended.

    Raises:
        OSError: the file cannot be written, or as in `check_shared`.
    """
    check_shared(shared)
    _put(shared / SESSION_FILE, _SESSIONS.dump_json(session))


def read_session(shared: Path) -> SessionFile | None:
    """Reads the current search; None if there is none.

    Raises:
        InputError: the file was not written by this version of evonas.
    """
    try:
        with open_plain(shared / SESSION_FILE) as file:
            content = file.read(_MOST_BYTES)
    except OSError:
        return None
    try:
        return _SESSIONS.validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        raise InputError(
            f"{shared / SESSION_FILE} must be of this evonas version, but {field or 'it'} is not ({problem['msg']}): "
            "install the same version on all machines"
        ) from None


def _is_session(path: Path) -> bool:
    """Whether a file was written by `write_session` in any version, judged by its content."""
    try:
        with open_plain(path) as file:
            found: dict[str, Any] = json.loads(file.read(_MOST_BYTES))
        return {"format", "session", "ended"} <= found.keys()
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


class Beat:
    """A file with a number that its writer increments. Overwritten in place, at constant length."""

    def __init__(self, path: Path) -> None:
        """Creates the file."""
        self._path, self._count, self._due = path, 0, 0.0
        self.beat()

    def beat(self) -> None:
        """Increments the number, at most once a second.

        Raises:
            OSError: the folder is gone, or cannot be written.
        """
        if time.monotonic() < self._due:
            return
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | (0 if self._count else os.O_CREAT | os.O_EXCL)
        descriptor = os.open(self._path, flags, 0o666)
        try:
            os.pwrite(descriptor, f"{self._count + 1:016d}\n".encode(), 0)
        finally:
            os.close(descriptor)
        self._count, self._due = self._count + 1, time.monotonic() + BEAT_SECONDS


class Heard:
    """Detects changes of a beat on the listener's clock."""

    def __init__(self, path: Path) -> None:
        """Starts with no beat heard."""
        self._path, self._last = path, b""
        #: Number of observed changes, without the first value, which proves nothing.
        self.changes = -1
        #: Seconds of listening since the last change; time during which this machine slept does not count.
        self.silent = 0.0
        self._looked = time.monotonic()

    def listen(self) -> float:
        """Checks for a change; returns `silent`."""
        now = time.monotonic()
        self.silent += min(now - self._looked, BEAT_SECONDS)
        self._looked = now
        with suppress(OSError), open_plain(self._path) as file:
            found = file.read(64)
            if found and found != self._last:
                self._last, self.silent, self.changes = found, 0.0, self.changes + 1
        return self.silent


class Outbox:
    """Ordered messages to the other side, one per file."""

    def __init__(self, folder: Path) -> None:
        """Uses an existing folder."""
        self._folder, self._number = folder, 0

    def send(self, content: bytes) -> None:
        """Writes a message atomically.

        Raises:
            OSError: the folder is gone, full, or not writable; the message may be sent again.
        """
        _put(self._folder / f"{self._number + 1:08d}.npz", content)
        self._number += 1


class Inbox:
    """Messages from the other side; each is read once and deleted."""

    def __init__(self, folder: Path) -> None:
        """Reads nothing yet."""
        self._folder = folder
        self._read: set[str] = set()
        self._tried: dict[str, int] = {}

    def receive(self) -> Iterator[bytes]:
        """Yields messages that have arrived since the last call, in the order in which they were sent.

        Raises:
            OSError: the folder is gone.
        """
        names = [name for name in os.listdir(self._folder) if _MESSAGE.fullmatch(name)]
        self._read &= set(names)  # files that could not be deleted are remembered
        for name in sorted(set(names) - self._read):
            path = self._folder / name
            try:
                with open_plain(path) as file:
                    content = file.read(_MOST_MESSAGE + 1)
                if len(content) > _MOST_MESSAGE:
                    raise OSError(errno.EFBIG, "larger than any message")
            except OSError:  # the server lists the file but does not return it yet
                self._tried[name] = self._tried.get(name, 0) + 1
                if self._tried[name] > _UNREADABLE:
                    self._read.add(name)
                continue
            self._read.add(name)
            self._tried.pop(name, None)
            with suppress(OSError):
                path.unlink()
            yield content


def workers_in(session: Path) -> list[str]:
    """Names of the workers that have joined a session: a folder is complete once it has a beat."""
    try:
        names = sorted(name for name in os.listdir(session) if _NAME.fullmatch(name))
    except OSError:
        return []
    return [name for name in names if (session / name / _BEATS[1]).is_file()]


def make_worker(session: Path) -> Path:
    """Creates a folder with a unique name for a worker that joins.

    Raises:
        OSError: the folder cannot be created.
    """
    folder = session / new_name()
    try:
        for path in (folder, folder / "to", folder / "from"):
            path.mkdir()
    except OSError:
        clear_worker(folder)
        raise
    return folder


def clear(shared: Path, session: str = "") -> None:
    """Deletes evonas's files of one session or of all; other files are kept, with their folders.

    Symbolic links are not followed, since they lead outside the run.
    """
    if shared.is_symlink():
        return
    with suppress(OSError):
        for entry in list(os.scandir(shared)):
            if entry.is_dir(follow_symlinks=False) and _NAME.fullmatch(entry.name) and session in ("", entry.name):
                _clear_session(Path(entry.path))
    if not session:
        with suppress(OSError):
            if _is_session(shared / SESSION_FILE):
                (shared / SESSION_FILE).unlink()
            shared.rmdir()


def _clear_session(session: Path) -> None:
    with suppress(OSError):
        for entry in list(os.scandir(session)):
            if entry.is_dir(follow_symlinks=False) and _NAME.fullmatch(entry.name):
                clear_worker(Path(entry.path))
        _empty(session)


def clear_worker(folder: Path) -> None:
    """Deletes the folder of a worker."""
    for each in (folder / "to", folder / "from", folder):
        _empty(each)


def _empty(folder: Path) -> None:
    """Deletes messages, beats and temporary files in a folder, and the folder if it is then empty."""
    if folder.is_symlink():
        return
    with suppress(OSError):
        for name in os.listdir(folder):
            if _MESSAGE.fullmatch(name) or name in _BEATS or is_temporary(name):
                with suppress(OSError):
                    (folder / name).unlink()
        folder.rmdir()


def _put(path: Path, content: bytes) -> None:
    """Writes a file atomically. Not flushed to disk, since all durable data are in the owner's database."""
    temporary = temporary_in(path.parent)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
