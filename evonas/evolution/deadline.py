"""The time budget of a run: the time spent, and the time reserved for finalists and the end of the run.

A run's time starts with the command's process or the function call, and ends with the last line printed: it includes
reading the data, starting the worker, compilation and export. The search stops early enough for the steps that follow.
Timing never affects the results of a given candidate.

Every loop checks its `Timetable` after each of the evaluator's results. With `abandon_when`, the evaluator also checks
it while waiting, so that the deadline is met even without results.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evonas.evolution.retraining_plan import (
    RETRAINING_FACTOR,
    RetrainingCosts,
    RetrainingPlan,
    forecast_costs,
    plan_retrainings,
)
from evonas.machine import usable_cores
from evonas.runs.ensemble_networks import most_members

if TYPE_CHECKING:
    from evonas.evaluation import Evaluation
    from evonas.runs.store import RunStore

__all__ = ["MOST_FOR_RETRAINING", "Abandonable", "Timetable", "abandon_when"]

#: Largest share of a run's time that is reserved for retraining, including networks that are trained after the
#: finalists, and, until the first generation is complete, for everything after the search.
MOST_FOR_RETRAINING, MOST_AT_FIRST = 0.25, 0.1
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


class Timetable:
    """The time budget in one session of a run.

    Attributes:
        bound: time limit of the run in seconds, over all sessions; infinite for no limit.
        ending: estimates the seconds for the export; set by the exporter.
        most_slots: upper bound on the number of networks trained at a time; by default, the cores of this machine.
        counts: whether the seconds of this session count towards the run's time.
        members: number of networks trained after the finalists for the final model.
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
        has_choice: bool = False,
    ) -> None:
        """Begins a session.

        Args:
            store: the run's store.
            bound: time limit of the run in seconds; None for no limit.
            started: start of the session in terms of `time.monotonic()`; now if None.
            retrainings: number of networks to retrain after the search, and number of seeds for each.
            has_end: whether steps that take time follow the search and the finalists.
            counts: whether the seconds of the session count towards the run's time.
            members: number of networks trained after the finalists for the final model.
            has_choice: whether the members of a mean are chosen on the validation rows.
        """
        self._store, self._retrainings, self._has_end = store, retrainings, has_end
        self.members, self._has_choice = members, has_choice
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
        self._test_seconds: list[float] = []
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

    def plan_retrainings(self, costs: RetrainingCosts) -> RetrainingPlan:
        """What fits into the time that is left before the end of the run.

        Without the forecast's safety factor: training that is unfinished at the deadline is abandoned.
        """
        return plan_retrainings(costs, self.slots, (self.left - self.end_seconds) * RETRAINING_FACTOR)

    def _reserved_after_search(self) -> float:
        # No time is reserved for the export as long as there is no network to export.
        if self._retraining is None:
            self._is_first, self._has_network = not self._store.generations, bool(self._store.best_places(1))
            self._retraining = self._seconds_for_retraining(self.ending() if self._has_network else 0.0)
        ending = self.ending() if self._has_network else 0.0
        seconds = self._retraining + ending
        return self._end_margin + (min(seconds, MOST_AT_FIRST * self.bound) if self._is_first else seconds)

    def _seconds_for_retraining(self, ending: float) -> float:
        """Seconds of the re-trainings that fit into their share of the time; a part of one would be of no use."""
        if not all(self._retrainings):
            return 0.0
        limit = MOST_AT_FIRST * self.bound - ending if self._is_first else MOST_FOR_RETRAINING * self.bound
        return plan_retrainings(
            forecast_costs(self._store, *self._retrainings, self.members), self.slots, limit
        ).seconds

    @contextmanager
    def testing(self) -> Iterator[None]:
        """Measures the scoring of a finalist on the test split within the context."""
        began = time.monotonic()
        yield
        self._test_seconds.append(time.monotonic() - began)

    @property
    def test_seconds(self) -> float:
        """Median seconds to score a network on the test split, without imports; 0 before any has been scored."""
        return statistics.median_low(self._test_seconds) if self._test_seconds else 0.0

    @property
    def _final_test_seconds(self) -> float:
        """The same for all members of the final model."""
        return most_members(self._store) * self.test_seconds

    @property
    def _end_margin(self) -> float:
        if self.bound == math.inf or not self._has_end:
            return 0.0
        choice = self.choice_seconds if self._has_choice else 0.0
        return min(_END_SECONDS + _END_SHARE * self.bound, _END_MOST) + choice + 2.0 * self._store.report_seconds

    @property
    def end_seconds(self) -> float:
        """Seconds reserved for the steps after all training: test scores, reports, export and output."""
        return self._end_margin + self._final_test_seconds + self.ending()

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
    def finalist_tests_are_over(self) -> bool:
        """Whether the remaining time is needed to score the final model."""
        return self.tests_left <= self._final_test_seconds

    @property
    def is_over(self) -> bool:
        """Whether the time is used up, including the tolerance."""
        return self.left <= -self._tolerance

    @property
    def _tolerance(self) -> float:
        return max(_LATE_SECONDS, _LATE_SHARE * self.bound)
