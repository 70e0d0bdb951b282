"""`Periodic`: a number as sines and cosines of several frequencies, which resolve small differences.

Source: Gorishniy, Rubachev and Babenko 2022, On embeddings for numerical features in tabular deep learning, section 3.3
(arXiv 2203.05556): periodic activations. The paper samples and trains the frequencies; here they are fixed, as in
random Fourier features (Rahimi and Recht 2007), and the first dense layer mixes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.piecewise import PiecewiseLinear
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FREQUENCIES", "Periodic"]

#: Periods per standard deviation of the ranks on a normal scale, each 1.5 times the previous one.
FREQUENCIES = tuple(float(np.float32(0.08 * 1.5**k)) for k in range(8))


@dataclass(frozen=True)
class Periodic:
    """Features `sin(2 pi f r)` and `cos(2 pi f r)` for each frequency f, where r is the number's rank on a normal
    scale.

    Attributes:
        rank: encoder that computes r.
        frequencies: frequencies f, ascending, above 0.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    rank: PiecewiseLinear
    frequencies: tuple[float, ...]
    form: Literal["number"] = "number"

    def __post_init__(self) -> None:
        good = bool(self.frequencies) and bool((np.diff((0.0, *self.frequencies)) > 0).all())
        if not self.rank.values or not good or not np.isfinite(self.frequencies).all():
            raise InputError(
                f"waves of {self.column!r} must have a rank and ascending frequencies above 0, not "
                f"{self.frequencies!r:.80}: the preparation was not written by evonas or is damaged"
            )

    @property
    def column(self) -> str:
        """Name of the raw column."""
        return self.rank.column

    @property
    def imputed(self) -> float:
        """Replacement for missing values."""
        return self.rank.imputed

    @property
    def view(self) -> str:
        """The encoding of `genomes.architecture.layers.NUMERIC_ENCODINGS` to which it belongs."""
        return "periodic"

    def names(self) -> list[str]:
        """Names of the features, all sines before all cosines."""
        count = len(self.frequencies)
        return [f"{self.column}:{wave} {k}" for wave in ("sine", "cosine") for k in range(1, count + 1)]

    def encode(self, series: pd.Series[Any]) -> NDArray[np.float64]:
        """The features of raw cells, shape `(num_samples, len(names()))`."""
        # In float32 like models, since large angles then have few decimals.
        ranks = self.rank.encode(series).astype(np.float32)
        angles = ranks * (2 * np.pi * np.array(self.frequencies)).astype(np.float32)
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float64)
