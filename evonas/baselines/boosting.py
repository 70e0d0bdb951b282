"""scikit-learn's histogram gradient boosting, with early stopping on the validation rows.

Trees are added in portions, so that scores are available whenever the time is up. Imports scikit-learn for training.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem

__all__ = ["BaselineRows", "Boosting", "logits"]

Array = NDArray[Any]

#: Number of trees in the first portion, growth factor of the number of trees, largest number of trees (per class), and
#: number of trees without improvement before stopping.
_FIRST, _GROWTH, MOST_TREES, _PATIENCE = 50, 1.5, 1000, 20
#: Lower bound of probabilities, which keeps logits finite.
_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class BaselineRows:
    """Rows of a split.

    Attributes:
        x: columns, shape `(num_rows, num_columns)`.
        y, weight: targets and sample weights, as in `evonas.data.prepared.Split`.
    """

    x: Array
    y: Array
    weight: Array | None = None


class Boosting:
    """Gradient boosting, with one model per regression target or quantile.

    Attributes:
        complete: whether training is complete.
    """

    def __init__(
        self,
        problem: Problem,
        training: BaselineRows,
        validation: BaselineRows,
        categorical: Sequence[int],
        seed: int = 0,
    ) -> None:
        """Creates untrained models.

        Args:
            problem: the prediction problem.
            training: training rows.
            validation: rows for early stopping.
            categorical: indices of columns with category codes.
            seed: seed of the subsample for histogram bins.
        """
        self._problem = problem
        options = {"categorical_features": list(categorical) or None, "random_state": seed}
        self._models = _models(problem, options)
        self._training = [_target(problem, training, index) for index in range(len(self._models))]
        self._validation = [_target(problem, validation, index) for index in range(len(self._models))]
        self._planned, self._stopped = 0, set[int]()
        self.complete = False

    @property
    def trees(self) -> int:
        """Total number of trees of all models, each at its best iteration."""
        return sum(self._best(model) for model in self._models)

    @property
    def name(self) -> str:
        """Name of the estimator."""
        return type(self._models[0]).__name__

    def grow(self) -> None:
        """Trains the next portion of trees, unless training is complete."""
        if self.complete:
            return
        self._planned = min(MOST_TREES, max(_FIRST, round(self._planned * _GROWTH)))
        for index, model in enumerate(self._models):
            if index in self._stopped:
                continue  # calling fit again would add trees
            (x, y, weight), (x_held, y_held, _) = self._training[index], self._validation[index]
            model.set_params(max_iter=self._planned)
            model.fit(x, y, weight, X_val=x_held, y_val=y_held)
            if model.n_iter_ < self._planned:
                self._stopped.add(index)
        self.complete = len(self._stopped) == len(self._models) or self._planned >= MOST_TREES

    def refit(self, rows: BaselineRows) -> Boosting:
        """Returns models with the same best number of trees, trained on other rows without early stopping."""
        found = copy(self)
        found._models = [
            _clone(model, max_iter=self._best(model), early_stopping=False, warm_start=False) for model in self._models
        ]
        for index, model in enumerate(found._models):
            model.fit(*_target(self._problem, rows, index))
        return found

    def raw_outputs(self, x: Array) -> Array:
        """Raw outputs like those of a network, at the best iteration, shape `(num_rows, num_outputs)`."""
        if self._problem.task == "regression":
            found = [_output_at_stage(model.staged_predict(x), self._best(model)) for model in self._models]
            return np.stack(found, axis=1)
        model = self._models[0]
        probabilities = _output_at_stage(model.staged_predict_proba(x), self._best(model))
        return logits(probabilities, model.classes_, self._problem.num_outputs)

    def _best(self, model: Any) -> int:
        """The iteration with the lowest validation loss, at least 1; without early stopping, the last one."""
        if not model.early_stopping:
            return int(model.n_iter_)
        return max(1, int(np.argmax(model.validation_score_)))  # the first score is without any trees


def logits(probabilities: Array, classes: Array, num_outputs: int) -> Array:
    """Converts probabilities to raw outputs; classes without training rows get a tiny probability.

    Args:
        probabilities: predicted probabilities, shape `(num_rows, num_classes_seen)`.
        classes: indices of the classes in the training rows.
        num_outputs: number of outputs, as in `Problem`.
    """
    if num_outputs == 1:
        positive = probabilities[:, list(classes).index(1)] if 1 in classes else np.zeros(len(probabilities))
        positive = np.clip(positive, _SMALLEST, 1 - _SMALLEST)
        return np.asarray(np.log(positive / (1 - positive))[:, None])
    whole = np.full((len(probabilities), num_outputs), _SMALLEST)
    whole[:, np.asarray(classes, np.intp)] = np.maximum(probabilities, _SMALLEST)
    return np.asarray(np.log(whole))


def _models(problem: Problem, options: dict[str, Any]) -> list[Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options |= {"early_stopping": True, "n_iter_no_change": _PATIENCE, "warm_start": True, "scoring": "loss"}
    if problem.task != "regression":
        return [HistGradientBoostingClassifier(**options)]
    if problem.quantiles:
        return [HistGradientBoostingRegressor(loss="quantile", quantile=q, **options) for q in problem.quantiles]
    return [HistGradientBoostingRegressor(**options) for _ in range(problem.num_outputs)]


def _clone(model: Any, **options: Any) -> Any:
    """An untrained model with the same parameters, except for `options`."""
    from sklearn.base import clone

    return clone(model).set_params(**options)


def _target(problem: Problem, rows: BaselineRows, index: int) -> tuple[Array, Array, Array | None]:
    """Columns, the target with this index (class indices in classification), and weights, for scikit-learn."""
    if problem.task == "regression":
        return rows.x, np.asarray(rows.y, np.float64).reshape(len(rows.y), -1)[:, index], rows.weight
    return rows.x, np.asarray(rows.y).reshape(-1).astype(np.intp), rows.weight


def _output_at_stage(stages: Any, count: int) -> Array:
    return np.asarray(next(islice(stages, count - 1, None)))
