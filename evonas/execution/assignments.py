"""`Assignments`: waiting networks, leases of workers, and results.

A worker takes a `Lease`: some networks, and a unique token. Results under an invalid token (of a lost worker or an
abandoned generation) are dropped, and so are duplicates, so that late, repeated or reordered answers have no effect.
The networks of a lost worker become available again.

Workers take networks when they are free (self-scheduling), which balances the load between fast and slow machines. If a
trainer plans whole generations, as compiled programs on GPUs do, each lease is a group (guided self-scheduling,
Polychronopoulos and Kuck 1987) and includes the whole generation, so that all workers plan identically.

Thread-safe, and independent of processes, Ray and time.

    >>> assignments = Assignments()
    >>> assignments.add({0: "first task", 1: "second task"})
    >>> lease, = assignments.take(worker=7, room=1)
    >>> lease.numbers
    (0,)
    >>> assignments.put(Outcome(lease.token, {0: "evaluation"}, finished=True))
    True
    >>> assignments.put(Outcome(lease.token, {0: "the same, late"}))
    False
    >>> assignments.results(), assignments.unfinished
    ({0: 'evaluation'}, 1)
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from evonas.errors import WorkerError
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.evaluation import Evaluation, InTraining
    from evonas.training_tasks import TrainingTask

__all__ = ["MOST_LOSSES", "Assignments", "Fault", "Lease", "Outcome"]

#: Number of workers lost with a network after which the network is considered the cause.
MOST_LOSSES = 4
#: Waiting networks per slot above which workers prefetch one network.
_MANY = 2
#: Size of a group, relative to an even share of the waiting networks.
_GROUP_SHARE = 0.5


@dataclass(frozen=True)
class Lease:
    """Networks assigned to a worker.

    Attributes:
        token: identifies the lease, also among leases of the same networks.
        numbers: identify the networks in results.
        tasks: of the networks; where `grouped`, of the whole generation, by number.
        grouped: whether they are trained as a part of the generation.
        state: the trainer's state from earlier generations, if `grouped`.
        request: a message and its arguments, for a lease with a request (`messages.Test`, `Sweep`) instead of networks.
    """

    token: int
    numbers: tuple[int, ...]
    tasks: Sequence[TrainingTask] = field(default=(), repr=False)
    grouped: bool = False
    state: Any = field(default=None, repr=False)
    request: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Fault:
    """An exception in place of an evaluation, and whether it is a user error (then `text` is for the user).

    Attributes:
        text: full description.
        raised: the exception in one line; empty if the worker itself failed.
        mistake: whether it is a user error.
    """

    text: str
    raised: str = ""
    mistake: bool = False

    @classmethod
    def from_exception(cls, error: Exception) -> Fault:
        """Describes an exception raised in a worker."""
        return cls(str(error), getattr(error, "raised", ""), isinstance(error, InputError))

    def exception(self) -> Exception:
        """Restores the exception."""
        return InputError(self.text) if self.mistake else WorkerError(self.text, self.raised)


@dataclass(frozen=True)
class Outcome:
    """Results for a lease.

    Attributes:
        token: of the lease.
        evaluations: by number.
        finished: whether these are the last results of the lease.
        state: of the trainer, once a group is finished; the answer to a request.
        fault: an exception, which finishes the lease.
    """

    token: int
    evaluations: Mapping[int, Evaluation] = field(default_factory=dict)
    finished: bool = False
    state: Any = None
    fault: Fault | None = None


class Assignments:
    """The assignments of one evaluator."""

    def __init__(self) -> None:
        """Starts without work."""
        self._tokens = itertools.count(1)
        #: Notified when there is work, when there are results, and when the driver has processed them.
        self.changed = threading.Condition()
        #: Tokens below this are invalid.
        self.floor = 0
        #: Number of times that the driver has processed results and submitted work.
        self.looks = 0
        #: State of the trainer after the generation, None before one of its groups is finished.
        self.state: Any = None
        self.faults: dict[int, Fault] = {}
        self._grouped, self._planned, self._before = False, True, None
        self._tasks: dict[int, TrainingTask] = {}
        self._waiting: deque[int] = deque()
        self._requests: deque[Lease] = deque()
        self._answers: dict[int, Outcome] = {}
        self._leases: dict[int, tuple[int, Lease]] = {}
        self._held: Counter[int] = Counter()
        self._results: dict[int, Evaluation] = {}
        self._losses: dict[int, int] = {}
        #: Worker -> its last report of what it is training.
        self._progress: dict[int, Sequence[InTraining]] = {}

    # Called by the driver.

    def add(self, tasks: Mapping[int, TrainingTask]) -> None:
        """Adds networks to train individually; their numbers must not be in use."""
        with self.changed:
            self._tasks |= tasks
            self._waiting.extend(tasks)
            self.changed.notify_all()

    def add_generation(self, tasks: Sequence[TrainingTask], done: frozenset[int], state: Any) -> None:
        """Adds a generation to be planned as a whole; if all are done, one worker still plans it."""
        with self.changed:
            self.revoke()
            self._grouped, self._planned, self._before, self.state = True, False, state, state
            self._tasks = dict(enumerate(tasks))
            self._waiting = deque(number for number in range(len(tasks)) if number not in done)
            self.changed.notify_all()

    def add_request(self, *request: Any) -> int:
        """Adds a request to any worker; returns the token of its answer."""
        with self.changed:
            lease = Lease(next(self._tokens), (), request=request)
            self._requests.append(lease)
            self.changed.notify_all()
            return lease.token

    def answer(self, token: int) -> Outcome | None:
        """The answer to a request, once; None while there is none."""
        with self.changed:
            return self._answers.pop(token, None)

    def look(self) -> None:
        """Notifies waiting workers that the driver has submitted all available work."""
        with self.changed:
            self.looks += 1
            self.changed.notify_all()

    def results(self) -> dict[int, Evaluation]:
        """Results since the last call, in the order of arrival."""
        with self.changed:
            found, self._results = self._results, {}
            for number in found:
                self._losses.pop(number, None)
                if not self._grouped:
                    del self._tasks[number]
            return found

    def forget(self, numbers: Iterable[int]) -> None:
        """Removes networks that raised."""
        with self.changed:
            for number in numbers:
                self._tasks.pop(number, None)
                self._losses.pop(number, None)

    def in_training(self) -> list[InTraining]:
        """Networks that workers report to be training and whose results have not arrived."""
        with self.changed:
            out = {(worker, number) for worker, lease in self._leases.values() for number in lease.numbers}
            return [each for worker, found in self._progress.items() for each in found if (worker, each.number) in out]

    @property
    def has_news(self) -> bool:
        """Whether there are results, answers or faults."""
        return bool(self._results or self._answers or self.faults)

    @property
    def unfinished(self) -> int:
        """Number of networks that are waiting, in training or not yet returned by `results`; 1 if only the plan is
        missing.
        """
        with self.changed:
            out = sum(len(lease.numbers) for _, lease in self._leases.values())
            return len(self._waiting) + out + len(self._results) or int(not self._planned)

    @property
    def has_work(self) -> bool:
        """Whether something waits for a worker."""
        return bool(self._waiting or self._requests or not self._planned)

    @property
    def waiting(self) -> int:
        """Networks that no worker has."""
        return len(self._waiting)

    @property
    def demand(self) -> int:
        """Number of workers that could be busy, with one network each."""
        with self.changed:
            out = sum(max(1, len(lease.numbers)) for _, lease in self._leases.values())
            return len(self._requests) + len(self._waiting) + out

    def revoke(self) -> None:
        """Invalidates all leases; later results are dropped."""
        with self.changed:
            self.floor = next(self._tokens)
            self._grouped, self._planned = False, True
            for held in (self._leases, self._waiting, self._requests, self._answers):
                held.clear()
            self._held.clear()
            self._tasks, self._results, self._losses, self.faults = {}, {}, {}, {}
            self._progress.clear()
            self.changed.notify_all()

    # Called by workers.

    def take(self, worker: int, room: int, workers: int = 1, single_networks: bool = False) -> tuple[Lease, ...]:
        """Takes leases for a worker with room for this many networks; empty if nothing is waiting.

        Args:
            worker: by which it is known.
            room: number of networks that it can train in addition to those it already has.
            workers: number of workers, which determines the size of a group.
            single_networks: whether the worker takes neither groups nor requests.
        """
        with self.changed:
            if room < 1 or (single_networks and self._grouped):
                return ()
            if self._requests and not single_networks:
                return (self._hand(worker, self._requests.popleft()),)
            if self._grouped:
                if not self._waiting and (self._planned or self._leases):
                    return ()
                share = _GROUP_SHARE if workers > 1 else 1.0
                return (self._make_lease(worker, math.ceil(share * len(self._waiting) / workers)),)
            return tuple(self._make_lease(worker, 1) for _ in range(min(room, len(self._waiting))))

    def spare(self, slots: int) -> int:
        """Number of networks that a worker may prefetch.

        Zero if few networks are waiting, since the last ones should not wait at a busy worker while another one is
        free.
        """
        with self.changed:
            return int(not self._grouped and not self._requests and len(self._waiting) > _MANY * slots)

    def put(self, outcome: Outcome) -> bool:
        """Adds results of a worker; returns whether its lease is valid."""
        with self.changed:
            if outcome.token not in self._leases:
                return False
            worker, lease = self._leases.pop(outcome.token)
            self._held[worker] -= 1
            if lease.request:
                self._answers[outcome.token] = outcome
                self.changed.notify_all()
                return True
            self._results |= {number: e for number, e in outcome.evaluations.items() if number in lease.numbers}
            left = tuple(number for number in lease.numbers if number not in outcome.evaluations)
            if outcome.fault is not None:
                # In a group the cause is not a network, or the worker would have isolated it.
                self.faults |= dict.fromkeys((-1,) if lease.grouped else left or (-1,), outcome.fault)
            elif outcome.finished:
                self._waiting.extendleft(reversed(left))
                if lease.grouped:
                    self.state, self._planned = outcome.state, True
            else:
                self._hand(worker, replace(lease, numbers=left))
            self.changed.notify_all()
            return True

    def note_progress(self, worker: int, found: Sequence[InTraining], floor: int | None = None) -> None:
        """Records what a worker is training and its progress, by number.

        Args:
            worker: by which it is known.
            found: replaces what it said before.
            floor: the floor that it knew; what it says of leases that were revoked since then is dropped.
        """
        with self.changed:
            if floor is None or floor >= self.floor:
                self._progress[worker] = found

    def lost(self, worker: int, reason: str) -> int:
        """Returns the networks of a lost worker to the front of the queue; returns their number.

        Networks with which `MOST_LOSSES` workers were lost count as failed.
        """
        from evonas.evaluation import Evaluation, Status

        with self.changed:
            gone = [lease for owner, lease in self._leases.values() if owner == worker]
            del self._held[worker]
            self._progress.pop(worker, None)
            for lease in gone:
                del self._leases[lease.token]
                if lease.request:
                    self._requests.append(lease)
            numbers = sorted(number for lease in gone for number in lease.numbers)
            for number in numbers:
                self._losses[number] = self._losses.get(number, 0) + 1
                if self._losses[number] >= MOST_LOSSES:
                    why = f"{MOST_LOSSES} workers, one after the other, were lost with it, the last one: {reason}"
                    self._results[number] = Evaluation(Status.FAILED, reason=why)
            self._waiting.extendleft(number for number in reversed(numbers) if number not in self._results)
            self.changed.notify_all()
            return len(numbers)

    def is_valid(self, token: int) -> bool:
        """Whether the token is still valid."""
        return token in self._leases

    def held_by(self, worker: int) -> int:
        """Number of leases that a worker holds."""
        return self._held[worker]

    def _make_lease(self, worker: int, count: int) -> Lease:
        numbers = tuple(self._waiting.popleft() for _ in range(count))
        tasks = tuple(self._tasks.values()) if self._grouped else tuple(self._tasks[number] for number in numbers)
        lease = Lease(next(self._tokens), numbers, tasks, self._grouped, self._before if self._grouped else None)
        return self._hand(worker, lease)

    def _hand(self, worker: int, lease: Lease) -> Lease:
        self._leases[lease.token] = (worker, lease)
        self._held[worker] += 1
        return lease
