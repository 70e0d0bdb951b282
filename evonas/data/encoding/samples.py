"""`SamplePreparation`: the conversion of samples (images, series, texts) to a network's input.

Where a table has one step for each column, these have one statistic for each channel, or a vocabulary; no column is
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
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SamplePreparation", "channel_statistics", "check_channels"]

#: The least deviation of a channel that is scaled by it.
_SMALLEST = 1e-8


@dataclass(frozen=True)
class SamplePreparation(Preparation, ABC):
    """What the preparations of images, series and texts share: no steps, no views, no named features.

    Attributes:
        kind: "image", "series" or "text", which selects the class when a file is read.
    """

    steps: tuple[Step, ...] = ()
    kind: str = ""

    def __post_init__(self) -> None:
        """Each class checks its own fields."""

    @property
    @abstractmethod
    def sample_shape(self) -> tuple[int, ...]:
        """Of one sample's features before they are flattened, see `Problem.sample_shape`."""

    @property
    def num_features(self) -> int:
        """How many features a sample has."""
        return math.prod(self.sample_shape)

    def columns(self) -> tuple[str, ...]:
        """See `Preparation.columns`; none if samples are an array."""
        return ()

    def feature_names(self) -> tuple[str, ...]:
        """None: there are as many as pixels."""
        return ()

    def views(self) -> tuple[str, ...]:
        """None: all networks see all features."""
        return ()

    def numeric(self) -> tuple[int, ...]:
        """None: channels are not columns."""
        return ()

    def for_views(self, views: Collection[str]) -> Preparation:
        """Itself."""
        return self

    @abstractmethod
    def describe(self) -> str:
        """What samples are, for a person."""

    @abstractmethod
    def apply(self, frame: pd.DataFrame | NDArray[Any]) -> NDArray[np.float32]:
        """Network input of raw samples, float32, shape `(num_samples, num_features)`."""

    @abstractmethod
    def inputs(self, frame: pd.DataFrame | NDArray[Any]) -> Any:
        """Raw samples as an exported model takes them."""


def channel_statistics(
    samples: NDArray[Any], rows: NDArray[np.intp] | None = None, most: int = 1 << 22
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, NaN left out; 0 and 1 of a channel without a value.

    Args:
        samples: shape `(num_samples, ..., channels)`.
        rows: whose statistics they are; all when None.
        most: numbers of a portion, so that no copy in float64 of all samples is made.

    Returns:
        Means and deviations, each of shape `(channels,)`; a deviation of 1 if a channel is constant.
    """
    channels = samples.shape[-1]
    at_once = max(1, most // max(1, math.prod(samples.shape[1:])))
    rows = np.arange(len(samples)) if rows is None else rows
    portions = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
    count, total, squares = (np.zeros(channels) for _ in range(3))
    for portion in portions:
        values = samples[portion].reshape(-1, channels).astype(np.float64)
        count += np.isfinite(values).sum(axis=0)
        total += np.nansum(values, axis=0)
    mean = total / np.maximum(count, 1)
    for portion in portions:  # a second pass: the difference of large sums has few digits
        squares += np.nansum((samples[portion].reshape(-1, channels).astype(np.float64) - mean) ** 2, axis=0)
    std = np.sqrt(squares / np.maximum(count, 1))
    constant = std <= _SMALLEST * np.maximum(1.0, np.abs(mean))
    return tuple(mean.tolist()), tuple(np.where(constant, 1.0, std).tolist())


def check_channels(what: str, shape: tuple[int, ...], mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Raises InputError if there is not one finite mean and one positive deviation for each channel."""
    fits = len(mean) == len(std) == shape[-1] and all(size > 0 for size in shape) and math.prod(shape) <= 1 << 30
    if not fits or not all(map(math.isfinite, (*mean, *std))) or not all(each > 0 for each in std):
        raise InputError(
            f"{what} of a preparation must have a mean and a positive std for each of its channels, not shape {shape}, "
            f"{len(mean)} means and {len(std)} stds: take the preparation that the run wrote"
        )
