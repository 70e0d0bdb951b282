"""Scores of a network: evonas's own metrics, and the one of Keras's or scikit-learn's that a run asks for."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas import scoring
from evonas.data.prepared import Problem
from evonas.metrics import KERAS_METRICS, is_scorer, scorer_value

__all__ = ["keras_value", "scores"]

#: Rows that a Keras metric is given at a time; it adds them up.
_CHUNK_ROWS = 8192
#: Metrics of a whole column, which Keras takes along the outputs of a row unless it is told.
_OF_COLUMNS = ("cosine_similarity", "pearson_correlation", "concordance_correlation")


def scores(problem: Problem, y_true: NDArray[Any], raw_outputs: NDArray[Any]) -> dict[str, float]:
    """As `evonas.scoring.scores`, and `problem.metric` with them, unless it cannot be computed or is not finite."""
    found = scoring.scores(problem, y_true, raw_outputs)
    if found and problem.metric:
        with contextlib.suppress(ValueError):
            compute = scorer_value if is_scorer(problem.metric) else keras_value
            value = compute(problem.metric, problem, y_true, raw_outputs)
            if math.isfinite(value):
                found[problem.metric] = value
    return found


def keras_value(name: str, problem: Problem, y_true: NDArray[Any], raw_outputs: NDArray[Any]) -> float:
    """What a metric of Keras's gives, of predictions in the target's own units or of probabilities.

    Args:
        name: a key of `KERAS_METRICS`.
        problem: what is predicted.
        y_true: coded as in `Split`.
        raw_outputs: standardised predictions or logits, shape `(num_samples, num_outputs)`.
    """
    metric = getattr(keras.metrics, KERAS_METRICS[name][0])(**({"axis": 0} if name in _OF_COLUMNS else {}))
    found = scoring.predictions(problem, raw_outputs)
    if problem.task == "regression":
        truth = scoring.predictions(problem, np.asarray(y_true, np.float64).reshape(len(y_true), -1))
    elif problem.task == "binary":
        truth, found = np.asarray(y_true, np.float64).reshape(-1, 1), found[:, 1:]
    else:
        truth = np.asarray(y_true).reshape(-1, 1).astype(np.int32)
        if not name.startswith("sparse_"):
            truth = np.eye(found.shape[1])[truth[:, 0]]
    size = len(found) if name in _OF_COLUMNS else _CHUNK_ROWS
    for k in range(0, len(found), size):
        metric.update_state(truth[k : k + size], found[k : k + size].astype(np.float32))
    return float(metric.result())
