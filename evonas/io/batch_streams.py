"""`Streams`: serves data that cannot be sent to the worker process batch by batch, on the worker's request.

The caller's generator, `tf.data.Dataset` or `PyDataset` stays in this process. The worker gets a `Stream`, with which
it requests one batch after the other over a socket: nothing is read ahead or cached, and each pass over a data set
starts a new iterator, which shuffles and augments again. Imports neither Keras nor TensorFlow.
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

#: Kinds of sources: a generator, with a single pass; a data set, with a pass for each iterator; or batches requested by
#: number.
Kind = Literal["generator", "dataset", "indexed"]

#: Maximum length of a socket's path.
_LONGEST_PATH = 100
_MOST_REQUEST_BYTES = 64


@dataclass(frozen=True)
class Stream:
    """A source in another process.

    Attributes:
        address: address of the socket.
        key: authentication key of the socket.
        place: index of the source among those served at the address.
        kind: the kind of source.
        name: name of the argument, for messages.
        spec: description of its elements, for opening it.
        count: number of batches; None if unknown.
        identity: identifies the source across runs.
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
        """One pass over the source.

        Raises:
            RuntimeError: the source raised an error; the message contains its traceback.
            InputError: a generator has ended in an earlier pass.
        """
        with Client(self.address, authkey=self.key) as connection:
            while True:
                answer, value = _ask(connection, f"{self.place} next")
                if answer == "end":
                    return
                yield _check_answer(self.name, answer, value)

    def called(self, request: str) -> Any:
        """Calls a source with batches by number; the request is "batch NUMBER", "epoch begin" or "epoch end".

        Raises:
            RuntimeError: the source raised an error; the message contains its traceback.
        """
        with Client(self.address, authkey=self.key) as connection:
            return _check_answer(self.name, *_ask(connection, f"{self.place} {request}"))


def _ask(connection: Connection, request: str) -> tuple[str, Any]:
    connection.send_bytes(request.encode())
    answer: tuple[str, Any] = connection.recv()
    return answer


def _check_answer(name: str, answer: str, value: Any) -> Any:
    if answer == "refused":
        raise InputError(value)
    if answer == "raised":
        raise RuntimeError(f"{name} raised an error in the process that reads it: {value}")
    return value


class _Source:
    """One source and its remaining batches."""

    def __init__(self, kind: Kind, name: str, value: Any, begun: Callable[[Any], Iterator[Any]]) -> None:
        self.kind, self.name, self._value, self._begun = kind, name, value, begun
        self._turn = threading.Lock()
        self._given = 0
        self._ended = False

    def begin(self) -> Iterator[Any]:
        """One pass; for a generator, its remaining batches."""
        return self._rest() if self.kind == "generator" else self._begun(self._value)

    def refused(self) -> str:
        """The reason why another pass is impossible; empty if it is possible."""
        if not self._ended:
            return ""
        return (
            f"{self.name} must be a generator without end, since every trial continues with it, but it ended after "
            f"{self._given} batches: let it repeat, or pass a tf.data.Dataset or a PyDataset"
        )

    def call(self, request: Sequence[str]) -> Any:
        """Answers a request for batches by number."""
        match request:
            case ["batch", number]:
                return self._value[int(number)]
            case ["epoch", ("begin" | "end") as which]:
                return getattr(self._value, f"on_epoch_{which}", lambda: None)()
        raise ValueError(f"unknown request: {request}")

    def _rest(self) -> Iterator[Any]:
        while True:
            with self._turn:  # a generator yields one batch at a time
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
        """Does not serve anything yet; the first `add` opens a socket."""
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
        """Serves an additional source.

        Args:
            kind, name, spec, count, identity: see `Stream`.
            value: the source.
            begun: starts a pass over it.
        """
        self._sources.append(_Source(kind, name, value, begun))
        place = len(self._sources) - 1
        return Stream(self._address(), self._key, place, kind, name, spec, count, identity)

    @property
    def serves(self) -> bool:
        """Whether any source is served."""
        return bool(self._sources)

    def close(self) -> None:
        """Stops serving and releases all sources. May be called more than once."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        # Wakes threads that wait for a connection or a request.
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
        """Answers one caller: a pass over a source, or one call."""
        self._connections.add(connection)
        batches: Iterator[Any] | None = None
        with connection, suppress(EOFError, OSError, AuthenticationError):
            # Nothing is read from a caller without the key.
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
