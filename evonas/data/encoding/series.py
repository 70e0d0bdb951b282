"""`SeriesPreparation`: standardises the channels of series, imputes gaps, and pads and masks shorter series."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.preprocessor import FURTHEST
from evonas.data.encoding.samples import SamplePreparation, channel_statistics, check_channels
from evonas.data.series import as_series, pad_series, steps_present, with_last_steps
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SeriesPreparation", "fit_series"]


@dataclass(frozen=True)
class SeriesPreparation(SamplePreparation):
    """The conversion of raw series to `(value - mean) / std`; missing values are imputed with the channel's mean.

    If samples have different lengths, the steps after the last one with a value are padding, which is 0 in all
    channels; an additional last channel is 1 for steps of the series and 0 for padding. A table in long form determines
    the lengths by its rows.

    Attributes:
        shape: shape of a raw series, (steps, channels); shorter ones are padded with NaN at the end.
        mean, std: statistics of each channel over the values of the training series.
        masked: whether samples have different lengths.
        names: columns of the table that holds the series: its steps or, in long form, its channels.
        series_id, time_column: columns of a table in long form, see `evonas.data.long_series`; else "".
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    kind: Literal["series"] = "series"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    masked: bool = False
    names: tuple[str, ...] = ()
    series_id: str = ""
    time_column: str = ""

    def __post_init__(self) -> None:
        if len(self.shape) != 2:
            raise InputError(
                f"shape of series must be steps and channels, not {self.shape}: use the preparation that the run wrote"
            )
        check_channels("series", self.shape, self.mean, self.std)
        if self.names and len(self.names) != (self.shape[1] if self.series_id else math.prod(self.shape)):
            raise InputError(
                f"names of the columns of series must be one for each of {self.shape}, not {len(self.names)}: take the "
                "preparation that the run wrote"
            )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """See `SamplePreparation.sample_shape`."""
        return (self.shape[0], self.shape[1] + self.masked)

    def columns(self) -> tuple[str, ...]:
        """See `Preparation.columns`."""
        return (*(name for name in (self.series_id, self.time_column) if name), *self.names)

    def describe(self) -> str:
        """See `SamplePreparation.describe`."""
        steps, channels = self.shape
        most = "up to " if self.masked else ""
        return f"series of {most}{steps} steps, {channels} channel{'s' * (channels != 1)}"

    def apply(self, frame: pd.DataFrame | NDArray[Any]) -> NDArray[np.float32]:
        """The network input for raw series.

        Args:
            frame: series `(num_samples, steps, channels)`, or flattened; a list of arrays `(steps, channels)`; or a
                table with the columns.

        Raises:
            InputError: the series have another shape, or infinite values.
        """
        series = self.inputs(frame)
        missing = np.isnan(series)
        centred = np.where(missing, np.float32(0), series) - np.array(self.mean, np.float32)
        scaled = np.where(missing, np.float32(0), centred / np.array(self.std, np.float32))
        features: NDArray[np.float32] = np.clip(scaled, -FURTHEST, FURTHEST).astype(np.float32)
        if self.masked:
            present = steps_present(series)[..., None].astype(np.float32)
            features = np.concatenate([features * present, present], axis=-1)
        return features.reshape(len(features), self.num_features)

    def inputs(self, frame: pd.DataFrame | NDArray[Any]) -> NDArray[np.float32]:
        """Raw series as an exported model takes them, float32 with NaN, `(num_samples, steps, channels)`."""
        steps, channels = self.shape
        series = as_series(self._read(frame), "series", channels)
        if series.shape[1:] == (math.prod(self.shape), 1) and channels != 1:
            series = series.reshape(len(series), steps, channels)
        if series.shape[2] != channels or series.shape[1] > steps or (series.shape[1] < steps and not self.masked):
            most = "at most " if self.masked else ""
            raise InputError(
                f"series must have {most}{steps} steps and {channels} channels, as those of the search, not the shape "
                f"{series.shape[1:]}: cut or resample them"
            )
        if series.shape[1] < steps:
            series = pad_series(series, steps)
        return series.astype(np.float32, copy=False)

    def features_of_columns(self, views: Collection[str]) -> dict[str, list[int]]:
        """Channel -> indices of its features; empty if there is one channel."""
        if self.shape[1] < 2:
            return {}
        steps, width = self.sample_shape
        names = self.names or tuple(f"channel {index}" for index in range(1, self.shape[1] + 1))
        return {name: [step * width + index for step in range(steps)] for index, name in enumerate(names)}

    def _read(self, frame: Any) -> Any:
        """The series in a table; other values are returned unchanged."""
        if not hasattr(frame, "columns") or not self.names:
            return frame
        from evonas.data.arrays import named_columns
        from evonas.data.long_series import number_columns
        from evonas.data.read_options import Style

        table = named_columns(frame)
        return self.read_long(table, ())[0] if self.series_id else number_columns(table, self.names, Style())

    def read_long(self, table: pd.DataFrame, constant: Sequence[str]) -> tuple[NDArray[np.float64], pd.DataFrame]:
        """The series of a table in long form, as `apply` takes them, and constant columns, with one row per series.

        Raises:
            InputError: see `evonas.data.long_series.long_series`.
        """
        from evonas.data.long_series import long_series
        from evonas.data.read_options import Style

        given = self.series_id, self.time_column, self.names, constant, Style()
        values, lengths, kept = long_series(table, *given)
        return (with_last_steps(values, lengths, self.mean) if self.masked else values), kept


def fit_series(series: NDArray[Any], masked: bool, rows: NDArray[np.intp] | None = None) -> SeriesPreparation:
    """Fits the mean and deviation of each channel on training series `(num_samples, steps, channels)`, ignoring NaN.

    `rows` selects the series, by default all.
    """
    mean, std = channel_statistics(series, rows)
    return SeriesPreparation(shape=tuple(series.shape[1:]), mean=mean, std=std, masked=masked)
