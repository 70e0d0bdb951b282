"""Scores of a network: the built-in metrics, and the Keras, scikit-learn or user-defined metric that a run optimises.

Imports no Keras.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.metrics.keras_metrics import FUNCTIONS, keras_value
from evonas.metrics.metric import METRICS_FROM_OUTSIDE, metric_value
from evonas.metrics.named import scorer_value
from evonas.metrics.scores import compute_scores as task_scores

__all__ = ["compute_scores"]


def compute_scores(problem: Problem, y_true: NDArray[Any], raw_outputs: NDArray[Any]) -> dict[str, float]:
    """The built-in scores (`metrics.scores`), and `problem.metric` if it can be computed and is finite."""
    found = task_scores(problem, y_true, raw_outputs)
    if found and problem.metric:
        with contextlib.suppress(ValueError):
            own = METRICS_FROM_OUTSIDE.loaded(problem.metric)
            if own is not None:
                value = metric_value(own, problem, y_true, raw_outputs)
            else:
                compute = keras_value if problem.metric in FUNCTIONS else scorer_value
                value = compute(problem.metric, problem, y_true, raw_outputs)
            if math.isfinite(value):
                found[problem.metric] = value
    return found
