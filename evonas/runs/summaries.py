"""Summaries of runs and generations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from evonas.evaluation import Status

__all__ = [
    "Counts",
    "GenerationSummary",
    "Idle",
    "count_evaluations",
    "generation_summaries",
    "idle_since",
    "summarise",
]


@dataclass(frozen=True)
class Counts:
    """Numbers of a run's evaluations: trained, without a score, and over a limit."""

    trained: int
    failed: int
    infeasible: int

    def plus(self, evaluations: Iterable[tuple[Status, bool]]) -> Counts:
        """The counts including more evaluations, given as status and whether there is a score."""
        trained, failed, infeasible = self.trained, self.failed, self.infeasible
        for status, scored in evaluations:
            over = status is Status.INFEASIBLE
            infeasible, trained, failed = infeasible + over, trained + (not over), failed + (not over and not scored)
        return Counts(trained, failed, infeasible)


def count_evaluations(connection: sqlite3.Connection) -> Counts:
    """The counts of a run's database. Reads every evaluation."""
    # Networks scored on reduced data have no loss.
    query = (
        "SELECT status = ?, loss IS NULL AND NOT (status = ? AND origin LIKE '%reduced %'), count(*) FROM evaluation "
        "GROUP BY 1, 2"
    )
    values = (Status.INFEASIBLE.value, Status.OK.value)
    found = {(over, bad): number for over, bad, number in connection.execute(query, values)}
    over = found.get((1, 0), 0) + found.get((1, 1), 0)
    return Counts(found.get((0, 0), 0) + found.get((0, 1), 0), found.get((0, 1), 0), over)


@dataclass(frozen=True)
class Idle:
    """Progress since a network was last trained.

    Attributes:
        trained: the latest generation in which a network was trained; -1 before any.
        tried: the latest generation with a new network, even if over a limit; -1 before any.
        infeasible: number of networks over a limit in generations after `trained`.
    """

    trained: int
    tried: int
    infeasible: int


def idle_since(connection: sqlite3.Connection) -> Idle:
    """The newest networks of a run's database."""
    over = (Status.INFEASIBLE.value,)
    query = "SELECT coalesce(max(generation), -1) FROM evaluation"
    (trained,) = connection.execute(f"{query} WHERE status != ?", over).fetchone()
    (tried,) = connection.execute(query).fetchone()
    query = "SELECT count(*) FROM evaluation WHERE generation > ? AND status = ?"
    (infeasible,) = connection.execute(query, (trained, *over)).fetchone()
    return Idle(int(trained), int(tried), int(infeasible))


@dataclass(frozen=True)
class GenerationSummary:
    """Summary of one generation. Losses are those of networks trained in it; None if none succeeded."""

    generation: int
    candidates: int
    evaluations: int
    failed: int
    best_loss: float | None
    median_loss: float | None
    train_seconds: float


def summarise(number: int, candidates: int, losses: list[float | None], seconds: float) -> GenerationSummary:
    """The summary of a generation; a loss of None means that there is none."""
    scored = sorted(loss for loss in losses if loss is not None)
    middle = len(scored) // 2
    median = None if not scored else scored[middle] if len(scored) % 2 else (scored[middle - 1] + scored[middle]) / 2
    best = scored[0] if scored else None
    return GenerationSummary(number, candidates, len(losses), len(losses) - len(scored), best, median, seconds)


def generation_summaries(connection: sqlite3.Connection, ahead: bool) -> list[GenerationSummary]:
    """One summary per generation, in order.

    Args:
        connection: connection to the run's database.
        ahead: whether generations may be asked for ahead of time; those without results are left out.
    """
    losses: dict[int, list[float | None]] = {}
    seconds: dict[int, float] = {}
    for generation, loss, spent in connection.execute(
        "SELECT generation, loss, train_seconds FROM evaluation ORDER BY generation, loss"
    ):
        losses.setdefault(generation, []).append(loss)
        seconds[generation] = seconds.get(generation, 0.0) + spent
    counts = connection.execute("SELECT generation, count(*) FROM candidate GROUP BY generation ORDER BY generation")
    return [
        summarise(number, count, losses.get(number, []), seconds.get(number, 0.0))
        for number, count in counts
        if number in losses or not ahead
    ]
