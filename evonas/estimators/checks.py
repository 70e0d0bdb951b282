"""Validation of the arguments of `fit` as in scikit-learn, using only its public functions."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_array, column_or_1d

from genomes.errors import InputError

__all__ = ["as_rows", "check_labels", "check_numbers", "check_sample_weight", "one_hot_classes", "plain_labels"]


def as_rows(X: Any) -> Any:
    """Converts tables of polars, pyarrow and other libraries to pandas; returns other values unchanged."""
    for method in ("to_pandas", "toPandas"):
        if hasattr(X, method) and not hasattr(X, "iloc"):
            return getattr(X, method)()
    return X


def check_labels(y: Any, estimator: Any) -> NDArray[Any]:
    """Validates labels, shape `(num_samples,)`.

    Raises:
        ValueError: there are no labels, or they have several columns, missing values or complex values.
    """
    labels: NDArray[Any] = np.asarray(column_or_1d(plain_labels(y), warn=True))
    _check_real(labels)
    assert_all_finite(labels, input_name="y", estimator_name=type(estimator).__name__)
    return labels


def plain_labels(y: Any) -> Any:
    """Converts labels with nullable or Arrow pandas types to numpy types; returns others unchanged.

    Raises:
        InputError: a label is missing.
    """
    kind = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    values = np.asarray(y, dtype=object) if kind is not None else y
    if isinstance(values, (list, tuple)) or getattr(getattr(values, "dtype", None), "kind", "") == "O":
        import pandas as pd

        cells = np.asarray(values, dtype=object)
        missing = [row for row, cell in enumerate(cells) if cell is None or cell is pd.NA] if cells.ndim == 1 else []
        if missing:
            raise InputError(
                f"y must have a label in every row, but {len(missing)} are missing (the first in row "
                f"{missing[0] + 1}): leave these rows out"
            )
    if kind is None or np.dtype(kind).kind not in "biuf":
        return y
    return np.asarray(y.to_numpy(dtype=kind))


def check_numbers(y: Any, estimator: Any) -> NDArray[Any]:
    """Validates numeric targets, shape `(num_samples,)` or `(num_samples, num_targets)`.

    Raises:
        ValueError: the targets are missing, not numeric, or complex.
    """
    found = check_array(y, ensure_all_finite=True, ensure_2d=False, dtype=None, input_name="y", estimator=estimator)
    _check_real(found)
    return np.asarray(found, np.float64) if found.dtype.kind == "O" else np.asarray(found)


def check_sample_weight(weight: Any, count: int, estimator: Any) -> NDArray[np.float64]:
    """Validates sample weights, shape `(num_samples,)`, non-negative and not all 0; a scalar applies to all rows.

    Raises:
        ValueError: the weights are invalid.
    """
    if isinstance(weight, numbers.Number):
        weight = np.full(count, weight)
    found = check_array(
        weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight", estimator=estimator, order="C"
    )
    if found.ndim != 1:
        raise InputError(f"Sample weights must be 1D array or scalar, got {found.ndim}D array. Expected a number a row")
    if len(found) != count:
        raise InputError(f"sample_weight.shape == {found.shape}, expected {(count,)}: pass one number per row")
    if (found < 0).any():
        raise InputError("Negative values in data passed to `sample_weight`: weights must be at least 0")
    if not found.any():
        raise InputError("sample_weight must not be zero in all rows, but it is: correct it, or leave it out")
    return np.asarray(found)


def one_hot_classes(y: Any, fix: str) -> NDArray[np.intp] | None:
    """Class indices of a one-hot target; None for a target with one column.

    Args:
        y: target as passed to `fit`.
        fix: advice for targets with several columns that are not one-hot.

    Raises:
        InputError: the target has several columns and is not one-hot.
    """
    values = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
    if values.ndim != 2 or values.shape[1] < 2:
        return None
    binary = values.dtype.kind in "biuf" and bool(np.isin(values, (0, 1)).all())
    if binary and bool((values.sum(axis=1) == 1).all()):
        return np.asarray(values.argmax(axis=1))
    what = f"columns of 0 and 1 with {'several or no 1s' if binary else 'other values'} in a row"
    raise InputError(
        f"y must hold one label for each row, or one column for each class with one 1 in each row, not {what}: {fix}"
    )


def _check_real(values: NDArray[Any]) -> None:
    if values.dtype.kind == "c" or (values.dtype.kind == "O" and any(isinstance(one, complex) for one in values.flat)):
        raise InputError("Complex data not supported: y must hold labels or real numbers")
