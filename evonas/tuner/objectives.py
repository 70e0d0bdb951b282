"""Objectives of tuners: names in training logs, with directions. Does not import Keras."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evonas.objective import Direction
from genomes.errors import InputError

__all__ = ["Objective", "TunerObjective", "objective_of"]

#: Suffixes of the names of Keras metrics and losses, by direction.
_RISING = (
    *("acc", "accuracy", "auc", "precision", "recall", "score", "iou", "cosine_similarity", "correlation"),
    *("recall_at_precision", "precision_at_recall", "sensitivity_at_specificity", "specificity_at_sensitivity"),
    *("true_positives", "true_negatives", "r2"),
)
_FALLING = (
    *("loss", "error", "crossentropy", "mse", "mae", "mape", "msle", "rmse", "hinge", "poisson", "kl_divergence"),
    *("logcosh", "log_cosh", "huber", "false_positives", "false_negatives", "dice", "tversky"),
)


@dataclass(frozen=True)
class Objective:
    """A name in the logs with its direction, "min" or "max", for metrics that evonas does not know."""

    name: str
    direction: Direction


@dataclass(frozen=True)
class TunerObjective:
    """The objective that ranks trials.

    Attributes:
        name: name of the score.
        direction: "min" or "max".
        parts: terms of a sum of several objectives, each with its direction; those to be maximised are subtracted.
        given: whether it is named; otherwise a trial's `fit` returns it as a number.
    """

    name: str
    direction: Direction
    parts: tuple[Objective, ...] = ()
    given: bool = True

    def value(self, logs: Mapping[str, Any]) -> float | None:
        """The value in the logs of an epoch; None if it is not logged."""
        parts = self.parts or (Objective(self.name, "min"),)
        if not all(part.name in logs for part in parts):
            return None
        return sum(float(logs[part.name]) * (1.0 if part.direction == "min" else -1.0) for part in parts)

    def loss(self, value: float) -> float:
        """The value to minimise; infinite if not finite."""
        return (value if self.direction == "min" else -value) if math.isfinite(value) else math.inf


def objective_of(given: Any) -> TunerObjective:
    """Reads a tuner's objective: a name, an `Objective` (also KerasTuner's), several of them, or None.

    Raises:
        InputError: the direction is unknown.
    """
    if given is None:
        return TunerObjective("default_objective", "min", given=False)
    if isinstance(given, str):
        return TunerObjective(given, _direction(given))
    if isinstance(given, Sequence):
        parts = tuple(Objective(each.name, each.direction) for each in map(objective_of, given))
        if not parts:
            raise InputError("objective must be at least one, not []: name one")
        return TunerObjective("multi_objective", "min", parts)
    name, direction = getattr(given, "name", None), getattr(given, "direction", None)
    if not isinstance(name, str) or direction not in ("min", "max"):
        raise InputError(
            f"objective must be a name, an Objective(name, direction) or a list of them, not {given!r:.80}: "
            'such as "val_accuracy"'
        )
    return TunerObjective(name, direction)


def _direction(name: str) -> Direction:
    plain = re.sub(r"_\d+$", "", name.lower().removeprefix("val_"))
    directions: tuple[tuple[Direction, tuple[str, ...]], ...] = (("max", _RISING), ("min", _FALLING))
    for direction, endings in directions:
        if any(plain == ending or plain.endswith(f"_{ending}") for ending in endings):
            return direction
    raise InputError(
        f"objective must be one with a known direction, or an evonas.tuner.Objective, not {name!r}: write "
        f'Objective({name!r}, "min"), or "max"'
    )
