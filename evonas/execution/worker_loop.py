"""The loop that drives one worker process: takes leases from a port, trains them, and returns the results.

The same on every machine: on the driver's, a thread for each worker; in a Ray cluster, a thread of
the actor (`ray_actor.py`). The process that trains is watched as ever (`evaluator.py`), so that a network that crashes,
hangs or takes too much memory fails in the same words wherever it does.
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

#: Rounds without work after which a worker is no longer asked for what it would be given.
_IDLE_ROUNDS = 10


class Port(Protocol):
    """Where a worker's leases come from and their outcomes go to."""

    @property
    def closed(self) -> bool:
        """Whether the worker is to end."""
        ...

    def ready(self, slots: int) -> None:
        """The worker has started, and trains that many networks at a time."""
        ...

    def failed(self, fault: Fault) -> None:
        """The worker cannot start."""
        ...

    def take(self, room: int, idle: bool) -> Sequence[Lease]:
        """Leases of at most that many networks, and of one more where many wait (`Assignments.spare`).

        Waits for some for a while if the worker is idle; else, with room and right after it has put something, until
        whoever gives has had a look at that.
        """
        ...

    def put(self, outcome: Outcome) -> None:
        """What came of a lease."""
        ...

    def note_progress(self, found: Sequence[InTraining]) -> None:
        """What is in training now and how far."""
        ...

    def is_valid(self, token: int) -> bool:
        """Whether a lease is still wanted."""
        ...


def drive(evaluator: WorkerEvaluator, port: Port, grouped: bool) -> None:
    """Trains what the port gives until it is closed. `grouped`: whether its leases are groups of a generation."""
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
    except Exception:  # this thread is not joined: whoever waits on its port must hear of it
        port.failed(Fault(traceback.format_exc()))
    finally:
        evaluator.close()


class _Driven:
    def __init__(self, evaluator: WorkerEvaluator, port: Port) -> None:
        self._evaluator, self._port = evaluator, port
        self._stream: WorkerStream | None = None
        #: Number -> token of what is in training.
        self._held: dict[int, int] = {}
        #: Groups and requests, each of which has the worker for itself.
        self._later: deque[Lease] = deque()
        self._slots, self._idle = 1, 0
        #: Numbers of the networks of a lease that is trained as if it were a generation; None for the worker's own.
        self._numbers: Sequence[int] | None = None

    def note_progress(self, found: Sequence[InTraining]) -> None:
        """Tells the port what is in training."""
        if (numbers := self._numbers) is not None:
            found = [replace(each, number=numbers[each.number]) for each in found]
        self._port.note_progress(found)

    def gives_up(self) -> bool:
        """Whether something in training is no longer wanted."""
        return self._port.closed or not all(map(self._port.is_valid, list(self._held.values())))

    def start(self, grouped: bool) -> int:
        """Waits until the process is ready; returns how many networks it trains at a time."""
        if grouped:
            self._evaluator.ask_once(Ping)
        else:
            self._slots = self._opened().slots
        return self._slots

    def step(self) -> None:
        """Takes what there is room for, and waits for what comes back."""
        room = self._slots - len(self._held)
        leases = self._port.take(room, not self._held) if room >= 0 and not self._later else ()
        self._idle = 0 if leases or self._held else self._idle + 1
        if self._idle == _IDLE_ROUNDS:
            self._close()  # a worker without work says every now and then that it has none
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
        stream = self._opened()
        for number, task in zip(lease.numbers, lease.tasks, strict=True):
            stream.give_task(number, task)

    def _wait(self) -> None:
        for number, evaluation in self._opened().wait().items():
            self._port.put(Outcome(self._held.pop(number), {number: evaluation}, finished=True))

    def _guard(self, step: Callable[[], None]) -> None:
        """Does a step; where it raises, every network that is in training has that fault."""
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
        """A group, or a request: nothing else is in training meanwhile."""
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
                named = part if lease.grouped else {lease.numbers[place]: found for place, found in part.items()}
                self._port.put(Outcome(lease.token, named))
            self._port.put(Outcome(lease.token, finished=True, state=self._evaluator.state()))
        except Abandoned:
            pass
        except (WorkerError, InputError) as error:
            self._port.put(Outcome(lease.token, fault=Fault.from_exception(error)))
        finally:
            self._held, self._numbers = {}, None

    def _opened(self) -> WorkerStream:
        if self._stream is None:
            self._stream = self._evaluator.stream()
        return self._stream

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._held = None, {}
