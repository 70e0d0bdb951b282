"""The folder by which several drivers work on one run: `shared` in the run directory.

    shared/session.json             what is searched now: versions, settings, digest of the data; of the owner
    shared/SESSION/owner.beat       a number that the owner counts up
    shared/SESSION/WORKER/          one folder for each worker that has joined, made by it
        worker.beat                 a number that it counts up
        to/00000001.npz, ...        what the owner has for it, one message a file
        from/00000001.npz, ...      what it has for the owner

Suitable for network file systems: there are no locks, every file has one writer, messages appear atomically (written
under another name, then renamed) and are deleted by their receiver. Liveness is detected by a changing beat, on the
reader's own clock; clocks of machines are never compared. The database of the run is opened by no one but the owner.
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
#: How often each side counts up.
BEAT_SECONDS = 1.0

_NAME = re.compile("[0-9a-f]{16}")
_MESSAGE = re.compile(r"(\d{8})\.npz")
_BEATS = ("owner.beat", "worker.beat")
_MOST_BYTES = 1 << 20
#: More than the weights of any network that is sent; a larger file is not read whole.
_MOST_MESSAGE = 1 << 31
#: After this many times that a file cannot be read, it is not a message.
_UNREADABLE = 20


class SessionFile(TypedDict):
    """What a worker has to know before it joins."""

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
    """Of a session, or of a worker: given once."""
    return secrets.token_hex(8)


def check_shared(shared: Path) -> None:
    """Raises OSError if the folder is a link to elsewhere, or somebody else's file has the name of the session's."""
    if shared.is_symlink():
        raise OSError(errno.ELOOP, "it is a link to another folder")
    if os.path.lexists(shared / SESSION_FILE) and not _is_session(shared / SESSION_FILE):
        raise OSError(errno.EEXIST, f"{SESSION_FILE} in it is not a file of evonas")


def write_session(shared: Path, session: SessionFile) -> None:
    """Says what is searched now, or that it has ended.

    Raises:
        OSError: it cannot be written, or as `check_shared`.
    """
    check_shared(shared)
    _put(shared / SESSION_FILE, _SESSIONS.dump_json(session))


def read_session(shared: Path) -> SessionFile | None:
    """What is searched now; None if nothing is.

    Raises:
        InputError: the file is not one that this version of evonas writes.
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
        place = ".".join(map(str, problem["loc"]))
        raise InputError(
            f"{shared / SESSION_FILE} must be of this evonas version, but {place or 'it'} is not ({problem['msg']}): "
            "install the same version on all machines"
        ) from None


def _is_session(path: Path) -> bool:
    """Whether a file is what `write_session` writes, in any version; its name is no proof."""
    try:
        with open_plain(path) as file:
            found: dict[str, Any] = json.loads(file.read(_MOST_BYTES))
        return {"format", "session", "ended"} <= found.keys()
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


class Beat:
    """A file whose number its writer counts up. Written in place, at one length: the name is looked up once."""

    def __init__(self, path: Path) -> None:
        """Makes the file."""
        self._path, self._count, self._due = path, 0, 0.0
        self.beat()

    def beat(self) -> None:
        """Counts up, once a second at most.

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
        """Nothing was heard yet."""
        self._path, self._last = path, b""
        #: How often it was found changed, the first time not counted: what stood there says nothing.
        self.changes = -1
        #: Seconds of listening since it changed. A machine that slept blames no one.
        self.silent = 0.0
        self._looked = time.monotonic()

    def listen(self) -> float:
        """Looks, and returns `silent`."""
        now = time.monotonic()
        self.silent += min(now - self._looked, BEAT_SECONDS)
        self._looked = now
        with suppress(OSError), open_plain(self._path) as file:
            found = file.read(64)
            if found and found != self._last:
                self._last, self.silent, self.changes = found, 0.0, self.changes + 1
        return self.silent


class Outbox:
    """Messages to the other side, one a file, in order."""

    def __init__(self, folder: Path) -> None:
        """Makes nothing: the folder is there."""
        self._folder, self._number = folder, 0

    def send(self, content: bytes) -> None:
        """Puts a message there, whole.

        Raises:
            OSError: the folder is gone, full, or cannot be written; it may be sent again.
        """
        _put(self._folder / f"{self._number + 1:08d}.npz", content)
        self._number += 1


class Inbox:
    """Messages from the other side: each is read once, and deleted."""

    def __init__(self, folder: Path) -> None:
        """Reads nothing yet."""
        self._folder = folder
        self._read: set[str] = set()
        self._tried: dict[str, int] = {}

    def receive(self) -> Iterator[bytes]:
        """What has come since this was last asked, in the order of sending as far as it has come.

        Raises:
            OSError: the folder is gone.
        """
        names = [name for name in os.listdir(self._folder) if _MESSAGE.fullmatch(name)]
        self._read &= set(names)  # what could not be deleted stays known
        for name in sorted(set(names) - self._read):
            path = self._folder / name
            try:
                with open_plain(path) as file:
                    content = file.read(_MOST_MESSAGE + 1)
                if len(content) > _MOST_MESSAGE:
                    raise OSError(errno.EFBIG, "larger than any message")
            except OSError:  # a server that has it and does not give it yet
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
    """Names of the workers that have joined a session: their folders are whole when they have a beat."""
    try:
        names = sorted(name for name in os.listdir(session) if _NAME.fullmatch(name))
    except OSError:
        return []
    return [name for name in names if (session / name / _BEATS[1]).is_file()]


def make_worker(session: Path) -> Path:
    """A folder for a worker that joins, under a name of its own.

    Raises:
        OSError: it cannot be made.
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
    """Deletes what evonas has put there, of one session or of all; what is somebody else's stays, with its folder.

    Links are not followed: where they lead is not a folder of this run.
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
    """Deletes messages, beats and temporary files in a folder, and the folder if nothing else is in it."""
    if folder.is_symlink():
        return
    with suppress(OSError):
        for name in os.listdir(folder):
            if _MESSAGE.fullmatch(name) or name in _BEATS or is_temporary(name):
                with suppress(OSError):
                    (folder / name).unlink()
        folder.rmdir()


def _put(path: Path, content: bytes) -> None:
    """Whole or not at all; not flushed to the disk: what must outlive a power cut is in the owner's database."""
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
