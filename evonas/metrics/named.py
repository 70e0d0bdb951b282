"""Metrics by name in addition to the built-in ones: scikit-learn scorers, Keras metrics and user-defined metrics.

The direction of each is known or must be given; it is never guessed. Imports no Keras, and scikit-learn only if needed.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem, Split
from evonas.metrics.metric import METRICS_FROM_OUTSIDE, Metric, metric_value
from evonas.metrics.scores import predictions
from evonas.objective import METRICS, Direction, Objective
from genomes.errors import InputError

__all__ = ["KERAS_METRICS", "chosen_metric", "is_scorer", "metric_from_outside", "scorer_value", "with_metric"]

_NUMBERS = ("regression",)
_BINARY = ("binary",)
_CLASSES = ("multiclass",)

#: Name -> (class in `keras.metrics`, direction or None if the user must choose it, tasks). Metrics with a required
#: argument, such as `RecallAtPrecision`, are not included.
KERAS_METRICS: Mapping[str, tuple[str, Direction | None, tuple[str, ...]]] = MappingProxyType(
    {
        "mean_absolute_error": ("MeanAbsoluteError", "min", _NUMBERS),
        "mean_absolute_percentage_error": ("MeanAbsolutePercentageError", "min", _NUMBERS),
        "mean_squared_error": ("MeanSquaredError", "min", _NUMBERS),
        "mean_squared_logarithmic_error": ("MeanSquaredLogarithmicError", "min", _NUMBERS),
        "root_mean_squared_error": ("RootMeanSquaredError", "min", _NUMBERS),
        "logcosh": ("LogCoshError", "min", _NUMBERS),
        "poisson": ("Poisson", "min", _NUMBERS),
        "cosine_similarity": ("CosineSimilarity", "max", _NUMBERS),
        "r2_score": ("R2Score", "max", _NUMBERS),
        "pearson_correlation": ("PearsonCorrelation", "max", _NUMBERS),
        "concordance_correlation": ("ConcordanceCorrelation", "max", _NUMBERS),
        "binary_accuracy": ("BinaryAccuracy", "max", _BINARY),
        "binary_crossentropy": ("BinaryCrossentropy", "min", _BINARY),
        "hinge": ("Hinge", "min", _BINARY),
        "squared_hinge": ("SquaredHinge", "min", _BINARY),
        "false_negatives": ("FalseNegatives", None, _BINARY),
        "false_positives": ("FalsePositives", None, _BINARY),
        "true_negatives": ("TrueNegatives", None, _BINARY),
        "true_positives": ("TruePositives", None, _BINARY),
        "categorical_accuracy": ("CategoricalAccuracy", "max", _CLASSES),
        "categorical_crossentropy": ("CategoricalCrossentropy", "min", _CLASSES),
        "categorical_hinge": ("CategoricalHinge", "min", _CLASSES),
        "kl_divergence": ("KLDivergence", "min", _CLASSES),
        "sparse_categorical_accuracy": ("SparseCategoricalAccuracy", "max", _CLASSES),
        "sparse_categorical_crossentropy": ("SparseCategoricalCrossentropy", "min", _CLASSES),
        "sparse_top_k_categorical_accuracy": ("SparseTopKCategoricalAccuracy", "max", _CLASSES),
        "top_k_categorical_accuracy": ("TopKCategoricalAccuracy", "max", _CLASSES),
    }
)
#: Names that user-defined metrics must not have.
_RESERVED = frozenset((*METRICS, *KERAS_METRICS))
_BY_CLASS = {class_name: name for name, (class_name, _, _) in KERAS_METRICS.items()}


def chosen_metric(text: str, task: str) -> Objective:
    """The objective that a text names: `NAME`, `NAME:min` or `NAME:max`.

    Args:
        text: a built-in metric, a scikit-learn scorer, a user-defined metric, or a Keras metric by its name or class.
        task: "regression", "binary" or "multiclass".

    Raises:
        InputError: there is no metric with this name, or none for the task; its direction is unknown and not given, or
            the given direction is wrong.
    """
    name, colon, wanted = text.partition(":")
    if colon and wanted not in ("min", "max"):
        raise InputError(f"objective must end in :min or :max if it contains a colon, not {text!r}: write {name}:min")
    name = _BY_CLASS.get(name, name)
    known: Direction | None
    if name in METRICS:
        known, tasks = METRICS[name]
    elif name in KERAS_METRICS:
        _, known, tasks = KERAS_METRICS[name]
    elif own := metric_from_outside(name):
        known, tasks = own.direction, own.tasks
    elif is_scorer(name):
        known, tasks = "max", (task,)  # `with_metric` tests whether it supports the task
    else:
        raise InputError(f"objective must be a metric, not {name!r}: {_suggestion(name, task)}")
    if task not in tasks:
        raise InputError(f"objective must be a metric of a {task} target, which {name!r} is not: {_known_names(task)}")
    if known is None and not wanted:
        raise InputError(
            f"objective {name} needs a direction, since more of it may be good or bad: write {name}:min or {name}:max"
        )
    if known is not None and wanted not in ("", known):
        raise InputError(f"objective {name} must be {_WORDS[known]}, not {_WORDS[wanted]}: write {name}")
    return Objective(name, known or ("min" if wanted == "min" else "max"))


def with_metric(problem: Problem, split: Split, objective: Objective) -> Problem:
    """Adds the objective to the problem's scores, after testing it on perfect predictions.

    Raises:
        InputError: the metric cannot be computed for such targets. The message includes the metric's.
    """
    if objective.name in METRICS:
        return problem
    problem = replace(problem, metric=objective.name, direction=objective.direction)
    own = metric_from_outside(objective.name)
    if objective.name not in KERAS_METRICS and (own is not None or is_scorer(objective.name)):
        y = split.y_validation
        if problem.task == "regression":
            outputs = y.reshape(len(y), -1)
        elif problem.task == "binary":
            outputs = 4.0 * y.reshape(-1, 1) - 2.0
        else:
            outputs = 4.0 * np.eye(problem.num_outputs)[y.reshape(-1).astype(np.intp)]
        try:
            tried = np.asarray(outputs, np.float64)
            if own is not None:
                metric_value(own, problem, y, tried)
            else:
                scorer_value(objective.name, problem, y, tried)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if own is not None:
                raise InputError(
                    f"objective {objective.name} must be computable for perfect predictions of this {problem.task} "
                    f"target, but {reason:.300}: correct it"
                ) from error
            raise InputError(
                f"objective {objective.name} must be one that scikit-learn can compute for this {problem.task} target, "
                f"but it reports: {reason:.200}: choose another"
            ) from None
    return problem


def metric_from_outside(name: str) -> Metric | None:
    """The user-defined metric registered or installed under this name, if any. Raises InputError like `Extensions`."""
    return None if name in _RESERVED or not name else METRICS_FROM_OUTSIDE.find(name, _RESERVED)


def is_scorer(name: str) -> bool:
    """Whether scikit-learn has a scorer with this name."""
    from sklearn.metrics import get_scorer_names

    return name in get_scorer_names()


def scorer_value(name: str, problem: Problem, y_true: NDArray[Any], raw_outputs: NDArray[Any]) -> float:
    """The value of a scikit-learn scorer; greater is better.

    Classes are passed as indices, and the second of two classes is the positive one.

    Args:
        name: name of the scorer.
        problem: the prediction problem.
        y_true: targets, encoded as in `Split`.
        raw_outputs: standardised predictions or logits, shape `(num_samples, num_outputs)`.

    Raises:
        ValueError: the scorer does not support such values.
    """
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.metrics import get_scorer

    found = predictions(problem, raw_outputs)

    class Regressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
        def predict(self, rows: Any) -> Any:
            return found[:, 0] if found.shape[1] == 1 else found

    class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        classes_ = np.arange(found.shape[1])

        def predict(self, rows: Any) -> Any:
            return found.argmax(axis=1)

        def predict_proba(self, rows: Any) -> Any:
            return found

    if problem.task == "regression":
        estimator: Any = Regressor()
        truth = predictions(problem, np.asarray(y_true, np.float64).reshape(len(y_true), -1))
        truth = truth[:, 0] if truth.shape[1] == 1 else truth
    else:
        estimator, truth = Classifier(), np.asarray(y_true).reshape(-1).astype(np.intp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(get_scorer(name)(estimator, np.zeros((len(truth), 1)), truth))


_WORDS = {"min": "minimised", "max": "maximised"}


def _suggestion(name: str, task: str) -> str:
    """The end of the error message for an unknown name: a similar name, or all names."""
    from sklearn.metrics import get_scorer_names

    own = [metric for metric, (_, tasks) in METRICS.items() if task in tasks]
    keras = [metric for metric, (_, _, tasks) in KERAS_METRICS.items() if task in tasks]
    near = difflib.get_close_matches(name[:80], [*own, *keras, *_BY_CLASS, *get_scorer_names()], n=1)
    return f"did you mean {near[0]!r}?" if near else _known_names(task)


def _known_names(task: str) -> str:
    own = ", ".join(name for name, (_, tasks) in METRICS.items() if task in tasks)
    return f"choose {own}, a scikit-learn scorer, a Keras metric, or an installed metric"
