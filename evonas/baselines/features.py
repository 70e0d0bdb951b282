"""Prepared rows in a form for trees: categorical columns as codes, missing numbers as NaN.

One-hot encoding and imputation with indicators are reversed exactly; scaling is kept since it does not affect trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.preprocessor import Categories, Number, Preparation, view_of
from evonas.data.prepared import PreparedData

__all__ = ["TreeColumns", "tree_columns"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class TreeColumns:
    """The conversion of features to columns.

    Attributes:
        codes: indices of the one-hot features of each categorical column.
        gaps: indices of each number that may be missing, and of its indicator.
        others: indices of features that are kept unchanged.
    """

    codes: tuple[tuple[int, ...], ...]
    gaps: tuple[tuple[int, int], ...]
    others: tuple[int, ...]

    @property
    def categorical(self) -> list[int]:
        """Indices of the columns with category codes."""
        return list(range(len(self.codes)))

    def apply(self, x: Array) -> Array:
        """Converts features to columns, with NaN for missing values.

        Args:
            x: prepared features, shape `(num_rows, num_features)`.

        Returns:
            A float32 array of shape `(num_rows, num_columns)`.
        """
        parts = []
        for indices in self.codes:
            one_hot = x[:, list(indices)]
            parts.append(np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), np.nan))
        parts += [np.where(x[:, missing] > 0.5, np.nan, x[:, index]) for index, missing in self.gaps]
        parts += [x[:, index] for index in self.others]
        return np.stack(parts, axis=1).astype(np.float32)


def tree_columns(data: PreparedData) -> TreeColumns:
    """The columns of a table; the features themselves for arrays without encoding, images, series and texts."""
    if data.preparation is None or not data.preparation.steps:
        return TreeColumns((), (), tuple(data.problem.columns()))
    return _from_steps(data.preparation)


def _from_steps(preparation: Preparation) -> TreeColumns:
    codes: list[tuple[int, ...]] = []
    gaps: list[tuple[int, int]] = []
    others: list[int] = []
    first = 0
    for step in preparation.steps:
        indices: Any = tuple(range(first, first + len(step.names())))
        first += len(indices)
        if view_of(step) != "standard":
            continue  # another encoding of a column that is also included as a number
        if isinstance(step, Categories):
            codes.append(indices)
        elif isinstance(step, Number) and step.indicator:
            gaps.append(indices)
        else:
            others += indices
    return TreeColumns(tuple(codes), tuple(gaps), tuple(others))
