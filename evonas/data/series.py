"""Series as one array of numbers: conversion, padding of shorter ones with NaN, their lengths and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.io.disk_arrays import portions
from genomes.errors import InputError

__all__ = ["Extent", "as_series", "extent_of", "pad_series", "steps_present", "with_last_steps"]


@dataclass(frozen=True, eq=False)
class Extent:
    """How long series are, and what is missing in them.

    Attributes:
        lengths: number of steps of each series, shape `(num_samples,)`; 0 for an array's series without any value.
        valued: the same up to the last step with a value.
        gaps: number of missing values in these steps; in all steps if all series have one length.
    """

    lengths: NDArray[np.intp]
    valued: NDArray[np.intp]
    gaps: int

    @property
    def known(self) -> NDArray[np.intp]:
        """The lengths without those of 0."""
        return self.lengths[self.lengths > 0]

    @property
    def differs(self) -> bool:
        """Whether series have different lengths; those without any value do not count."""
        return len(np.unique(self.known)) > 1


def steps_present(series: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each step or a later one has a value, shape `(num_samples, steps)`."""
    valued = ~np.isnan(series).all(axis=-1)
    return np.logical_or.accumulate(valued[:, ::-1], axis=1)[:, ::-1]


def extent_of(series: NDArray[Any], lengths: NDArray[np.intp] | None = None) -> Extent:
    """The extent of series.

    Args:
        series: shape `(num_samples, steps, channels)`, with NaN for padding and missing values.
        lengths: number of steps of each series, shape `(num_samples,)`, if it is known, as from the rows of a file;
            by default, a series ends at its last value.
    """
    ends, missing = [], 0
    for part in portions(series):
        ends.append(steps_present(series[part]).sum(axis=1))
        missing += int(np.isnan(series[part]).sum())
    valued = np.concatenate(ends)
    found = Extent(valued if lengths is None else lengths, valued, missing)
    if not found.differs:
        return found
    padding = int((series.shape[1] - found.lengths).sum()) * series.shape[2]
    return Extent(found.lengths, valued, missing - padding)


def with_last_steps(series: NDArray[Any], lengths: NDArray[np.intp], mean: Sequence[float]) -> NDArray[Any]:
    """Series of different lengths whose last steps have values: the channels' mean, where there is none.

    Otherwise, steps without a value at the end of a series would be taken as padding. All others are unchanged.

    >>> with_last_steps(np.array([[[1.0], [np.nan], [np.nan]]]), np.array([2]), (5.0,)).ravel().tolist()
    [1.0, 5.0, nan]
    """
    rows = np.flatnonzero(lengths)
    rows = rows[np.isnan(series[rows, lengths[rows] - 1]).all(axis=-1)]
    if not rows.size:
        return series
    found = series.copy()
    found[rows, lengths[rows] - 1] = mean
    return found


def pad_series(series: NDArray[Any], steps: int) -> NDArray[Any]:
    """Pads series with NaN at the end to the given number of steps."""
    found = np.full((len(series), steps, *series.shape[2:]), np.nan, np.result_type(series.dtype, np.float32))
    found[:, : series.shape[1]] = series
    return found


def as_series(x: Any, what: str, channels: int | None = None) -> NDArray[Any]:
    """Converts series to one array of numbers, shape `(num_samples, steps, channels)`; shorter ones are padded with
    NaN.

    Args:
        x: an array of two (for one channel) or three dimensions, or one array for each sample.
        what: name of `x` in error messages.
        channels: number of channels, if known.

    Raises:
        InputError: the values are not numbers or are infinite, or samples have different numbers of channels.
    """
    try:
        array = np.asarray(x)
    except ValueError:  # samples have different lengths
        array = np.empty(0, object)
    if array.dtype == object and not _holds_cells(array):
        return _from_list(x, what)
    try:
        array = array.astype(np.float64) if array.dtype.kind not in "iufb" else array
    except (TypeError, ValueError):
        raise InputError(
            f"{what} must be series of numbers, not of {array.dtype}: leave out what is not a number"
        ) from None
    if array.ndim not in (2, 3) or not array.size:
        raise InputError(
            f"{what} must have shape (num_samples, steps) or (num_samples, steps, channels), not {array.shape}: "
            "reshape it"
        )
    if array.ndim == 2:
        several = channels or 1
        split = several > 1 and array.shape[1] % several == 0
        array = array.reshape(len(array), -1, several) if split else array[:, :, None]
    if array.dtype.kind == "f" and any(np.isinf(array[part]).any() for part in portions(array)):
        raise InputError(f"{what} must hold finite numbers or NaN, but one is infinite: leave it out or correct it")
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def _holds_cells(array: NDArray[Any]) -> bool:
    return array.size > 0 and not any(isinstance(cell, (list, tuple, np.ndarray)) for cell in array.flat)


def _from_list(x: Any, what: str) -> NDArray[Any]:
    parts: list[NDArray[Any]] = []
    for row, sample in enumerate(x):
        try:
            part = np.asarray(sample, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{what}[{row}] must be a series of numbers, not {sample!r:.40}: correct it") from None
        part = part[:, None] if part.ndim == 1 else part
        if part.ndim != 2 or not part.size or (parts and part.shape[1] != parts[0].shape[1]):
            wanted = f"(steps, {parts[0].shape[1]})" if parts else "(steps,) or (steps, channels)"
            raise InputError(
                f"{what}[{row}] must have shape {wanted}, with at least one step, not {part.shape}: correct it"
            )
        parts.append(part)
    if not parts:
        raise InputError(f"{what} must hold at least one series, not none: pass some")
    return as_series(np.concatenate([pad_series(part[None], max(map(len, parts))) for part in parts]), what)
