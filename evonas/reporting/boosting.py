"""Gradient boosting on the same rows, as the reference that tables are judged by. Imports scikit-learn late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evonas.data.prepared import PreparedData
from evonas.metrics import scores as scoring

__all__ = ["boosting_scores"]


def boosting_scores(data: PreparedData, seed: int = 0) -> dict[str, dict[str, float]]:
    """Scores of scikit-learn's histogram gradient boosting, at its defaults with early stopping.

    On the features that every network sees, fitted on the training rows.

    Args:
        data: prepared, of a table.
        seed: of the rows that early stopping holds out.

    Returns:
        "validation", and "test" where there is one -> metric -> score.
    """
    split, places = data.splits[0], data.problem.columns()
    predict = _fitted(data, places, seed)
    parts: dict[str, tuple[Any, Any]] = {"validation": (split.x_validation, split.y_validation)}
    if data.x_test is not None and data.y_test is not None:
        parts["test"] = (data.x_test, data.y_test)
    return {
        part: scoring.scores(data.problem, np.asarray(y), predict(np.asarray(x)[:, places]))
        for part, (x, y) in parts.items()
    }


def _fitted(data: PreparedData, places: list[int], seed: int) -> Callable[[Any], Any]:
    """From rows to raw outputs as a network's."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    problem, split = data.problem, data.splits[0]
    x, y, weight = np.asarray(split.x_train)[:, places], np.asarray(split.y_train), split.weight_train
    options: dict[str, Any] = {"early_stopping": True, "random_state": seed}
    if problem.task == "regression":
        targets = y.reshape(len(y), -1).T
        fitted = [HistGradientBoostingRegressor(**options).fit(x, each, weight) for each in targets]
        return lambda rows: np.stack([each.predict(rows) for each in fitted], axis=1)
    model = HistGradientBoostingClassifier(**options).fit(x, y.reshape(-1).astype(np.intp), weight)
    return lambda rows: _logits(model.predict_proba(rows), model.classes_, problem.num_outputs)


def _logits(probabilities: Any, classes: Any, num_outputs: int) -> Any:
    """Raw outputs as a network's; classes without a training row have next to no probability."""
    if num_outputs == 1:
        positive = probabilities[:, list(classes).index(1)] if 1 in classes else np.zeros(len(probabilities))
        positive = np.clip(positive, 1e-12, 1 - 1e-12)
        return np.log(positive / (1 - positive))[:, None]
    whole = np.full((len(probabilities), num_outputs), 1e-12)
    whole[:, classes] = np.maximum(probabilities, 1e-12)
    return np.log(whole)
