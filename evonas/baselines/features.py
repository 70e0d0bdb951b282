"""Prepared rows in a form for trees: categorical columns as codes, missing numbers as NaN.

One-hot encoding and imputation with indicators are reversed exactly; scaling is kept, since it does not affect trees.
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
    """How features become columns.

    Attributes:
        codes: of each category column, the positions of its one-hot features.
        gaps: positions of numbers that may be missing, and of their indicators.
        others: positions that stay as they are.
    """

    codes: tuple[tuple[int, ...], ...]
    gaps: tuple[tuple[int, int], ...]
    others: tuple[int, ...]

    @property
    def categorical(self) -> list[int]:
        """Which columns of `apply` hold codes of categories."""
        return list(range(len(self.codes)))

    def apply(self, x: Array) -> Array:
        """Columns of rows, NaN if a value is missing.

        Args:
            x: prepared, shape `(num_rows, num_features)`.

        Returns:
            float32, shape `(num_rows, num_columns)`.
        """
        parts = []
        for places in self.codes:
            one_hot = x[:, list(places)]
            parts.append(np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), np.nan))
        parts += [np.where(x[:, missing] > 0.5, np.nan, x[:, place]) for place, missing in self.gaps]
        parts += [x[:, place] for place in self.others]
        return np.stack(parts, axis=1).astype(np.float32)


def tree_columns(data: PreparedData) -> TreeColumns:
    """The columns of a table; of arrays that were not encoded, and of whole samples, the features themselves."""
    if data.preparation is None or not data.preparation.steps:
        return TreeColumns((), (), tuple(data.problem.columns()))
    return _of_steps(data.preparation)


def _of_steps(preparation: Preparation) -> TreeColumns:
    codes: list[tuple[int, ...]] = []
    gaps: list[tuple[int, int]] = []
    others: list[int] = []
    first = 0
    for step in preparation.steps:
        places: Any = tuple(range(first, first + len(step.names())))
        first += len(places)
        if view_of(step) != "standard":
            continue  # of a column that gives its number, too
        if isinstance(step, Categories):
            codes.append(places)
        elif isinstance(step, Number) and step.indicator:
            gaps.append(places)
        else:
            others += places
    return TreeColumns(tuple(codes), tuple(gaps), tuple(others))
