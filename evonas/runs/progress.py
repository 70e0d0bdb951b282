"""Progress of a search: a completed `Generation`, the `Progress` after a commit, and why it stopped (`Stop`)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation
from evonas.runs.records import Record
from genomes.errors import InputError

__all__ = ["IDLE_GENERATIONS", "IDLE_NETWORKS", "Generation", "Progress", "Stop", "describe_stop", "state_words"]

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


@dataclass(frozen=True)
class Generation:
    """A completed generation.

    Attributes:
        number: number of the generation, from 0.
        candidates, evaluations: the candidates and their evaluations, in the same order (without weights).
        trained: number of them that were trained in this generation; the others were known.
        best: the best evaluation of the run so far; None if all have failed.
        seconds: wall-clock seconds of the run so far, all sessions together.
    """

    number: int
    candidates: tuple[Candidate, ...]
    evaluations: tuple[Evaluation, ...]
    trained: int
    best: Record | None
    seconds: float


@dataclass(frozen=True)
class Progress:
    """The progress of a search after a commit.

    Attributes:
        generation: the current generation, from 0.
        trained, planned: number of networks of this generation trained so far, and to be trained in total.
        evaluated, failed: number of networks trained by the run in total, and without a score.
        best: the best evaluation so far.
        part: evaluations of this commit.
        seconds: wall-clock seconds of the run so far, all sessions together.
        candidates: candidates of `part`, in the same order.
    """

    generation: int
    trained: int
    planned: int
    evaluated: int
    failed: int
    best: Record | None
    part: tuple[Evaluation, ...]
    seconds: float
    candidates: tuple[Candidate, ...] = ()


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


#: Reasons to stop in a few words.
_SHORT: dict[str, str] = {
    Stop.GENERATIONS: "all generations done",
    Stop.EVALUATIONS: "all evaluations done",
    Stop.TIME: "time spent",
    Stop.TARGET: "target reached",
    Stop.EXHAUSTED: "no new network found",
    Stop.LIMITS: "new networks over a limit",
}


def state_words(state: str) -> str:
    """What a run does, for a line of text: the reason to stop in words, anything else as it is.

    >>> state_words("time"), state_words("running")
    ('time spent', 'running')
    """
    return _SHORT.get(state, state)


def _all_done(count: int | None, what: str) -> str:
    return f"the one {what} is done" if count == 1 else f"all {count} {what}s are done"
