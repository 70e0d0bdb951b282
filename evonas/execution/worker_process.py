"""`WorkerProcess`: the driver's handle of one worker: start, requests, end and its cause. Imports no Keras."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, NoReturn

from evonas.errors import WorkerError
from evonas.execution.child_process import ProcessMemory, cause_of_end, child_environment, has_ended, reap
from evonas.execution.messages import (
    Beat,
    Cancel,
    Finished,
    Opened,
    PartialResult,
    Ready,
    Refused,
    Retiring,
    StartWorker,
    Train,
    Warm,
)
from evonas.interruption import Abandoned
from evonas.machine import machine_bytes
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.evaluation import InTraining
    from evonas.training_tasks import TrainingSettings
    from evonas.user_model import PackedBuild

__all__ = ["WorkerDied", "WorkerError", "WorkerLimits", "WorkerProcess"]

_LOG_TAIL_BYTES = 4000
#: Bounds on the seconds for a worker to end a cancelled request, which are half of its start time.
_CANCEL_SECONDS = (0.5, 5.0)


class WorkerDied(Exception):
    """The worker process ended, or was killed, before it answered. The message says how, in one line."""


@dataclass(frozen=True)
class WorkerLimits:
    """Limits that end a worker.

    Attributes:
        start_seconds: time to read the data and load its libraries.
        silence_seconds: time without progress. The single trainer reports every epoch, the others every few.
        beat_seconds: time without a beat after it has started; a worker beats every second, even in a long training.
        candidate_seconds: time between results for one network or a group trained together, regardless of progress;
            None for no limit.
        memory_bytes: resident memory; None is 80% of the memory of the machine or its container.
        look_seconds: interval of checks of the other limits, and of whether to give up.
    """

    start_seconds: float = 600.0
    silence_seconds: float = 1800.0
    beat_seconds: float = 120.0
    candidate_seconds: float | None = None
    memory_bytes: int | None = None
    look_seconds: float = 0.1

    @property
    def memory(self) -> int:
        """`memory_bytes` with the default resolved."""
        return self.memory_bytes or int(0.8 * machine_bytes())


class WorkerProcess:
    """A worker process and the driver's end of its socket. The process is started without waiting for it.

    `begin` must be called before requests.

    Attributes:
        gives_up: polled ten times a second while waiting for an answer; if true, `Abandoned` is raised.
        on_progress: called with what is in training whenever the worker reports it, by the thread that waits.
    """

    def __init__(
        self,
        command: list[str],
        log: Path | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Starts the process.

        Args:
            command: the command to run; the socket's descriptor and this process's id are appended.
            log: file to which the worker's output is appended; a temporary one when None.
            environment: variables of the process in addition to those of this one.
        """
        self._limits, self._memory_bytes, self._spent, self._timed = WorkerLimits(), 0, 0.0, False
        self._ready, self._alive, self._asking, self._number = False, True, False, 0
        self._ended_here = False
        #: Total seconds spent waiting for answers; and a function, polled meanwhile, that returns why to kill the
        #: process.
        self.waited = 0.0
        self.overdue: Callable[[], str] = lambda: ""
        #: Number of the cancelled request that is not answered yet, 0 for none; and seconds until the worker was ready.
        self._cancelled, self._begun, self._start_seconds = 0, time.monotonic(), 0.0
        self.gives_up: Callable[[], bool] = lambda: False
        self.on_progress: Callable[[Sequence[InTraining]], None] = lambda found: None
        self._log: IO[bytes] = tempfile.TemporaryFile() if log is None else log.open("a+b")  # noqa: SIM115
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=child_environment() | dict(environment),
                start_new_session=True,  # a Ctrl-C at the terminal goes to the driver alone
            )
        self._connection, self._memory = Connection(ours.detach()), ProcessMemory(self._process.pid)
        self._driver = os.getpid()
        _STARTED.add(self)

    def warm(self, trainer: str, own: bool) -> None:
        """Loads the libraries of a trainer while the driver reads the data."""
        with suppress(OSError):  # if it is dead already, the first request says so
            self._connection.send(Warm(trainer, own))

    def begin(
        self,
        data_path: Path | None,
        settings: TrainingSettings,
        limits: WorkerLimits,
        build: PackedBuild | None = None,
        log: Path | None = None,
    ) -> None:
        """Reads the data and creates the trainer, without waiting.

        Args:
            data_path: the `PreparedData` to train on; None if `build` brings its own data.
            settings: common to all networks.
            limits: of the process, which is killed if it exceeds them.
            build: a user's function that builds the models; None for evonas's own networks.
            log: file for the worker's past and future output, if it was started without one.
        """
        self._limits, self._memory_bytes = limits, limits.memory
        if log is not None:
            self._log.close()
            self._log = log.open("a+b")
        with suppress(OSError):
            self._connection.send(StartWorker(data_path, settings, self._memory_bytes, build, log))

    @property
    def alive(self) -> bool:
        """Whether it can receive requests."""
        return self._alive and not has_ended(self._process)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def was_killed(self) -> bool:
        """Whether it was ended by an external signal, such as that of the system when memory runs out."""
        return not self._ended_here and (self._process.returncode or 0) < 0

    def add(self, request: Any, *arguments: Any) -> None:
        """Sends `request(number, *arguments)`, which adds to the request in progress.

        Raises:
            WorkerDied: the process has ended.
        """
        self._send(request(self._number, *arguments))

    def settled(self) -> bool:
        """Whether it accepts requests; waits briefly for the end of a cancelled request.

        The wait is shorter than starting another worker; a worker that does not end the request must be replaced.
        """
        least, most = _CANCEL_SECONDS
        until = time.monotonic() + min(max(least, 0.5 * self._start_seconds), most)
        while self._cancelled and self.alive:
            try:
                if not self._connection.poll(max(0.0, until - time.monotonic())):
                    return False
                answer = self._read()
            except (OSError, WorkerDied):
                return False
            if isinstance(answer, Finished | Retiring | Refused) and answer.number == self._cancelled:
                self._cancelled = 0
        return self.alive

    @property
    def is_ready(self) -> bool:
        """Whether it is known to have started."""
        return self._ready

    @property
    def start_seconds(self) -> float | None:
        """Seconds that it took to become ready; None until then. Does not wait."""
        with suppress(OSError, WorkerDied, WorkerError, InputError):  # raised again when it is asked
            if not self._ready and self._alive and self._connection.poll(0):
                self._accept(self._read())
        return self._start_seconds if self._ready else None

    def ask(self, request: Any, *arguments: Any) -> Generator[PartialResult | Opened | Retiring | Finished, None, None]:
        """Sends `request(number, *arguments)` and yields the answers up to `Finished` or `Retiring`.

        A generator that is closed early cancels the request.

        Raises:
            Abandoned: `gives_up` returned true; the request is cancelled.
            WorkerDied: the process ended, or was silent for too long.
            WorkerError: the worker raised.
            InputError: the worker reported a user error.
            RuntimeError: another request is in progress.
        """
        if self._asking:
            raise RuntimeError("a worker answers one request at a time: finish or close the last one first")
        self.wait_until_ready()
        self._number += 1
        number, answered = self._number, False
        self._send(request(number, *arguments))
        self._asking, self._spent, self._timed = True, 0.0, request is Train
        try:
            while not answered:
                answer = self._receive()
                if answer.number == number:
                    answered = isinstance(answer, Finished | Retiring | Refused)
                    if isinstance(answer, PartialResult) and answer.evaluations:
                        self._spent = 0.0
                    if isinstance(answer, Refused):
                        raise answer.exception()
                    yield answer
        finally:
            self._asking = False
            if not answered and self.alive:
                self._cancelled = number
                with suppress(WorkerDied):
                    self._send(Cancel(number))

    def stop(self, patience_seconds: float = 1.0) -> None:
        """Ends the process and its children.

        It exits by itself when the socket closes, and is killed if it does not. Idempotent; in a process forked from
        the driver, it only closes the socket.
        """
        self._alive = False
        self._connection.close()
        if os.getpid() == self._driver and reap(self._process, patience_seconds) is None:
            self._process.kill()
            reap(self._process)
        self._memory.close()
        self._log.close()

    def kill(self) -> None:
        """Kills the process without waiting. Also used when this process exits."""
        self._abandon()
        self._connection.close()
        self._memory.close()
        self._log.close()

    def wait_until_ready(self) -> None:
        """Returns when it has started.

        Raises:
            Abandoned: `gives_up` returned true.
            WorkerError: it does not start.
            InputError: it reported a user error.
        """
        if self._ready:
            return
        try:
            self._accept(self._receive())
        except WorkerDied as death:
            raise WorkerError(f"the worker did not start: {death}\n{self._log_tail()}") from None

    def _accept(self, answer: Any) -> None:
        """Processes the first answer, which reports whether it has started."""
        if isinstance(answer, Refused):
            raise InputError(answer.text) if answer.mistake else WorkerError(f"the worker raised:\n{answer.text}")
        self._ready, self._start_seconds = isinstance(answer, Ready), time.monotonic() - self._begun

    def _send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise WorkerDied(self._obituary()) from None
        except BaseException:
            self._abandon()
            raise

    def _receive(self) -> Any:
        """Returns the next answer, skipping beats and progress.

        Kills the process, and raises WorkerDied, when it exceeds one of its limits.
        """
        silent, unheard, look = 0.0, 0.0, self._limits.look_seconds
        while True:
            if self.gives_up():
                raise Abandoned
            started = time.monotonic()
            try:
                ready = self._connection.poll(look)
            except OSError:
                raise WorkerDied(self._obituary()) from None
            looked = min(time.monotonic() - started, 2 * look)
            self._spent, self.waited = self._spent + looked, self.waited + looked
            if ready:
                message = self._read()
                self._note_progress(message)
                headway = isinstance(message, PartialResult) and not message.evaluations
                if not headway and not isinstance(message, Beat):
                    return message
                # Limits are checked below even if messages keep arriving: memory may grow, or training may never end.
                silent, unheard = (0.0 if headway else silent), 0.0
            else:
                # Its child may hold its end of the socket: then there is no end of file.
                if has_ended(self._process) and not self._connection.poll(0):
                    raise WorkerDied(self._obituary())
                # Counts polls, not time: a suspended machine or a stopped driver must not fail a worker.
                silent += look
                unheard += look
            if self._memory.read() > self._memory_bytes:
                self._end(f"took more memory than the limit of {self._memory_bytes / 1e9:.3g} GB")
            if silent > (limit := self._limits.silence_seconds if self._ready else self._limits.start_seconds):
                self._end(f"hung: it made no headway for {limit:g} s")
            if self._timed and self._spent > (limit := self._limits.candidate_seconds or math.inf):
                self._end(f"took longer than the limit of {limit:g} s per network")
            if reason := self.overdue():
                self._end(reason)
            if self._ready and unheard > self._limits.beat_seconds:
                self._end(f"hung: it gave no sign of life for {self._limits.beat_seconds:g} s")

    def _note_progress(self, message: Any) -> None:
        if isinstance(message, PartialResult) and message.number == self._number and message.in_training is not None:
            self.on_progress(message.in_training)

    def _read(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            raise WorkerDied(self._obituary()) from None
        except BaseException:
            # Interrupted within a message: the start of the next one is unknown.
            self._abandon()
            raise

    def _end(self, reason: str) -> NoReturn:
        self._abandon()
        raise WorkerDied(reason)

    def _abandon(self) -> None:
        self._alive, self._ended_here = False, True
        self._process.kill()

    def _obituary(self) -> str:
        """How the process ended, in a few words."""
        self._alive = False
        status = reap(self._process, 5.0)
        if status is None:
            self._process.kill()
            return "crashed: it closed its connection"
        return cause_of_end(status)

    def _let_go(self) -> None:
        """Closes the socket in a process that was forked from the driver."""
        self._alive = False
        with suppress(OSError):
            self._connection.close()

    def _log_tail(self) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _LOG_TAIL_BYTES))
        return self._log.read().decode(errors="replace")


_STARTED: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()


def _let_all_go() -> None:
    for process in list(_STARTED):
        process._let_go()


os.register_at_fork(after_in_child=_let_all_go)
