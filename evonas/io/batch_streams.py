"""`Streams`: what cannot be sent to the worker process is read here, batch by batch, as the worker asks for it.

A generator, a `tf.data.Dataset` or a `PyDataset` of the caller's stays in this process. The worker is given a `Stream`,
by which it asks for one batch after the other over a socket: nothing is read ahead of that, nothing is kept, and each
pass over a data set begins a new one, shuffled and augmented again. Imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any, Literal

from evonas.io.closing import Closing
from genomes.errors import InputError

__all__ = ["Stream", "Streams"]

#: What a source is: a generator, which has one pass in all; a data set, with a pass for each iterator; or batches that
#: are asked for by their number.
Kind = Literal["generator", "dataset", "indexed"]

#: The longest path that a socket can have.
_LONGEST_PATH = 100
_MOST_REQUEST_BYTES = 64


@dataclass(frozen=True)
class Stream:
    """A source in another process.

    Attributes:
        address: of the socket.
        key: without which the other end does not answer.
        place: of the source among those that are served there.
        kind: what it is.
        name: of the argument, for messages.
        spec: of what its elements are, for who opens it.
        count: batches, None if that is not known.
        identity: by which it is known again.
    """

    address: str
    key: bytes
    place: int
    kind: Kind
    name: str
    spec: Any = None
    count: int | None = None
    identity: str = ""

    def batches(self) -> Iterator[Any]:
        """A pass over the source.

        Raises:
            RuntimeError: the source raised; the text holds its traceback.
            InputError: a generator has ended in an earlier pass.
        """
        with Client(self.address, authkey=self.key) as connection:
            while True:
                answer, value = _asked(connection, f"{self.place} next")
                if answer == "end":
                    return
                yield _given(self.name, answer, value)

    def called(self, request: str) -> Any:
        """Of batches by number: what "batch NUMBER", "epoch begin" or "epoch end" gives.

        Raises:
            RuntimeError: the source raised; the text holds its traceback.
        """
        with Client(self.address, authkey=self.key) as connection:
            return _given(self.name, *_asked(connection, f"{self.place} {request}"))


def _asked(connection: Connection, request: str) -> tuple[str, Any]:
    connection.send_bytes(request.encode())
    answer: tuple[str, Any] = connection.recv()
    return answer


def _given(name: str, answer: str, value: Any) -> Any:
    if answer == "refused":
        raise InputError(value)
    if answer == "raised":
        raise RuntimeError(f"{name} raised, where it is read: {value}")
    return value


class _Source:
    """One source, and what is left of it."""

    def __init__(self, kind: Kind, name: str, value: Any, begun: Callable[[Any], Iterator[Any]]) -> None:
        self.kind, self.name, self._value, self._begun = kind, name, value, begun
        self._turn = threading.Lock()
        self._given = 0
        self._ended = False

    def begin(self) -> Iterator[Any]:
        """A pass; of a generator, what is left of it."""
        return self._rest() if self.kind == "generator" else self._begun(self._value)

    def refused(self) -> str:
        """Why there cannot be another pass; empty if there can."""
        if not self._ended:
            return ""
        return (
            f"{self.name} must be a generator without end, since every trial continues with it, but it ended after "
            f"{self._given} batches: let it repeat, or pass a tf.data.Dataset or a PyDataset"
        )

    def call(self, request: Sequence[str]) -> Any:
        """What a request for batches by number gives."""
        match request:
            case ["batch", number]:
                return self._value[int(number)]
            case ["epoch", ("begin" | "end") as which]:
                return getattr(self._value, f"on_epoch_{which}", lambda: None)()
        raise ValueError(f"no such request: {request}")

    def _rest(self) -> Iterator[Any]:
        while True:
            with self._turn:  # a generator gives one at a time
                try:
                    batch = next(self._value)
                except StopIteration:
                    self._ended = True
                    return
                self._given += 1
            yield batch


class Streams(Closing):
    """Serves sources to the worker processes of one search, until it is closed."""

    def __init__(self) -> None:
        """Serves nothing yet: the first `add` opens a socket."""
        self._sources: list[_Source] = []
        self._key = secrets.token_bytes(32)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._listener: Listener | None = None
        self._threads: list[threading.Thread] = []
        self._connections: set[Connection] = set()

    def add(
        self,
        kind: Kind,
        name: str,
        value: Any,
        begun: Callable[[Any], Iterator[Any]] = iter,
        spec: Any = None,
        count: int | None = None,
        identity: str = "",
    ) -> Stream:
        """Serves one more source.

        Args:
            kind, name, spec, count, identity: as of `Stream`.
            value: the source.
            begun: begins a pass over it.
        """
        self._sources.append(_Source(kind, name, value, begun))
        place = len(self._sources) - 1
        return Stream(self._address(), self._key, place, kind, name, spec, count, identity)

    @property
    def serves(self) -> bool:
        """Whether there is a source."""
        return bool(self._sources)

    def close(self) -> None:
        """Ends the service and all that it holds. May be called twice."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        # Whoever waits, for a caller or for a request, is to see that it is over.
        with suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(listener.address))
        for connection in list(self._connections):
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5.0)
        listener.close()
        self._sources.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def _address(self) -> str:
        if self._listener is None:
            place = tempfile.gettempdir()
            short = "/tmp" if len(os.fsencode(place)) + 40 > _LONGEST_PATH else None
            self._folder = tempfile.TemporaryDirectory(prefix="evonas-", dir=short)
            path = str(Path(self._folder.name) / "batches")
            self._listener = Listener(path, "AF_UNIX", backlog=64)
            self._start(self._accept)
        return str(self._listener.address)

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while (listener := self._listener) is not None:
            try:
                connection = listener.accept()
            except OSError:
                return
            if self._listener is None:
                connection.close()
                return
            self._start(self._serve, connection)

    def _serve(self, connection: Connection) -> None:
        """Answers one caller: a pass over a source, or one call of it."""
        self._connections.add(connection)
        batches: Iterator[Any] | None = None
        with connection, suppress(EOFError, OSError, AuthenticationError):
            # Of a caller without the key nothing is read.
            deliver_challenge(connection, self._key)
            answer_challenge(connection, self._key)
            while True:
                place, *request = connection.recv_bytes(_MOST_REQUEST_BYTES).decode().split()
                source = self._sources[int(place)]
                try:
                    if request != ["next"]:
                        answer = ("value", source.call(request))
                    elif batches is None and (reason := source.refused()):
                        answer = ("refused", reason)
                    else:
                        batches = source.begin() if batches is None else batches
                        answer = ("value", next(batches))
                except StopIteration:
                    answer = ("end", None)
                except Exception:
                    answer = ("raised", traceback.format_exc())
                connection.send(answer)
        self._connections.discard(connection)
