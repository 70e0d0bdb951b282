"""`SamplePreparation`: the conversion of samples (images, series, texts) to a network's input.

In contrast to the per-column steps of a table, they have one statistic per channel, or a vocabulary. No column is
dropped, since neighbours in space or time must stay neighbours. Features are flat, in C order of `sample_shape`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.preprocessor import Preparation, Step
from evonas.data.preparation_time import check_time
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SamplePreparation", "channel_statistics", "check_channels"]

#: Minimum standard deviation by which a channel is scaled.
_SMALLEST = 1e-8


@dataclass(frozen=True)
class SamplePreparation(Preparation, ABC):
    """The base of the preparations of images, series and texts, without steps, views and named features.

    Attributes:
        kind: "image", "series" or "text", which determines the class when a file is read.
    """

    steps: tuple[Step, ...] = ()
    kind: str = ""

    def __post_init__(self) -> None:
        """Subclasses validate their own fields."""

    @property
    @abstractmethod
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of a sample's features before they are flattened, see `Problem.sample_shape`."""

    @property
    def num_features(self) -> int:
        """The number of features of a sample."""
        return math.prod(self.sample_shape)

    def columns(self) -> tuple[str, ...]:
        """See `Preparation.columns`; empty if samples are an array."""
        return ()

    def feature_names(self) -> tuple[str, ...]:
        """Empty, since there are as many features as pixels."""
        return ()

    def views(self) -> tuple[str, ...]:
        """Empty, since all networks see all features."""
        return ()

    def numeric(self) -> tuple[int, ...]:
        """Empty, since channels are not columns."""
        return ()

    def for_views(self, views: Collection[str]) -> Preparation:
        """The preparation itself."""
        return self

    def features_of_columns(self, views: Collection[str]) -> dict[str, list[int]]:
        """Empty, since samples have no columns; series have channels."""
        return {}

    @abstractmethod
    def describe(self) -> str:
        """A short description of the samples for the user."""

    def summary(self) -> str:
        """The same in the words of `Preparation.summary`."""
        return f"{self.describe()} to learn from"

    @abstractmethod
    def apply(self, frame: pd.DataFrame | NDArray[Any]) -> NDArray[np.float32]:
        """The network input for raw samples, float32, shape `(num_samples, num_features)`."""

    @abstractmethod
    def inputs(self, frame: pd.DataFrame | NDArray[Any]) -> Any:
        """Raw samples as an exported model takes them."""


def channel_statistics(
    samples: NDArray[Any], rows: NDArray[np.intp] | None = None, most: int = 1 << 22
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, ignoring NaN; 0 and 1 for a channel without a value.

    Args:
        samples: samples of shape `(num_samples, ..., channels)`.
        rows: indices of the samples to use, by default all.
        most: maximum number of values per chunk, which avoids a float64 copy of all samples.

    Returns:
        Means and deviations, each of shape `(channels,)`; a deviation of 1 if a channel is constant.
    """
    channels = samples.shape[-1]
    at_once = max(1, most // max(1, math.prod(samples.shape[1:])))
    rows = np.arange(len(samples)) if rows is None else rows
    portions = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
    count, total, squares = (np.zeros(channels) for _ in range(3))
    for part, portion in enumerate(portions):
        check_time("parts of the samples averaged", part, 2 * len(portions))
        values = samples[portion].reshape(-1, channels).astype(np.float64)
        count += np.isfinite(values).sum(axis=0)
        total += np.nansum(values, axis=0)
    mean = total / np.maximum(count, 1)
    for part, portion in enumerate(portions, len(portions)):  # the difference of large sums would lose digits
        check_time("parts of the samples averaged", part, 2 * len(portions))
        squares += np.nansum((samples[portion].reshape(-1, channels).astype(np.float64) - mean) ** 2, axis=0)
    std = np.sqrt(squares / np.maximum(count, 1))
    constant = std <= _SMALLEST * np.maximum(1.0, np.abs(mean))
    return tuple(mean.tolist()), tuple(np.where(constant, 1.0, std).tolist())


def check_channels(what: str, shape: tuple[int, ...], mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Raises InputError unless there are a finite mean and a positive deviation for each channel."""
    fits = len(mean) == len(std) == shape[-1] and all(size > 0 for size in shape) and math.prod(shape) <= 1 << 30
    if not fits or not all(map(math.isfinite, (*mean, *std))) or not all(each > 0 for each in std):
        raise InputError(
            f"{what} of a preparation must have a mean and a positive std for each of its channels, not shape {shape}, "
            f"{len(mean)} means and {len(std)} stds: use the preparation that the run wrote"
        )
