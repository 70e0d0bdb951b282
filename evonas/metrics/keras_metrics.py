"""Keras metrics in numpy, equal to `keras.metrics` over a whole split.

Each function takes targets and predictions, float64 arrays of shape `(num_samples, num_columns)`. They hold numbers in
the target's units, the probability of the second of two classes, or the probability of each of several classes (with
one-hot targets). As in Keras, probabilities are clipped in float32; everything else is computed in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.metrics.scores import predictions

__all__ = ["FUNCTIONS", "keras_value"]

Array = NDArray[np.float64]

#: Keras's `epsilon()`.
_SMALL = 1e-7
_THRESHOLD, _TOP = 0.5, 5


def keras_value(name: str, problem: Problem, y_true: NDArray[Any], raw_outputs: NDArray[Any]) -> float:
    """The value of a Keras metric, for predictions in the target's units or for probabilities.

    Args:
        name: a key of `FUNCTIONS`.
        problem: the prediction problem.
        y_true: targets, encoded as in `Split`.
        raw_outputs: standardised predictions or logits, shape `(num_samples, num_outputs)`.
    """
    found = predictions(problem, raw_outputs)
    if problem.task == "regression":
        truth = predictions(problem, np.asarray(y_true, np.float64).reshape(len(y_true), -1))
    elif problem.task == "binary":
        truth, found = np.asarray(y_true, np.float64).reshape(-1, 1), found[:, 1:]
    else:
        truth = np.eye(found.shape[1])[np.asarray(y_true).reshape(-1).astype(np.intp)]
    with np.errstate(all="ignore"):  # non-finite values are not used as scores
        return float(FUNCTIONS[name](truth, found))


def _clip(p: Array, greatest: float = 1.0) -> Array:
    """Clips probabilities in float32 so that their logarithms are finite."""
    return np.clip(p.astype(np.float32), np.float32(_SMALL), np.float32(greatest)).astype(np.float64)


def _mean_percentage_error(t: Array, p: Array) -> Any:
    return 100.0 * np.mean(np.abs(t - p) / np.maximum(np.abs(t), _SMALL))


def _mean_squared_logarithmic_error(t: Array, p: Array) -> Any:
    return np.mean((np.log1p(np.maximum(p, _SMALL)) - np.log1p(np.maximum(t, _SMALL))) ** 2)


def _log_cosh(t: Array, p: Array) -> Any:
    return np.mean(np.logaddexp(p - t, t - p) - np.log(2.0))


def _cosine_similarity(t: Array, p: Array) -> Any:
    """Mean cosine similarity over columns, not over rows."""
    lengths = [np.maximum(np.linalg.norm(each, axis=0), _SMALL) for each in (t, p)]
    return np.mean((t * p).sum(axis=0) / lengths[0] / lengths[1])


def _r2(t: Array, p: Array) -> Any:
    scores = 1.0 - ((t - p) ** 2).sum(axis=0) / ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    return np.mean(np.where(np.isinf(scores), 0.0, scores))


def _pearson(t: Array, p: Array) -> Any:
    t, p = t - t.mean(axis=0), p - p.mean(axis=0)
    return np.mean((t * p).mean(axis=0) / t.std(axis=0) / p.std(axis=0))


def _concordance(t: Array, p: Array) -> Any:
    bias = t.mean(axis=0) - p.mean(axis=0)
    covariance = ((t - t.mean(axis=0)) * (p - p.mean(axis=0))).mean(axis=0)
    return np.mean(2.0 * covariance / (t.var(axis=0) + p.var(axis=0) + bias**2 + _SMALL))


def _binary_crossentropy(t: Array, p: Array) -> Any:
    p = _clip(p, 1.0 - _SMALL)
    return -np.mean(t * np.log(p) + (1.0 - t) * np.log(1.0 - p))


def _hinge(t: Array, p: Array, power: int = 1) -> Any:
    return np.mean(np.maximum(1.0 - (2.0 * t - 1.0) * p, 0.0) ** power)


def _count(t: Array, p: Array, true: bool, predicted: bool) -> Any:
    return np.count_nonzero(((t > _THRESHOLD) == true) & ((p > _THRESHOLD) == predicted))


def _accuracy(t: Array, p: Array) -> Any:
    return np.mean(t.argmax(axis=1) == p.argmax(axis=1))


def _categorical_crossentropy(t: Array, p: Array) -> Any:
    return -np.mean((t * np.log(_clip(p, 1.0 - _SMALL))).sum(axis=1))


def _categorical_hinge(t: Array, p: Array) -> Any:
    return np.mean(np.maximum(((1.0 - t) * p).max(axis=1) - (t * p).sum(axis=1) + 1.0, 0.0))


def _divergence(t: Array, p: Array) -> Any:
    t, p = _clip(t), _clip(p)
    return np.mean((t * np.log(t / p)).sum(axis=1))


def _top(t: Array, p: Array) -> Any:
    return np.mean((p > (t * p).sum(axis=1, keepdims=True)).sum(axis=1) < _TOP)


#: Name in `keras.metrics` -> function of targets and predictions.
FUNCTIONS: Mapping[str, Callable[[Array, Array], Any]] = MappingProxyType(
    {
        "mean_absolute_error": lambda t, p: np.mean(np.abs(t - p)),
        "mean_absolute_percentage_error": _mean_percentage_error,
        "mean_squared_error": lambda t, p: np.mean((t - p) ** 2),
        "mean_squared_logarithmic_error": _mean_squared_logarithmic_error,
        "root_mean_squared_error": lambda t, p: np.sqrt(np.mean((t - p) ** 2)),
        "logcosh": _log_cosh,
        "poisson": lambda t, p: np.mean(p - t * np.log(p + _SMALL)),
        "cosine_similarity": _cosine_similarity,
        "r2_score": _r2,
        "pearson_correlation": _pearson,
        "concordance_correlation": _concordance,
        "binary_accuracy": lambda t, p: np.mean((p > _THRESHOLD) == (t > _THRESHOLD)),
        "binary_crossentropy": _binary_crossentropy,
        "hinge": _hinge,
        "squared_hinge": partial(_hinge, power=2),
        "false_negatives": partial(_count, true=True, predicted=False),
        "false_positives": partial(_count, true=False, predicted=True),
        "true_negatives": partial(_count, true=False, predicted=False),
        "true_positives": partial(_count, true=True, predicted=True),
        "categorical_accuracy": _accuracy,
        "categorical_crossentropy": _categorical_crossentropy,
        "categorical_hinge": _categorical_hinge,
        "kl_divergence": _divergence,
        "sparse_categorical_accuracy": _accuracy,
        "sparse_categorical_crossentropy": _categorical_crossentropy,
        "sparse_top_k_categorical_accuracy": _top,
        "top_k_categorical_accuracy": _top,
    }
)
