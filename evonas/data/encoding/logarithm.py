"""`Logarithm`: a skewed number on a logarithmic scale, standardised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.piecewise import reader
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Logarithm", "fit_logarithm"]

#: Minimum skewness of a skewed column; an exponential variable has 2, a uniform one 0.
SKEWED = 1.0

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Logarithm:
    """One feature, `(sign(u) log(1 + |u|) - mean) / std` with `u = (value - origin) / scale`.

    Attributes:
        column: name of the raw column.
        imputed: replacement for missing values.
        origin: end of the training values near which most of them lie, float32.
        scale: distance of the median from the origin; negative if the column is skewed to the left.
        mean, std: mean and standard deviation of the training rows' logarithms.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    column: str
    imputed: float
    origin: float
    scale: float
    mean: float
    std: float
    form: Literal["number"] = "number"

    def __post_init__(self) -> None:
        numbers = (self.imputed, self.origin, self.scale, self.mean, self.std)
        if not np.isfinite(numbers).all() or self.scale == 0 or self.std <= 0:
            raise InputError(
                f"origin, scale, mean and std of {self.column!r} must be finite, scale not 0 and std positive, not "
                f"{numbers[1:]}: the preparation was not written by evonas or is damaged"
            )

    @property
    def view(self) -> str:
        """The encoding of `genomes.architecture.layers.NUMERIC_ENCODINGS` to which it belongs."""
        return "log"

    def names(self) -> list[str]:
        """Names of the features."""
        return [f"{self.column}:log"]

    def encode(self, series: pd.Series[Any]) -> Numbers:
        """The feature of raw cells, shape `(num_samples, 1)`."""
        cells = reader(series)
        values = np.where(np.isnan(cells), self.imputed, cells)
        return ((_logarithm(values, self.origin, self.scale) - self.mean) / self.std)[:, None]


def fit_logarithm(column: str, values: Numbers, imputed: float) -> Logarithm | None:
    """Fits the logarithmic scale of a column; None if it is not skewed.

    Args:
        column: name of the column.
        values: values of the rows to fit on, NaN if missing.
        imputed: replacement for missing values.
    """
    present = values[~np.isnan(values)]
    if len(present) < 3 or not (spread := present.std()) > 0:
        return None
    skewness = float((((present - present.mean()) / spread) ** 3).mean())
    if abs(skewness) <= SKEWED:
        return None
    origin = float(present.min() if skewness > 0 else present.max())
    scale = float(np.median(present)) - origin or float(present.mean()) - origin
    logarithms = _logarithm(present, origin, scale)
    std = float(logarithms.std())
    return Logarithm(column, imputed, origin, scale, float(logarithms.mean()), std) if std > 0 else None


def _logarithm(values: Numbers, origin: float, scale: float) -> Numbers:
    share = (values - origin) / scale
    return np.sign(share) * np.log1p(np.abs(share))
