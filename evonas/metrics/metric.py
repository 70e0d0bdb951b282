"""`Metric`: a user-defined objective.

It is passed to `evonas.search(objective=...)`, or installed as an entry point named after the metric::

    [project.entry-points."evonas.metrics"]
    profit = "my_package.metrics:PROFIT"
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.metrics.scores import predictions
from evonas.objective import METRICS, Direction
from genomes.errors import InputError
from genomes.extensions import Extensions, path_of

__all__ = ["METRICS_FROM_OUTSIDE", "Metric", "metric_name", "metric_value"]

_TASKS = ("regression", "binary", "multiclass")


@dataclass(frozen=True)
class Metric:
    """A score of predictions.

    Attributes:
        name: an identifier that is not the name of a built-in metric.
        direction: "min" or "max".
        score: function `score(y_true, y_predicted)` that returns a number. In regression, both are in the target's
            units and have the shape `(num_samples,)`, or `(num_samples, num_targets)` if there are several targets. In
            classification, `y_true` holds class indices, shape `(num_samples,)`, and `y_predicted` probabilities, shape
            `(num_samples, num_classes)`.
        tasks: tasks for which the metric is defined.

    Raises:
        InputError: a field is invalid.

    Example:
        >>> Metric("bias", "min", lambda y, predicted: abs((predicted - y).mean()), ("regression",)).name
        'bias'
    """

    name: str
    direction: Direction
    score: Callable[[NDArray[Any], NDArray[Any]], float]
    tasks: tuple[str, ...] = _TASKS

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier()) or self.name in METRICS:
            raise InputError(f"name of a metric must be an identifier and not built in, not {self.name!r:.80}")
        if self.direction not in ("min", "max"):
            raise InputError(f"direction of the metric {self.name} must be min or max, not {self.direction!r:.80}")
        if not callable(self.score) or not path_of(self.score):
            raise InputError(f"score of the metric {self.name} must be a function, not {self.score!r:.80}")
        object.__setattr__(self, "tasks", tuple(self.tasks))
        if not self.tasks or not set(self.tasks) <= set(_TASKS):
            raise InputError(
                f"tasks of the metric {self.name} must be among {', '.join(_TASKS)}, not {self.tasks!r:.80}"
            )


def _metric(value: Any, what: str) -> Metric:
    if not isinstance(value, Metric):
        raise InputError(f"{what} must be an evonas.Metric, not {type(value).__name__}: pass the function to one")
    return value


METRICS_FROM_OUTSIDE: Extensions[Metric] = Extensions("metric", "metrics", "evonas.metrics", _metric)


def metric_name(metric: Any) -> Any:
    """The name of a metric in settings; registers a `Metric` in this process.

    Other values are returned unchanged.
    """
    return METRICS_FROM_OUTSIDE.give(metric.name, metric) if isinstance(metric, Metric) else metric


def metric_value(metric: Metric, problem: Problem, y_true: NDArray[Any], raw_outputs: NDArray[Any]) -> float:
    """The value of the metric.

    Args:
        metric: the user-defined metric.
        problem: the prediction problem.
        y_true: targets, encoded as in `Split`.
        raw_outputs: standardised predictions or logits, shape `(num_samples, num_outputs)`.

    Raises:
        ValueError: the value is not a finite number, or the metric raised an exception.
    """
    found = predictions(problem, raw_outputs)
    if problem.task == "regression":
        truth = predictions(problem, np.asarray(y_true, np.float64).reshape(len(y_true), -1))
        if found.shape[1] == 1:
            found, truth = found[:, 0], truth[:, 0]
    else:
        truth = np.asarray(y_true).reshape(-1).astype(np.intp)
    try:
        value = float(metric.score(truth, found))
    except Exception as error:
        raise ValueError(f"metric {metric.name} raised {type(error).__name__}: {error!s:.200}") from error
    if not math.isfinite(value):
        raise ValueError(f"metric {metric.name} must return a finite number, not {value}")
    return value
