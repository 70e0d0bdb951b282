"""`EvolutionRegressor`: evolved networks as a scikit-learn regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin

from evonas.data.quantiles import point_prediction
from evonas.estimators.estimator import EvolutionEstimator
from genomes.errors import InputError

__all__ = ["EvolutionRegressor"]


class EvolutionRegressor(RegressorMixin, EvolutionEstimator):  # type: ignore[misc]
    """Evolves networks for regression on tables, images, series or texts; predicts with the best one.

        >>> EvolutionRegressor(time="5m").fit(x, y).predict(x_new)                          # doctest: +SKIP

    Attributes:
        best_score_: score on the validation rows; greater is better, so errors are negated.
        Others: see `EvolutionClassifier`.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> EvolutionRegressor:
        """Searches.

        Args:
            X: a DataFrame with any columns, or an array `(num_samples, num_columns)`, with NaN for missing values; or
                images `(num_samples, height, width, channels)`, series `(num_samples, steps, channels)` (or a list of
                arrays of different lengths), or texts `(num_samples,)`.
            y: targets, shape `(num_samples,)` or `(num_samples, num_targets)`.
            sample_weight: training weights, shape `(num_samples,)`; rows with weight 0 are left out.
            groups: groups of the rows, shape `(num_samples,)`; no group is in both training and validation rows.

        Raises:
            InputError: an argument is invalid; a subclass of ValueError, as scikit-learn requires.
        """
        rows, targets, weight, groups = self._check(X, y, sample_weight, groups, numeric=True)
        self._search(rows, targets, weight, groups)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predictions, shape `(num_samples,)`, or `(num_samples, num_targets)` for several targets; the median with
        objective pinball.
        """
        found = self._predictions(X)
        if self.network_.problem.quantiles:
            return point_prediction(self.network_.problem.quantiles, found)
        return found[:, 0] if found.shape[1] == 1 else found

    def predict_quantiles(self, X: Any) -> NDArray[np.float64]:
        """Predicted quantiles with `objective="pinball"`, shape `(num_samples, num_quantiles)`, non-decreasing in each
        row.

        `settings={"quantiles": (0.1, 0.5, 0.9)}` selects the quantiles.

        Raises:
            InputError: the objective is not pinball.
        """
        found = self._predictions(X)
        if not self.network_.problem.quantiles:
            raise InputError("predict_quantiles requires a fit with objective='pinball': fit with it, or use predict")
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
