"""`ProgressRate`: the speed of a search and its remaining time. For display only: times do not affect results."""

from __future__ import annotations

import statistics

from evonas.config import Budget
from evonas.objective import Objective
from evonas.runs.progress import Progress

__all__ = ["ProgressRate"]


class ProgressRate:
    """Tracks a session from its start.

    Args:
        budget: of the run.
        objective: of the run.
        generations, evaluated, seconds: totals of the run before this session.
    """

    def __init__(self, budget: Budget, objective: Objective, generations: int, evaluated: int, seconds: float) -> None:
        self._budget, self._objective = budget, objective
        self._generations, self._evaluated, self._seconds = generations, evaluated, seconds
        self._generation = -1
        self._scores: list[float] = []
        self._last: Progress | None = None

    def part(self, progress: Progress) -> None:
        """Updates the rate after a commit."""
        if progress.generation != self._generation:
            self._generation, self._scores = progress.generation, []
        scores = (evaluation.scores.get(self._objective.name) for evaluation in progress.part)
        self._scores += [score for score in scores if score is not None and self._objective.loss(score) < float("inf")]
        self._last = progress

    @property
    def median(self) -> float | None:
        """Median score of the networks trained in the current generation."""
        return statistics.median(self._scores) if self._scores else None

    @property
    def per_second(self) -> float:
        """Networks trained a second in this session, 0 before the first."""
        if self._last is None or self._last.seconds <= self._seconds:
            return 0.0
        return (self._last.evaluated - self._evaluated) / (self._last.seconds - self._seconds)

    def seconds_left(self, seconds: float) -> float | None:
        """Seconds until the first bound is reached at the current rate; None while unknown. Ignores the target.

        Args:
            seconds: duration of the search so far, over all sessions.
        """
        bounds, last = [], self._last
        if self._budget.seconds is not None:
            bounds.append(self._budget.seconds)
        if last is not None and last.seconds > self._seconds:
            spent = last.seconds - self._seconds
            if self._budget.evaluations is not None and last.evaluated > self._evaluated:
                rate = (last.evaluated - self._evaluated) / spent
                bounds.append(last.seconds + (self._budget.evaluations - last.evaluated) / rate)
            done = last.generation + last.trained / last.planned - self._generations
            if self._budget.generations is not None and done > 0:
                bounds.append(last.seconds + (self._budget.generations - self._generations - done) * spent / done)
        return max(0.0, min(bounds) - seconds) if bounds else None
