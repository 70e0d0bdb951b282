"""`Robust`: a number scaled by the interquartile range and smoothly clipped, insensitive to outliers.

Source: Holzmüller, Grinsztajn and Steinwart 2024, Better by default: strong pre-tuned MLPs and boosted trees on tabular
data (arXiv 2407.04491), section 3: robust scaling and smooth clipping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.piecewise import reader
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BOUND", "Robust", "fit_robust"]

#: Bound on the magnitude of the feature, which is never reached.
BOUND = 3.0
#: Bound to which scaled numbers are clipped before they are squared in float32.
FURTHEST = 1e6

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Robust:
    """A feature `z / sqrt(1 + (z / 3)^2)` with `z = (value - centre) / scale`, instead of the standardised number.

    Attributes:
        column: name of the raw column.
        imputed: replacement for missing values.
        centre: median of the training rows, float32.
        scale: their interquartile range, above 0.
        indicator: whether a second feature indicates missing values.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    column: str
    imputed: float
    centre: float
    scale: float
    indicator: bool
    form: Literal["number"] = "number"

    def __post_init__(self) -> None:
        if not np.isfinite((self.imputed, self.centre, self.scale)).all() or self.scale <= 0:
            raise InputError(
                f"imputed, centre and scale of {self.column!r} must be finite and scale positive, not {self.imputed}, "
                f"{self.centre}, {self.scale}: the preparation was not written by evonas or is damaged"
            )

    @property
    def view(self) -> str:
        """The encoding of `genomes.architecture.layers.NUMERIC_ENCODINGS` to which it belongs."""
        return "robust"

    def names(self) -> list[str]:
        """Names of the features."""
        name = f"{self.column}:robust"
        return [name, f"{name}:missing"] if self.indicator else [name]

    def encode(self, series: pd.Series[Any]) -> Numbers:
        """The features of raw cells, shape `(num_samples, 1 or 2)`."""
        cells = reader(series)
        missing = np.isnan(cells)
        with np.errstate(over="ignore"):
            scaled = (np.where(missing, self.imputed, cells) - self.centre) / self.scale
        scaled = np.clip(scaled, -FURTHEST, FURTHEST)
        clipped = scaled / np.sqrt(1.0 + (scaled / BOUND) ** 2)
        return np.stack([clipped, missing], axis=1) if self.indicator else clipped[:, None]


def fit_robust(column: str, values: Numbers, imputed: float, indicator: bool) -> Robust:
    """Fits the scale of a column. If half of the values are equal, it is half of their range; 1 if all are equal.

    Args:
        column: name of the column.
        values: values of the training rows, NaN if missing.
        imputed: replacement for missing values.
        indicator: whether a feature indicates missing values.
    """
    present = values[~np.isnan(values)]
    if not len(present):
        return Robust(column, imputed, imputed, 1.0, indicator)
    low, middle, high = np.quantile(present, (0.25, 0.5, 0.75)).tolist()
    with np.errstate(over="ignore"):
        scale = high - low or 0.5 * float(present.max() - present.min()) or 1.0
    scale = scale if np.isfinite(scale) else 1.0
    return Robust(column, imputed, float(np.float32(middle)), max(scale, np.finfo(np.float32).tiny.item()), indicator)
