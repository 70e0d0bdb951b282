"""Scores of a network: evonas's own metrics, and the one of Keras's, scikit-learn's or a user's that a run asks for.

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
    """As `metrics.scores.scores`, and `problem.metric` with them, unless it cannot be computed or is not finite."""
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
