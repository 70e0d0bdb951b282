"""`Assignments`: which networks wait, which worker has them, and what came back.

A worker takes a `Lease`: some networks, and a token that is given once. What comes back under a token that is no longer
valid (of a worker that was given up, or of a generation that was abandoned) is dropped, and so is what comes twice: a
late, repeated or reordered answer changes nothing. A worker that is lost gives its networks back.

Workers take when they are free (self-scheduling), so that a slow machine gets as much as it can do. Where a trainer
plans for a whole generation, as the compiled programs of a GPU do, each lease is of a group that is a share of what
waits (guided self-scheduling, Polychronopoulos and Kuck 1987), and has the whole generation with it, to plan alike.

Thread-safe. Knows no processes, no Ray and no clock.

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
    from evonas.tasks.train import TrainingTask

__all__ = ["MOST_LOSSES", "Assignments", "Fault", "Lease", "Outcome"]

#: Workers that may be lost with a network before it is the network that is to blame.
MOST_LOSSES = 4
#: Networks waiting for each slot above which a worker is given one more than it trains.
_MANY = 2
#: Part of an even share that a group takes of what waits.
_GROUP_SHARE = 0.5


@dataclass(frozen=True)
class Lease:
    """Networks that a worker has.

    Attributes:
        token: identifies the lease, also among leases of the same networks.
        numbers: by which the networks come back.
        tasks: of the networks; where `grouped`, of the whole generation, by number.
        grouped: whether they are to be trained as a part of the generation.
        state: what the trainer remembers of earlier generations, where `grouped`.
        request: a message and its arguments, of a lease that has no networks but a question (`messages.Test`, `Sweep`).
    """

    token: int
    numbers: tuple[int, ...]
    tasks: Sequence[TrainingTask] = field(default=(), repr=False)
    grouped: bool = False
    state: Any = field(default=None, repr=False)
    request: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Fault:
    """Why a network has no evaluation: an exception, and whether it is a user's mistake (then `text` is for a person).

    Attributes:
        text: all that is known.
        raised: the exception in one line; empty if the worker itself failed.
        mistake: whether it is a user's.
    """

    text: str
    raised: str = ""
    mistake: bool = False

    @classmethod
    def from_exception(cls, error: Exception) -> Fault:
        """Of an exception in a worker."""
        return cls(str(error), getattr(error, "raised", ""), isinstance(error, InputError))

    def exception(self) -> Exception:
        """The exception back."""
        return InputError(self.text) if self.mistake else WorkerError(self.text, self.raised)


@dataclass(frozen=True)
class Outcome:
    """What a worker has to say of a lease.

    Attributes:
        token: of the lease.
        evaluations: by number.
        finished: whether nothing more comes under this token.
        state: of the trainer, once a group is finished; the answer to a request.
        fault: what was raised; the lease is finished then.
    """

    token: int
    evaluations: Mapping[int, Evaluation] = field(default_factory=dict)
    finished: bool = False
    state: Any = None
    fault: Fault | None = None


class Assignments:
    """Of one evaluator, from its first generation to its last."""

    def __init__(self) -> None:
        """Nothing is to be done."""
        self._tokens = itertools.count(1)
        #: Signalled when there is work, when there are results, and when the driver has had a look at them.
        self.changed = threading.Condition()
        #: Tokens below are not valid any more.
        self.floor = 0
        #: How often the driver has looked for results, after it gave what it had.
        self.looks = 0
        #: Of the trainer after the generation, None before one of its groups is finished.
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
        #: Worker -> what it has said last that it trains.
        self._progress: dict[int, Sequence[InTraining]] = {}

    # What the driver does.

    def add(self, tasks: Mapping[int, TrainingTask]) -> None:
        """Networks to be trained one by one; numbers of none that is not back yet."""
        with self.changed:
            self._tasks |= tasks
            self._waiting.extend(tasks)
            self.changed.notify_all()

    def add_generation(self, tasks: Sequence[TrainingTask], done: frozenset[int], state: Any) -> None:
        """A generation to be planned as a whole; with everything done, one worker plans it all the same."""
        with self.changed:
            self.revoke()
            self._grouped, self._planned, self._before, self.state = True, False, state, state
            self._tasks = dict(enumerate(tasks))
            self._waiting = deque(number for number in range(len(tasks)) if number not in done)
            self.changed.notify_all()

    def add_request(self, *request: Any) -> int:
        """A question to any worker; returns the token of its answer."""
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
        """Tells whoever waits for more work that the driver has given what it had."""
        with self.changed:
            self.looks += 1
            self.changed.notify_all()

    def results(self) -> dict[int, Evaluation]:
        """What came back since this was last asked, in the order of arrival."""
        with self.changed:
            found, self._results = self._results, {}
            for number in found:
                self._losses.pop(number, None)
                if not self._grouped:
                    del self._tasks[number]
            return found

    def forget(self, numbers: Iterable[int]) -> None:
        """Networks that raised, and of which nothing is to come any more."""
        with self.changed:
            for number in numbers:
                self._tasks.pop(number, None)
                self._losses.pop(number, None)

    def in_training(self) -> list[InTraining]:
        """What workers have said that they train, as far as it has not come back."""
        with self.changed:
            out = {number for _, lease in self._leases.values() for number in lease.numbers}
            return [each for found in self._progress.values() for each in found if each.number in out]

    @property
    def has_news(self) -> bool:
        """Whether there are results, answers or faults."""
        return bool(self._results or self._answers or self.faults)

    @property
    def unfinished(self) -> int:
        """Networks that wait, are in training or are not asked for with `results`; 1 while only the plan is missing."""
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
        """Workers that would have something to do, one network each."""
        with self.changed:
            out = sum(max(1, len(lease.numbers)) for _, lease in self._leases.values())
            return len(self._requests) + len(self._waiting) + out

    def revoke(self) -> None:
        """Nothing is wanted any more; what still comes back is dropped."""
        with self.changed:
            self.floor = next(self._tokens)
            self._grouped, self._planned = False, True
            for held in (self._leases, self._waiting, self._requests, self._answers):
                held.clear()
            self._held.clear()
            self._tasks, self._results, self._losses, self.faults = {}, {}, {}, {}
            self._progress.clear()
            self.changed.notify_all()

    # What workers do.

    def take(self, worker: int, room: int, workers: int = 1, single_networks: bool = False) -> tuple[Lease, ...]:
        """Leases for a worker with room for that many networks; empty if nothing is waiting.

        Args:
            worker: by which it is known.
            room: networks that it can train in addition to those that it has.
            workers: that take from here, for the size of a group.
            single_networks: whether the worker takes neither groups nor questions.
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
        """Networks that a worker may have beyond those that it trains, so that it begins the next one without asking.

        None where few wait for that many slots, or the last ones would wait at a worker that is busy beside one that
        is free.
        """
        with self.changed:
            return int(not self._grouped and not self._requests and len(self._waiting) > _MANY * slots)

    def put(self, outcome: Outcome) -> bool:
        """Takes what a worker says; whether its lease is valid."""
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
                # Of a group it is not a network's doing, or the worker would have found the one to blame.
                self.faults |= dict.fromkeys((-1,) if lease.grouped else left or (-1,), outcome.fault)
            elif outcome.finished:
                self._waiting.extendleft(reversed(left))
                if lease.grouped:
                    self.state, self._planned = outcome.state, True
            else:
                self._hand(worker, replace(lease, numbers=left))
            self.changed.notify_all()
            return True

    def note_progress(self, worker: int, found: Sequence[InTraining]) -> None:
        """What a worker trains now and how far, by number."""
        with self.changed:
            self._progress[worker] = found

    def lost(self, worker: int, reason: str) -> int:
        """A worker is gone: others take what it had, first of all; returns how many networks that is.

        One with which `MOST_LOSSES` workers were lost has failed.
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
        """Whether what comes back under the token is still wanted."""
        return token in self._leases

    def held_by(self, worker: int) -> int:
        """Leases that a worker has."""
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
