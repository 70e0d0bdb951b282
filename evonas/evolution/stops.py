"""`Stop`: why a search stopped, and how that is said."""

from __future__ import annotations

import enum

from evonas.config import Budget
from genomes.errors import InputError

__all__ = ["IDLE_GENERATIONS", "IDLE_NETWORKS", "Stop", "describe_stop"]

#: Consecutive generations without a new network after which the space is considered exhausted.
IDLE_GENERATIONS = 20
#: Consecutive new networks over a limit, in at least as many generations, after which the search gives up.
IDLE_NETWORKS = 400


class Stop(enum.StrEnum):
    """Why a search stopped."""

    GENERATIONS = "generations"
    EVALUATIONS = "evaluations"
    TIME = "time"
    TARGET = "target"
    EXHAUSTED = "exhausted"
    LIMITS = "limits"
    INTERRUPTED = "interrupted"


def describe_stop(stop: str, budget: Budget) -> str:
    """The reason as text. Raises InputError if it is not one of `Stop`."""
    if stop not in tuple(Stop):
        raise InputError(
            f"reason to stop must be one of {', '.join(Stop)}, not {stop!r:.80}: restore the run from a copy"
        )
    return {
        Stop.GENERATIONS: _all_done(budget.generations, "generation"),
        Stop.EVALUATIONS: _all_done(budget.evaluations, "evaluation"),
        Stop.TIME: f"the time of {budget.seconds or 0:.4g} s is spent",
        Stop.TARGET: f"the target score {budget.target} is reached",
        Stop.EXHAUSTED: f"no new network was found in {IDLE_GENERATIONS} generations",
        Stop.LIMITS: f"all of {IDLE_NETWORKS} new networks and more, one after the other, were over a limit",
        Stop.INTERRUPTED: "it was interrupted",
    }[Stop(stop)]


def _all_done(count: int | None, what: str) -> str:
    return f"the one {what} is done" if count == 1 else f"all {count} {what}s are done"
