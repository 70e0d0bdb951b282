"""A scikit-learn linear model on the features that every network uses. Imports scikit-learn for training."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.baselines.boosting import BaselineRows, logits
from evonas.data.prepared import Problem

__all__ = ["Linear", "fit_linear"]

Array = NDArray[Any]

_MOST_ITERATIONS = 300


class Linear:
    """Ridge or logistic regression with scikit-learn's default penalty.

    In quantile regression, the quantiles of the residuals on the training rows are added to the ridge prediction.
    """

    def __init__(self, problem: Problem, training: BaselineRows) -> None:
        """Trains the model.

        Args:
            problem: the prediction problem.
            training: training rows, with the standard features.
        """
        self._problem = problem
        x, y = np.asarray(training.x, np.float64), np.asarray(training.y)
        self._model, self._shift = fit_linear(problem, x, y, training.weight)

    @property
    def name(self) -> str:
        """Name of the estimator."""
        return type(self._model).__name__

    def raw_outputs(self, x: Array) -> Array:
        """Raw outputs like those of a network, shape `(num_rows, num_outputs)`."""
        x = np.asarray(x, np.float64)
        if self._problem.task == "regression":
            return np.asarray(self._model.predict(x).reshape(len(x), -1) + self._shift)
        return logits(self._model.predict_proba(x), self._model.classes_, self._problem.num_outputs)


def fit_linear(problem: Problem, x: Any, y: Array, weight: Array | None) -> tuple[Any, Any]:
    """Fits ridge or logistic regression.

    Args:
        problem: the prediction problem.
        x: features, shape `(num_rows, num_features)`; may be sparse.
        y: targets, as in `BaselineRows`.
        weight: sample weights, shape `(num_rows,)`.

    Returns:
        The model, and offsets to add to its predictions for each quantile; 0 without quantiles.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a baseline need not converge completely
        if problem.task != "regression":
            model = LogisticRegression(max_iter=_MOST_ITERATIONS)
            return model.fit(x, y.reshape(-1).astype(np.intp), weight), 0.0
        ridge = Ridge().fit(x, y.reshape(len(y), -1), weight)
    if not problem.quantiles:
        return ridge, 0.0
    residuals = y.reshape(len(y), -1)[:, 0] - ridge.predict(x).reshape(len(y), -1)[:, 0]
    return ridge, np.quantile(residuals, problem.quantiles)
