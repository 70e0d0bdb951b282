"""Training weights of rows and of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import as_text
from evonas.data.target import Target
from genomes.errors import InputError

__all__ = ["ClassWeight", "sample_weights", "training_weights"]

#: "balanced" (as in scikit-learn: all classes have the same total weight), or class label -> weight.
ClassWeight = Literal["balanced"] | Mapping[Any, float] | None


def sample_weights(values: Any, count: int) -> NDArray[np.float64] | None:
    """Validates weights of rows, shape `(count,)`; None stays None.

    Raises:
        InputError: the weights are not `count` numbers, one is negative or not finite, or all are 0.
    """
    if values is None:
        return None
    try:
        weights = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"sample weights must be numbers, but: {error}; correct them") from None
    _check(weights, count, "sample weights")
    return weights


def _check(weights: NDArray[np.float64], count: int, what: str) -> None:
    if weights.shape != (count,):
        raise InputError(f"{what} must be one for each of {count}, not shape {weights.shape}: pass {count} numbers")
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any() or not weights.any():
        value = weights[wrong][0] if wrong.any() else "all 0"
        raise InputError(f"{what} must be finite, not negative and not all 0, not {value}: correct them")


def training_weights(
    target: Target, rows: NDArray[np.intp], weights: NDArray[np.float64] | None, class_weight: ClassWeight
) -> NDArray[np.float32] | None:
    """Sample weights times class weights of the training rows; None if there are neither.

    Args:
        target: target of all rows.
        rows: indices of the training rows, which determine "balanced" weights.
        weights: validated sample weights of all rows.
        class_weight: see `ClassWeight`.

    Raises:
        InputError: the class weights do not match the classes, the task has no classes, or all training rows have
        weight 0.
    """
    if weights is None and class_weight is None:
        return None
    result = np.ones(len(rows)) if weights is None else weights[rows]
    if class_weight is not None:
        if target.task == "regression":
            raise InputError("class weights must come with a classification, not a regression: leave them out")
        codes = target.values[rows]
        result = result * _class_factors(target.classes, codes, class_weight)[codes]
    _check(result, len(rows), "weights of the training rows")
    return result.astype(np.float32)


def _class_factors(
    classes: tuple[str, ...], codes: NDArray[np.intp], class_weight: Literal["balanced"] | Mapping[Any, float]
) -> NDArray[np.float64]:
    if class_weight == "balanced":
        return np.asarray(len(codes) / (len(classes) * np.bincount(codes)))
    if not isinstance(class_weight, Mapping):
        raise InputError(f"class weights must be 'balanced' or label -> weight, not {class_weight!r}: correct them")
    given = {as_text(label): weight for label, weight in class_weight.items()}
    if set(given) != set(classes):
        raise InputError(
            f"class weights must name each of the classes {', '.join(classes)}, not {', '.join(given)}: correct them"
        )
    factors = np.array([given[label] for label in classes], dtype=np.float64)
    _check(factors, len(factors), "class weights")
    return factors
