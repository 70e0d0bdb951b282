"""The time of a run: what is spent of it, and what of it is for the search, for its finalists and for the end.

A run's time begins where its user's does, with the process of a command or the call of a function, and ends with the
last line that is printed: reading the data, starting the worker, compiling and exporting count. A search ends early
enough for what follows it. Nothing here enters a population: what is evaluated is the same at any speed.

`Timetable` is for every loop: it is asked at each part that an evaluator gives, and `abandon_when` has an evaluator ask
it while it waits, so that the deadline is kept though no part comes.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evonas.machine import usable_cores

if TYPE_CHECKING:
    from evonas.evaluation import Evaluation
    from evonas.runs.records import Record
    from evonas.runs.store import RunStore

__all__ = [
    "MOST_FOR_RETRAINING",
    "RETRAINING_FACTOR",
    "Abandonable",
    "Timetable",
    "abandon_when",
    "makespan",
    "process_started",
    "seconds_in_full",
]

#: Seconds of a re-training over those that the search measured of the network: other seeds may stop later.
RETRAINING_FACTOR = 1.2
#: Share of a run's time that is left for re-trainings at most; and for all that follows the search, before a first
#: generation is complete.
MOST_FOR_RETRAINING, MOST_AT_FIRST = 0.25, 0.1
#: The same share where networks of an ensemble are trained after the finalists.
MOST_WITH_ENSEMBLE = 0.4
#: Time that the end takes beyond what was measured: a share of the run's time, and seconds.
_END_SHARE, _END_SECONDS, _END_MOST = 0.01, 0.3, 5.0
#: What a run may take beyond its time: seconds, or a share of it; and how late scoring on the test split may end.
_LATE_SECONDS, _LATE_SHARE, _TESTS_LATE = 0.8, 0.015, 0.5
#: Results before which it is not measured how many networks are trained at a time.
_FEW_RESULTS = 3
#: A process that is older when this is imported did something else before: its time is not that of a command.
_START_AT_MOST = 20.0

_IMPORTED = time.monotonic()


@runtime_checkable
class Abandonable(Protocol):
    """An evaluator that can give up waiting."""

    def abandon_when(self, check: Callable[[], bool]) -> None:
        """From now on, whatever waits for its worker raises `Abandoned` once `check`, asked ten times a second, holds.

        What is being trained then stops at its next step.
        """
        ...


def abandon_when(evaluator: object, check: Callable[[], bool]) -> None:
    """Has the evaluator ask while it waits, if it can; else it is looked at the clock with each part that it gives."""
    if isinstance(evaluator, Abandonable):
        evaluator.abandon_when(check)


def process_started() -> float:
    """The moment at which this process was started, as `time.monotonic()` counts.

    Where the system does not tell, or the process was a shell that turned into this program after a while: that at
    which evonas was imported.
    """
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        started = time.monotonic() - age
    except (OSError, ValueError, IndexError, AttributeError):
        return _IMPORTED
    return started if 0.0 <= _IMPORTED - started <= _START_AT_MOST else _IMPORTED


def makespan(seconds: Iterable[float], slots: float) -> float:
    """Seconds until all of these trainings are done, the longest begun first.

    Args:
        seconds: of each training.
        slots: trainings at a time, > 0; not whole where what is measured is not.
    """
    machines = [0.0] * max(1, round(slots))
    for each in sorted(seconds, reverse=True):
        place = machines.index(min(machines))
        machines[place] += each
    return max(machines) * len(machines) / slots


def seconds_in_full(seconds: float, record: Record, epochs: int) -> float:
    """Seconds that a network would be trained for all epochs, where it was trained up to a rung for so many.

    One that stopped before its rung would stop again.

    Args:
        seconds: that were measured, see `Times.training_seconds`.
        record: of the network at its rung.
        epochs: of a whole training.
    """
    reached = record.evaluation.epochs
    if reached < record.epochs or not 0 < reached < epochs:
        return seconds
    return seconds * epochs / reached


class Timetable:
    """Of one session of a run.

    Attributes:
        bound: seconds that the run may take, all sessions together; infinite for no bound.
        ending: seconds that exporting the best network will take, set by whoever is to do that.
        most_slots: networks that can be trained at a time at most, where that is known: by default the cores of this
            machine, set by whoever has more.
        counts: whether the seconds of this session are those of the run.
    """

    def __init__(
        self,
        store: RunStore,
        bound: float | None,
        started: float | None = None,
        retrainings: tuple[int, int] = (0, 0),
        has_end: bool = False,
        counts: bool = True,
        members: int = 0,
    ) -> None:
        """A session begins.

        Args:
            store: of the run.
            bound: seconds that the run may take, None for no bound.
            started: when the session began, as `time.monotonic()` counts; now if None.
            retrainings: networks to train again when the search has ended, and how often each.
            has_end: whether anything follows search and finalists that takes time.
            counts: whether the session is one of the run, whose seconds are its own.
            members: networks to train for an ensemble after those.
        """
        self._store, self._retrainings, self._has_end = store, retrainings, has_end
        self._members = members
        self.bound = math.inf if bound is None else bound
        self.ending: Callable[[], float] = lambda: 0.0
        self.most_slots: Callable[[], float] = usable_cores
        self.counts = counts
        self._started = time.monotonic() if started is None else started
        self._before, self._parts_before = store.seconds, store.times.split
        self._parts: dict[str, float] = {}
        self._part, self._part_began = "rest", 0.0
        self._retraining: float | None = None
        self._is_first, self._has_network = True, False
        self._asked: deque[float] = deque(maxlen=2)
        self._results, self._trained, self._since, self._trained_in = 0, 0.0, 0.0, 0.0

    @property
    def began(self) -> float:
        """Seconds of the run when the session began."""
        return self._before

    @property
    def session_seconds(self) -> float:
        """Since the session began."""
        return time.monotonic() - self._started

    @property
    def seconds(self) -> float:
        """All sessions together."""
        return self._before + self.session_seconds

    @property
    def left(self) -> float:
        """Seconds until the time is over, negative afterwards; infinite without a bound."""
        return self.bound - self.seconds

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts the seconds of the block as those of a part of the run, "search" or "finalists"."""
        self._part, self._part_began = name, time.monotonic()
        try:
            yield
        finally:
            self._parts[name] = self._parts.get(name, 0.0) + time.monotonic() - self._part_began
            self._part = "rest"

    def note(self) -> None:
        """Commits the seconds so far, and how they are split: "search", "finalists" and "rest"."""
        now, seconds = time.monotonic(), self.seconds
        parts = {name: self._parts_before[name] + self._parts.get(name, 0.0) for name in ("search", "finalists")}
        if self._part in parts:
            parts[self._part] += now - self._part_began
        rest = max(0.0, seconds - sum(parts.values()))
        self._store.times.note(self.session_seconds, {**parts, "rest": rest})

    # The search.

    @property
    def search_is_over(self) -> bool:
        """Whether what is left is for what follows."""
        if self.bound == math.inf:
            return False
        return self.left <= self._for_what_follows()

    @property
    def is_too_late_to_ask(self) -> bool:
        """Whether a strategy would answer too long after the search is over; nothing can interrupt it.

        The shorter of its last two answers counts, since one of them may have imported what it needs; and half of what
        a run may be late is for it, so that quick answers end no search early.
        """
        if self.bound == math.inf:
            return False
        return self.left - min(self._asked, default=0.0) + 0.5 * self._late <= self._for_what_follows()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Measures how long a strategy takes to answer."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._asked.append(time.monotonic() - began)

    def begin_training(self) -> None:
        """Called before candidates are given to an evaluator, to measure their training."""
        self._since = 0.0

    def note_results(self, evaluations: Sequence[Evaluation]) -> None:
        """Called with evaluations after they were committed."""
        self._retraining = None
        now, seconds = time.monotonic(), sum(each.train_seconds for each in evaluations)
        if self._since:  # since the first result, which has waited for a process, for data and for a compiler
            self._results += len(evaluations)
            self._trained += seconds
            self._trained_in += now - self._since
        self._since = now

    @property
    def slots(self) -> float:
        """Networks that are trained at a time, as measured: seconds of training in a second; 1 before that is known."""
        if self._results < _FEW_RESULTS or self._trained_in <= 0.0:
            return 1.0
        return min(max(self._trained / self._trained_in, 0.2), max(1.0, float(self.most_slots())))

    # What follows it.

    def retraining_seconds(self, top: int, *, one_fold: bool = False) -> list[float]:
        """Seconds that one training of each of the best networks will take, as far as the search can tell.

        Args:
            top: how many networks.
            one_fold: whether they train on one fold of a cross-validation, not on all.
        """
        times, settings = self._store.times, self._store.settings
        factor = RETRAINING_FACTOR / ((settings.cv or 1) if one_fold else 1)
        return [
            factor * seconds_in_full(times.training_seconds(record), record, settings.epochs)
            for record in self._store.best(top)
        ]

    def _for_what_follows(self) -> float:
        if self._retraining is None:
            self._retraining = self._seconds_for_retraining()
            self._is_first, self._has_network = not self._store.generations, bool(self._store.best_places(1))
        # While there is nothing to be written, no time is left for that.
        seconds = self._retraining + (self.ending() if self._has_network else 0.0)
        return self._usual_end + (min(seconds, MOST_AT_FIRST * self.bound) if self._is_first else seconds)

    def _seconds_for_retraining(self) -> float:
        top, seeds = self._retrainings
        if not top or not seeds:
            return 0.0
        trainings = self.retraining_seconds(top) * seeds + self.retraining_seconds(1, one_fold=True) * self._members
        share = MOST_WITH_ENSEMBLE if self._members else MOST_FOR_RETRAINING
        return min(makespan(trainings, self.slots), share * self.bound)

    @property
    def members_seconds(self) -> float:
        """Seconds for the networks that are trained after the finalists, for an ensemble or a mean."""
        return makespan(self.retraining_seconds(1, one_fold=True) * self._members, self.slots) if self._members else 0.0

    @property
    def _usual_end(self) -> float:
        if self.bound == math.inf or not self._has_end:
            return 0.0
        return min(_END_SECONDS + _END_SHARE * self.bound, _END_MOST) + 2.0 * self._store.report_seconds

    @property
    def end_seconds(self) -> float:
        """Seconds for what follows the last training: test scores, reports, export, the last line."""
        return self._usual_end + self.ending()

    @property
    def retrainings_are_over(self) -> bool:
        """Whether what is left is for the end."""
        return self.left <= self.end_seconds

    @property
    def tests_are_over(self) -> bool:
        """Whether what is left is for the export."""
        return self.left <= self.ending() - _TESTS_LATE

    @property
    def is_over(self) -> bool:
        """Whether the time is used up, including the tolerance by which a run may exceed it."""
        return self.left <= -self._late

    @property
    def _late(self) -> float:
        return max(_LATE_SECONDS, _LATE_SHARE * self.bound)
