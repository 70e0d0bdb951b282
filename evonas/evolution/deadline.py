"""The time budget of a run: the time spent, and the time reserved for finalists and the end of the run.

A run's time starts with the command's process or the function call, and ends with the last line printed: it includes
reading the data, starting the worker, compilation and export. The search stops early enough for the steps that follow.
Timing never affects the results of a given candidate.

Every loop checks its `Timetable` after each of the evaluator's results. With `abandon_when`, the evaluator also checks
it while waiting, so that the deadline is met even without results.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
    "seconds_in_full",
]

#: Safety factor on the measured training time of a network, since training from other seeds may stop later.
RETRAINING_FACTOR = 1.2
#: Largest share of a run's time that is reserved for retraining and, until the first generation is complete, for
#: everything after the search.
MOST_FOR_RETRAINING, MOST_AT_FIRST = 0.25, 0.1
#: Largest share for retraining if ensemble members are trained after the finalists.
MOST_WITH_ENSEMBLE = 0.4
#: Margin for the end in addition to measured times: a share of the run's time plus seconds, and the most.
_END_SHARE, _END_SECONDS, _END_MOST = 0.01, 0.3, 5.0
#: The same for choosing the members of a mean, which scores the best networks on the validation rows.
_CHOICE_SHARE, _CHOICE_MOST = 0.03, 15.0
#: Tolerance of the deadline in seconds and as a share of the time, and how late scoring on the test split may end.
_LATE_SECONDS, _LATE_SHARE, _TESTS_LATE = 0.8, 0.015, 0.5
#: Number of results required to measure how many networks are trained at a time.
_FEW_RESULTS = 3


@runtime_checkable
class Abandonable(Protocol):
    """An evaluator whose waits can be abandoned."""

    def abandon_when(self, check: Callable[[], bool]) -> None:
        """Makes all waits for the worker raise `Abandoned` as soon as `check`, polled ten times a second, returns true.

        Training in progress stops at its next step.
        """
        ...


def abandon_when(evaluator: object, check: Callable[[], bool]) -> None:
    """Makes the evaluator poll `check` while waiting. If it cannot, loops check the clock between results only."""
    if isinstance(evaluator, Abandonable):
        evaluator.abandon_when(check)


def makespan(seconds: Iterable[float], slots: float) -> float:
    """Makespan in seconds of training several networks, scheduled by the longest-processing-time-first rule.

    Args:
        seconds: training time of each network.
        slots: number of networks trained at a time, > 0; may be fractional.
    """
    machines = [0.0] * max(1, round(slots))
    for each in sorted(seconds, reverse=True):
        machine = machines.index(min(machines))
        machines[machine] += each
    return max(machines) * len(machines) / slots


def seconds_in_full(seconds: float, record: Record, epochs: int) -> float:
    """Estimated seconds to train a network for all epochs, from the time up to a rung.

    A network that stopped before its rung is assumed to stop at the same epoch again. Epochs on reduced data are
    assumed to cost in proportion to rows and pixels.

    Args:
        seconds: measured seconds, see `Times.training_seconds`.
        record: the network's record at its rung.
        epochs: total number of epochs.
    """
    reached = record.evaluation.epochs
    whole = reached if reached < record.epochs or not 0 < reached < epochs else epochs
    cost = float(reached)  # in epochs on all data
    if record.reduction is not None:
        share = record.reduction.rows / record.reduction.factor**2
        cost -= (1.0 - share) * min(reached, record.reduction.epochs)
    return seconds * whole / cost if cost else seconds


class Timetable:
    """The time budget in one session of a run.

    Attributes:
        bound: time limit of the run in seconds, over all sessions; infinite for no limit.
        ending: estimates the seconds for the export; set by the exporter.
        most_slots: upper bound on the number of networks trained at a time; by default, the cores of this machine.
        counts: whether the seconds of this session count towards the run's time.
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
        """Begins a session.

        Args:
            store: the run's store.
            bound: time limit of the run in seconds; None for no limit.
            started: start of the session in terms of `time.monotonic()`; now if None.
            retrainings: number of networks to retrain after the search, and number of seeds for each.
            has_end: whether steps that take time follow the search and the finalists.
            counts: whether the seconds of the session count towards the run's time.
            members: number of further networks to train for an ensemble.
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
        self._response_seconds: deque[float] = deque(maxlen=2)
        self._results, self._trained, self._since, self._trained_in = 0, 0.0, 0.0, 0.0

    @property
    def began(self) -> float:
        """The run's seconds at the beginning of the session."""
        return self._before

    @property
    def session_seconds(self) -> float:
        """Seconds since the beginning of the session."""
        return time.monotonic() - self._started

    @property
    def seconds(self) -> float:
        """Seconds of all sessions."""
        return self._before + self.session_seconds

    @property
    def left(self) -> float:
        """Seconds until the deadline, negative afterwards; infinite without a limit."""
        return self.bound - self.seconds

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Attributes the seconds of the block to a phase of the run, "search" or "finalists"."""
        self._part, self._part_began = name, time.monotonic()
        try:
            yield
        finally:
            self._parts[name] = self._parts.get(name, 0.0) + time.monotonic() - self._part_began
            self._part = "rest"

    def note(self) -> None:
        """Commits the seconds so far and their split into "search", "finalists" and "rest"."""
        now, seconds = time.monotonic(), self.seconds
        parts = {name: self._parts_before[name] + self._parts.get(name, 0.0) for name in ("search", "finalists")}
        if self._part in parts:
            parts[self._part] += now - self._part_began
        rest = max(0.0, seconds - sum(parts.values()))
        self._store.times.note(self.session_seconds, {**parts, "rest": rest})

    # The search.

    @property
    def search_is_over(self) -> bool:
        """Whether the remaining time is needed for the steps after the search."""
        if self.bound == math.inf:
            return False
        return self.left <= self._reserved_after_search()

    @property
    def is_too_late_to_ask(self) -> bool:
        """Whether the strategy, which cannot be interrupted, would respond too late.

        The shorter of its last two response times is used, since one of them may include imports. Half of the tolerance
        may be used up by it, so that fast strategies do not end a search early.
        """
        if self.bound == math.inf:
            return False
        return (
            self.left - min(self._response_seconds, default=0.0) + 0.5 * self._tolerance
            <= self._reserved_after_search()
        )

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Measures the strategy's response time within the context."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._response_seconds.append(time.monotonic() - began)

    def begin_training(self) -> None:
        """Must be called before candidates are submitted, so that their training can be measured."""
        self._since = 0.0

    def note_results(self, evaluations: Sequence[Evaluation]) -> None:
        """Must be called with evaluations after they have been committed."""
        self._retraining = None
        now, seconds = time.monotonic(), sum(each.train_seconds for each in evaluations)
        if self._since:  # the time before the first result includes starting a process, loading data and compiling
            self._results += len(evaluations)
            self._trained += seconds
            self._trained_in += now - self._since
        self._since = now

    @property
    def slots(self) -> float:
        """Measured number of networks trained at a time (training seconds per second); 1 until enough are trained."""
        if self._results < _FEW_RESULTS or self._trained_in <= 0.0:
            return 1.0
        return min(max(self._trained / self._trained_in, 0.2), max(1.0, float(self.most_slots())))

    # After the search.

    def retraining_seconds(self, top: int, *, one_fold: bool = False) -> list[float]:
        """Estimated seconds to train each of the best networks once, from measurements during the search.

        Args:
            top: number of networks.
            one_fold: whether each is trained on one cross-validation fold instead of all.
        """
        times, settings = self._store.times, self._store.settings
        factor = RETRAINING_FACTOR / ((settings.cv or 1) if one_fold else 1)
        return [
            factor * seconds_in_full(times.training_seconds(record), record, settings.epochs)
            for record in self._store.best(top)
        ]

    def _reserved_after_search(self) -> float:
        if self._retraining is None:
            self._retraining = self._seconds_for_retraining()
            self._is_first, self._has_network = not self._store.generations, bool(self._store.best_places(1))
        # No time is reserved for the export as long as there is no network to export.
        seconds = self._retraining + (self.ending() if self._has_network else 0.0)
        return self._end_margin + (min(seconds, MOST_AT_FIRST * self.bound) if self._is_first else seconds)

    def _seconds_for_retraining(self) -> float:
        top, seeds = self._retrainings
        if not top or not seeds:
            return 0.0
        durations = self.retraining_seconds(top) * seeds + self.retraining_seconds(1, one_fold=True) * self._members
        share = MOST_WITH_ENSEMBLE if self._members else MOST_FOR_RETRAINING
        return min(makespan(durations, self.slots), share * self.bound)

    @property
    def members_seconds(self) -> float:
        """Estimated seconds for the networks that are trained after the finalists, for an ensemble or a mean."""
        return makespan(self.retraining_seconds(1, one_fold=True) * self._members, self.slots) if self._members else 0.0

    @property
    def _end_margin(self) -> float:
        if self.bound == math.inf or not self._has_end:
            return 0.0
        settings = self._store.settings
        choice = self.choice_seconds if settings.average and not settings.all_rows else 0.0
        return min(_END_SECONDS + _END_SHARE * self.bound, _END_MOST) + choice + 2.0 * self._store.report_seconds

    @property
    def end_seconds(self) -> float:
        """Seconds reserved for the steps after all training: test scores, reports, export and output."""
        return self._end_margin + self.ending()

    @property
    def retrainings_are_over(self) -> bool:
        """Whether the remaining time is needed for the end of the run."""
        return self.left <= self.end_seconds

    @property
    def choice_seconds(self) -> float:
        """Maximum seconds for choosing the members of a mean on the validation rows."""
        return min(_CHOICE_SHARE * self.bound, _CHOICE_MOST)

    @property
    def tests_left(self) -> float:
        """Seconds until the remaining time is needed for the export."""
        return self.left - self.ending() + _TESTS_LATE

    @property
    def tests_are_over(self) -> bool:
        """Whether the remaining time is needed for the export."""
        return self.tests_left <= 0.0

    @property
    def is_over(self) -> bool:
        """Whether the time is used up, including the tolerance."""
        return self.left <= -self._tolerance

    @property
    def _tolerance(self) -> float:
        return max(_LATE_SECONDS, _LATE_SHARE * self.bound)
