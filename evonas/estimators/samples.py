"""Images, series and texts as input of estimators: arrays of more than two dimensions, or lists."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.api.resolve import resolve_samples
from evonas.data.frames import is_table
from evonas.data.prepare_samples import read_samples
from evonas.data.sample_kind import chosen_architecture, kind_of_array
from genomes.errors import InputError

__all__ = ["first_samples", "flatten", "kind_of_samples", "rows_at"]


def kind_of_samples(X: Any, space: Any) -> str:
    """The kind of the samples: "image", "series" or "text"; "" for tables and numeric arrays.

    Args:
        X: rows as passed to `fit`.
        space: space of the estimator; with a dense space, images and series are treated as rows of numbers.

    Raises:
        InputError: networks of the space do not accept such rows.
    """
    if is_table(X) or hasattr(X, "toarray"):
        return ""
    kind = kind_of_array(X)
    if kind == "table":
        return ""
    if chosen_architecture(kind, resolve_samples(space)[1].architecture) != "dense":
        return kind
    if kind == "text":
        raise InputError("texts for dense networks must be a column of a table, not an array: pass a DataFrame")
    return ""


def first_samples(estimator: Any, kind: str, X: Any) -> NDArray[Any]:
    """The samples to fit an estimator on, `(num_samples, ...)`; removes its column attributes, since samples have no
    columns.

    Raises:
        InputError: the value does not hold samples of that kind.
    """
    for name in ("n_features_in_", "feature_names_in_"):
        with suppress(AttributeError):
            delattr(estimator, name)
    return read_samples(kind, X, "X").values


def flatten(X: Any) -> Any:
    """Flattens images and series; returns other values unchanged."""
    is_array = isinstance(X, np.ndarray) and X.ndim in (3, 4) and len(X) > 0
    return X.reshape(len(X), -1) if is_array else X


def rows_at(rows: Any, indices: NDArray[np.intp]) -> Any:
    """Rows of a DataFrame or an array by index."""
    return rows.iloc[indices] if hasattr(rows, "iloc") else rows[indices]
