"""Objectives and their directions: the only definition of "better". Imports only the standard library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from genomes.errors import InputError

__all__ = [
    "MEASURES",
    "METRICS",
    "Direction",
    "Objective",
    "default_objective",
    "objective_named",
    "objectives_named",
    "objectives_of",
    "pareto_front",
]

Direction = Literal["min", "max"]

#: Metric name -> (direction, tasks that have it). Values are computed in the target's own units.
METRICS: Mapping[str, tuple[Direction, tuple[str, ...]]] = {
    "mse": ("min", ("regression",)),
    "rmse": ("min", ("regression",)),
    "mae": ("min", ("regression",)),
    "r2": ("max", ("regression",)),
    "pinball": ("min", ("regression",)),
    "log_loss": ("min", ("binary", "multiclass")),
    "accuracy": ("max", ("binary", "multiclass")),
    "auc": ("max", ("binary",)),
    "f1": ("max", ("binary", "multiclass")),
}

#: Cost measures of networks, to be minimised, see `evonas.evolution.constraints`.
MEASURES = ("parameters", "flops", "latency_ms", "memory_bytes")


@dataclass(frozen=True)
class Objective:
    """A metric's name and the direction in which it improves.

    >>> Objective("accuracy", "max").loss(0.9)
    -0.9

    Attributes:
        name: a key of `METRICS` or one of `MEASURES`; in a user-defined loop, any name of a score.
        direction: "min" or "max".
    """

    name: str
    direction: Direction

    def loss(self, score: float | None) -> float:
        """The score as a value to minimise; `inf` for a missing or non-finite score, which thus ranks last."""
        if score is None or not math.isfinite(score):
            return math.inf
        return score if self.direction == "min" else -score

    def reached(self, score: float | None, target: float) -> bool:
        """Whether `score` is at least as good as `target`."""
        return self.loss(score) <= self.loss(target) and self.loss(score) != math.inf


def default_objective(task: str) -> Objective:
    """RMSE (in the target's units) for regression, log loss for classification."""
    return Objective("rmse" if task == "regression" else "log_loss", "min")


def objective_named(name: str, task: str) -> Objective:
    """The objective of that name.

    Raises:
        InputError: the name is unknown, or the task has no such metric.
    """
    if name not in METRICS or task not in METRICS[name][1]:
        known = ", ".join(metric for metric, (_, tasks) in METRICS.items() if task in tasks)
        raise InputError(f"objective must be one of {known} for a {task} target, not {name!r}")
    return Objective(name, METRICS[name][0])


def objectives_named(first: Objective, names: Sequence[str], task: str) -> tuple[Objective, ...]:
    """The objectives of a run: `first`, which ranks, then metrics or measures.

    Raises:
        InputError: a name is unknown or duplicate, or the first one is not a metric.
    """
    for name in names[1:]:
        if name not in MEASURES:
            try:
                objective_named(name, task)
            except InputError as error:
                raise InputError(f"{error}; besides the first objective also {', '.join(MEASURES)}") from None
    return objectives_of(first, names)


def objectives_of(first: Objective, names: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives with these names, starting with `first`; others than metrics are minimised.

    Raises:
        InputError: a name is duplicate, or `first` is not the first one.
    """
    if len(set(names)) < len(names) or not names or names[0] != first.name:
        raise InputError(
            f"objectives must be {first.name} and others, each once, not {', '.join(names)}: start with {first.name}"
        )
    return (first, *(Objective(name, METRICS[name][0] if name in METRICS else "min") for name in names[1:]))


def pareto_front(losses: Sequence[tuple[float, ...]]) -> list[int]:
    """Indices of the points that no other one dominates, best in the first objective first.

    Args:
        losses: one value per objective for each point, all to be minimised; only the first of equal points is included.

    Example:
        >>> pareto_front([(2.0, 1.0), (1.0, 2.0), (2.0, 2.0)])
        [1, 0]
    """
    found: list[int] = []
    # In this order, dominating points come first.
    for index in sorted(range(len(losses)), key=lambda index: (losses[index], index)):
        point = losses[index]
        if not any(all(a <= b for a, b in zip(losses[other], point, strict=True)) for other in found):
            found.append(index)
    return found
