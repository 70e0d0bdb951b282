"""The loop that drives one worker process: takes leases from a port, trains them, and returns the results.

It runs in a thread per worker: in the driver for workers on its machine, in the actor (`ray_actor.py`) on a Ray
cluster. The training process is monitored as always (`evaluator.py`), so that a network that crashes, hangs or takes
too much memory fails in the same way everywhere.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from evonas.errors import WorkerError
from evonas.execution.assignments import Fault, Lease, Outcome
from evonas.execution.messages import Ping
from evonas.interruption import Abandoned
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.evaluation import InTraining
    from evonas.execution.evaluator import WorkerEvaluator
    from evonas.execution.streaming import WorkerStream

__all__ = ["Port", "drive"]

#: Number of rounds without work after which the stream to the worker is closed.
_IDLE_ROUNDS = 10


class Port(Protocol):
    """Source of a worker's leases and destination of their outcomes."""

    @property
    def closed(self) -> bool:
        """Whether the worker should end."""
        ...

    def ready(self, slots: int) -> None:
        """Called when the worker has started; it trains `slots` networks at a time."""
        ...

    def failed(self, fault: Fault) -> None:
        """Called when the worker cannot start."""
        ...

    def take(self, room: int, idle: bool) -> Sequence[Lease]:
        """Returns leases of at most `room` networks, plus one if many wait (`Assignments.spare`).

        If the worker is idle, waits a while for leases; otherwise, if it has room and has just delivered a result,
        waits until the driver has processed it.
        """
        ...

    def put(self, outcome: Outcome) -> None:
        """Delivers the outcome of a lease."""
        ...

    def note_progress(self, found: Sequence[InTraining]) -> None:
        """Reports the networks in training and their progress."""
        ...

    def is_valid(self, token: int) -> bool:
        """Whether a lease is still valid."""
        ...


def drive(evaluator: WorkerEvaluator, port: Port, grouped: bool) -> None:
    """Trains leases of the port until it is closed. `grouped`: whether leases are groups of a generation."""
    worker = _Driven(evaluator, port)
    evaluator.abandon_when(worker.gives_up)
    evaluator.watch_training(worker.note_progress)
    try:
        port.ready(worker.start(grouped))
        while not port.closed:
            worker.step()
    except Abandoned:
        pass
    except (WorkerError, InputError) as error:
        port.failed(Fault.from_exception(error))
    except Exception:  # this thread is not joined, so errors must be reported through its port
        port.failed(Fault(traceback.format_exc()))
    finally:
        evaluator.close()


class _Driven:
    def __init__(self, evaluator: WorkerEvaluator, port: Port) -> None:
        self._evaluator, self._port = evaluator, port
        self._stream: WorkerStream | None = None
        #: Number -> token of each network in training.
        self._held: dict[int, int] = {}
        #: Groups and requests, each of which needs the worker exclusively.
        self._later: deque[Lease] = deque()
        self._slots, self._idle = 1, 0
        #: Numbers of the networks of a lease that is trained as a generation; None in a stream.
        self._numbers: Sequence[int] | None = None

    def note_progress(self, found: Sequence[InTraining]) -> None:
        """Reports the networks in training to the port."""
        if (numbers := self._numbers) is not None:
            found = [replace(each, number=numbers[each.number]) for each in found]
        self._port.note_progress(found)

    def gives_up(self) -> bool:
        """Whether a lease in training is no longer valid."""
        return self._port.closed or not all(map(self._port.is_valid, list(self._held.values())))

    def start(self, grouped: bool) -> int:
        """Waits until the process is ready; returns how many networks it trains at a time."""
        if grouped:
            self._evaluator.ask_once(Ping)
        else:
            self._slots = self._get_stream().slots
        return self._slots

    def step(self) -> None:
        """Takes leases that fit, and waits for results."""
        room = self._slots - len(self._held)
        leases = self._port.take(room, not self._held) if room >= 0 and not self._later else ()
        self._idle = 0 if leases or self._held else self._idle + 1
        if self._idle == _IDLE_ROUNDS:
            self._close()  # closing makes the worker available to others
        for lease in leases:
            if lease.grouped or lease.request or any(task.lineage for task in lease.tasks):
                self._later.append(lease)
            else:
                self._held |= dict.fromkeys(lease.numbers, lease.token)
                self._guard(partial(self._give, lease))
        if self._held:
            self._guard(self._wait)
        while self._later and not self._held:
            self._run_alone(self._later.popleft())

    def _give(self, lease: Lease) -> None:
        stream = self._get_stream()
        for number, task in zip(lease.numbers, lease.tasks, strict=True):
            stream.give_task(number, task)

    def _wait(self) -> None:
        for number, evaluation in self._get_stream().wait().items():
            self._port.put(Outcome(self._held.pop(number), {number: evaluation}, finished=True))

    def _guard(self, step: Callable[[], None]) -> None:
        """Runs a step; if it raises, every network in training gets that fault."""
        try:
            step()
        except Abandoned:
            self._close()
        except (WorkerError, InputError) as error:
            held = self._held
            self._close()
            for token in held.values():
                self._port.put(Outcome(token, fault=Fault.from_exception(error)))

    def _run_alone(self, lease: Lease) -> None:
        """Trains a group or processes a request, with nothing else in training."""
        self._close()
        self._held = {-1: lease.token}
        try:
            if lease.request:
                answer = self._evaluator.ask_once(*lease.request)
                self._port.put(Outcome(lease.token, finished=True, state=answer.value))
                return
            numbers = lease.numbers if lease.grouped else range(len(lease.numbers))
            done = frozenset(range(len(lease.tasks))) - frozenset(numbers)
            self._numbers = None if lease.grouped else lease.numbers
            self._evaluator.restore(lease.state)
            for part in self._evaluator.evaluate_tasks(lease.tasks, done):
                named = part if lease.grouped else {lease.numbers[index]: found for index, found in part.items()}
                self._port.put(Outcome(lease.token, named))
            self._port.put(Outcome(lease.token, finished=True, state=self._evaluator.state()))
        except Abandoned:
            pass
        except (WorkerError, InputError) as error:
            self._port.put(Outcome(lease.token, fault=Fault.from_exception(error)))
        finally:
            self._held, self._numbers = {}, None

    def _get_stream(self) -> WorkerStream:
        if self._stream is None:
            self._stream = self._evaluator.stream()
        return self._stream

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._held = None, {}
