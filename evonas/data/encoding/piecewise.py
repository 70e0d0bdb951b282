"""`PiecewiseLinear`: the piecewise linear encoding of a number.

Knots are quantiles, or the cuts of a decision tree.

Source: Gorishniy, Rubachev and Babenko 2022, On embeddings for numerical features in tabular deep learning, section 3.2
(arXiv 2203.05556): piecewise-linear encoding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import numbers
from evonas.data.encoding.tree_cuts import tree_cuts
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PiecewiseLinear", "fit_piecewise", "fit_tree_piecewise", "reader"]

#: Maximum number of intervals; each has at least 20 training rows.
MAX_INTERVALS = 48
ROWS_PER_INTERVAL = 20
#: How far the first and the last interval extend outwards, in units of their width.
REACH = 10.0

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class PiecewiseLinear:
    """Features of one numeric column between its knots.

    Interval t has the feature `(value - knots[t]) / (knots[t + 1] - knots[t])`, clipped to [0, 1]; the first one
    extends below 0, the last one above 1. With `values`, a single feature interpolates `(knots, values)` and is
    constant outside.

    Attributes:
        column: name of the raw column.
        imputed: replacement for missing values.
        knots: at least two knots, ascending, float32.
        values: one value per knot, or none.
        cuts: whether the knots are those of a decision tree.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    column: str
    imputed: float
    knots: tuple[float, ...]
    values: tuple[float, ...] = ()
    form: Literal["number"] = "number"
    cuts: bool = False

    def __post_init__(self) -> None:
        numbers = np.array([self.imputed, *self.knots, *self.values])
        rising = len(self.knots) > 1 and bool((np.diff(self.knots) > 0).all())
        if not np.isfinite(numbers).all() or not rising or len(self.values) not in (0, len(self.knots)):
            raise InputError(
                f"knots of {self.column!r} must be finite and ascending, with a value each or none, not "
                f"{self.knots!r:.80}: the preparation was not written by evonas or is damaged"
            )

    @property
    def view(self) -> str:
        """The encoding of `genomes.architecture.layers.NUMERIC_ENCODINGS` to which it belongs."""
        return "quantile" if self.values else "tree" if self.cuts else "piecewise"

    def names(self) -> list[str]:
        """Names of the features."""
        if self.values:
            return [f"{self.column}:quantile"]
        word = "cut" if self.cuts else "piece"
        return [f"{self.column}:{word} {number}" for number in range(1, len(self.knots))]

    def bounds(self) -> tuple[list[float], list[float]]:
        """The minimum and the maximum of each interval's feature."""
        low, high = [0.0] * (len(self.knots) - 1), [1.0] * (len(self.knots) - 1)
        if not self.values:
            low[0], high[-1] = -REACH, REACH
        return low, high

    def encode(self, series: pd.Series[Any]) -> Numbers:
        """The features of raw cells, shape `(num_samples, len(names()))`."""
        cells = reader(series)
        knots, (low, high) = np.array(self.knots), self.bounds()
        values = np.where(np.isnan(cells), self.imputed, cells)[:, None]
        with np.errstate(over="ignore"):
            pieces = np.clip((values - knots[:-1]) / np.diff(knots), low, high)
        return pieces @ np.diff(self.values)[:, None] + self.values[0] if self.values else np.asarray(pieces)


def reader(series: pd.Series[Any]) -> Numbers:
    """The cells rounded to float32, as models take them, NaN if missing."""
    return numbers(series).astype(np.float32).astype(np.float64)


def fit_piecewise(
    column: str, values: Numbers, imputed: float, ranks: bool, most: int = MAX_INTERVALS
) -> PiecewiseLinear | None:
    """Fits the encoding of a column by quantiles; None if it has too few distinct values.

    Args:
        column: name of the column.
        values: values of the rows to fit on, NaN if missing.
        imputed: replacement for missing values.
        ranks: whether the single feature is the rank; otherwise there is one feature per interval.
        most: maximum number of intervals.
    """
    present = values[~np.isnan(values)]
    count = min(most, len(present) // ROWS_PER_INTERVAL)
    if count < 2:
        return None
    shares = np.linspace(0, 1, count + 1)
    knots, indices = np.unique(np.quantile(present, shares, method="lower").astype(np.float32), return_index=True)
    if len(knots) < 3:
        return None
    if not ranks:
        return PiecewiseLinear(column, imputed, tuple(map(float, knots)))
    ends = [*(indices[1:] - 1), count]  # equal quantiles take the middle of their ranks
    middles = (shares[indices] + shares[ends]) / 2
    return PiecewiseLinear(column, imputed, tuple(map(float, knots)), tuple(map(float, _normal(middles, count))))


def fit_tree_piecewise(
    column: str, values: Numbers, imputed: float, targets: Numbers, most: int = MAX_INTERVALS
) -> PiecewiseLinear | None:
    """Fits the encoding by the cuts of a decision tree on the column; None if the tree has no cut.

    Args:
        column: name of the column.
        values: values of the training rows, NaN if missing.
        imputed: replacement for missing values.
        targets: targets of these rows, see `evonas.data.encoding.tree_cuts.impurity_columns`.
        most: maximum number of intervals.
    """
    known = ~np.isnan(values)
    present = values[known]
    if len(present) < 2 * ROWS_PER_INTERVAL:
        return None
    cuts = tree_cuts(present, targets[known], most - 1, ROWS_PER_INTERVAL)
    knots = np.unique(np.array([present.min(), *cuts, present.max()], np.float32))
    if len(knots) < 3:
        return None
    return PiecewiseLinear(column, imputed, tuple(map(float, knots)), cuts=True)


def _normal(ranks: Numbers, count: int) -> Numbers:
    """Standard normal quantiles at these ranks; the ends are as far out as the middle of an interval."""
    from statistics import NormalDist

    inverse: Callable[[float], float] = NormalDist().inv_cdf
    return np.array([inverse(min(max(rank, 0.25 / count), 1 - 0.25 / count)) for rank in ranks])
