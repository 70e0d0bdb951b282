"""`EvolutionClassifier`: evolved networks as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from evonas.api.options import RunOptions
from evonas.estimators.checks import one_hot_classes
from evonas.estimators.estimator import EvolutionEstimator
from evonas.estimators.samples import rows_at
from genomes.errors import InputError

__all__ = ["EvolutionClassifier"]

_ONE_EACH = (
    "for several labels per row, fit one classifier for each, with "
    "sklearn.multioutput.MultiOutputClassifier(EvolutionClassifier(...))"
)


class EvolutionClassifier(ClassifierMixin, EvolutionEstimator):  # type: ignore[misc]
    """Evolves networks for classification of tables, images, series or texts; predicts with the best one.

    Tables get dense networks, images convolutional ones, series and texts sequence networks, as in `evonas.search`.

        >>> EvolutionClassifier(time="5m").fit(x, y).predict_proba(x_new)                  # doctest: +SKIP

    Attributes:
        classes_: labels, sorted.
        best_score_: score on the validation rows; greater is better, so errors and losses are negated.
        best_params_: parameters of the best network, by name.
        best_model_: best network as a `keras.Model`.
        best_estimator_: this estimator.
        cv_results_: columns by name, one row per network; history_: a DataFrame, one row per generation.
        n_features_in_, feature_names_in_: as in scikit-learn.
        network_: the best network as a `FittedNetwork`; run_dir_: the run directory, None if it was temporary.
    """

    _task = "classification"

    def __init__(
        self,
        *,
        generations: int | None = None,
        evaluations: int | None = None,
        time: str | float | None = None,
        population: int = 20,
        epochs: int = 50,
        patience: int | None = 10,
        objective: str | None = None,
        folds: int | None = None,
        validation_fraction: float | None = None,
        strategy: str = "evolution",
        space: Any = None,
        settings: RunOptions | None = None,
        class_weight: Any = None,
        random_state: Any = None,
        verbose: int = 0,
        run_dir: str | Path | None = None,
        in_process: bool | str = "auto",
    ) -> None:
        """See `EvolutionEstimator`; `class_weight` is "balanced", or label -> weight."""
        super().__init__(
            generations=generations,
            evaluations=evaluations,
            time=time,
            population=population,
            epochs=epochs,
            patience=patience,
            objective=objective,
            folds=folds,
            validation_fraction=validation_fraction,
            strategy=strategy,
            space=space,
            settings=settings,
            random_state=random_state,
            verbose=verbose,
            run_dir=run_dir,
            in_process=in_process,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> EvolutionClassifier:
        """Searches.

        Args:
            X: a DataFrame with any columns, or an array `(num_samples, num_columns)`, with NaN for missing values; or
                images `(num_samples, height, width, channels)`, series `(num_samples, steps, channels)` (or a list of
                arrays of different lengths), or texts `(num_samples,)`.
            y: labels, shape `(num_samples,)`; or one-hot, in which case `predict` is one-hot too.
            sample_weight: training weights, shape `(num_samples,)`; rows with weight 0 are left out.
            groups: groups of the rows, shape `(num_samples,)`; no group is in both training and validation rows.

        Raises:
            InputError: an argument is invalid; a subclass of ValueError, as scikit-learn requires.
        """
        found = None if y is None else one_hot_classes(y, _ONE_EACH)
        self._one_hot = found is not None
        rows, labels, weight, groups = self._check(
            X, y if found is None else found, sample_weight, groups, numeric=False
        )
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if found is not None:
            self.classes_ = np.arange(np.shape(y)[1])
            absent = sorted(set(self.classes_.tolist()) - set(labels.tolist()))
            if absent:
                raise InputError(f"y must have a row of every class, but column {absent[0]} is 0 everywhere: drop it")
        if len(self.classes_) < 2:
            only = self.classes_.tolist()[0]
            raise InputError(f"y must have at least 2 classes, not only the class {only!r}: add rows of another class")
        # Training and validation rows must contain every class, so a class's only row is put into both.
        alone = np.flatnonzero(np.bincount(codes)[codes] == 1)
        places = np.concatenate([np.arange(len(codes)), alone])
        weight = None if weight is None else weight[places]
        self._search(rows_at(rows, places), codes[places], weight, None if groups is None else groups[places])
        return self

    def _class_weights(self) -> Any:
        if not isinstance(self.class_weight, Mapping):
            return self.class_weight
        given = {code: self.class_weight.get(label, 1.0) for code, label in enumerate(self.classes_.tolist())}
        if unknown := set(self.class_weight) - set(self.classes_.tolist()):
            raise InputError(f"class_weight must have labels of y as keys, not {next(iter(unknown))!r}: leave it out")
        return given

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels, shape `(num_samples,)`; one-hot if the target was."""
        chances = self._predictions(X)
        codes = chances.argmax(axis=1)
        labels: NDArray[Any] = (
            np.eye(len(self.classes_), dtype=np.int64)[codes] if self._one_hot else self.classes_[codes]
        )
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the classes, shape `(num_samples, num_classes)`, in the order of `classes_`."""
        return self._predictions(X)
