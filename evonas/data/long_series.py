"""Series in long form: a table with one row per step; rows with the same id are one sample. Imports pandas lazily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.arrays import check_column
from evonas.data.cells import kind_of, texts
from evonas.data.keys import keys_of, numbers_of
from evonas.data.read_options import Style
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["long_series", "number_columns"]


def number_columns(frame: pd.DataFrame, names: Sequence[str], style: Style) -> NDArray[np.float64]:
    """Returns numeric columns as an array of shape `(num_rows, len(names))`, NaN where a cell is empty.

    Raises:
        InputError: a column is missing or not numeric.
    """
    for name in names:
        check_column(frame, name, "series")
        if kind_of(frame[name]) == "date":
            raise InputError(f"column {name!r} must hold numbers to be part of a series, not dates: drop it")
    return np.stack([numbers_of(frame[name], style) for name in names], axis=1)


def long_series(
    frame: pd.DataFrame,
    id_column: str,
    time_column: str,
    channels: Sequence[str],
    constant: Sequence[str],
    style: Style,
) -> tuple[NDArray[np.float64], NDArray[np.intp], pd.DataFrame]:
    """Groups rows into one sample per id, in order of first appearance, with steps sorted by time.

    Args:
        frame: one row per step, shape `(num_rows, num_columns)`.
        id_column: column that identifies the sample of a row.
        time_column: column by which steps are sorted; "" keeps the order of the rows.
        channels: numeric columns.
        constant: columns with one value per id: targets, groups, weights.
        style: notation of numbers.

    Returns:
        The series, `(num_samples, steps, channels)`, with NaN after the last step of shorter ones; their numbers of
        rows, `(num_samples,)`; and the constant columns, one row per sample.

    Raises:
        InputError: an id is missing, a constant column has several values for one id, a time is missing or repeated, or
            a channel is not numeric.
    """
    import pandas as pd

    for what, name in (("series id", id_column), ("time", time_column)):
        if name:
            check_column(frame, name, what)
    ids = texts(frame[id_column])
    if any(cell is None for cell in ids):
        row = next(row for row, cell in enumerate(ids) if cell is None)
        raise InputError(f"the series id {id_column!r} must be in every row, but data row {row + 1} has none: add it")
    codes, names = pd.factorize(ids)
    instants = np.arange(len(frame), dtype=np.float64)
    if time_column:
        instants = np.asarray(keys_of(frame, "", time_column, None, style), np.float64)
        if np.isnan(instants).any():
            row = int(np.isnan(instants).argmax())
            raise InputError(f"the time column {time_column!r} must be in every row, but data row {row + 1} has none")
    order = np.lexsort((instants, codes))
    sample, at = codes[order], instants[order]
    twice = np.flatnonzero((sample[1:] == sample[:-1]) & (at[1:] == at[:-1]))
    if twice.size:
        row = int(order[twice[0] + 1])
        raise InputError(
            f"the time column {time_column!r} must differ between rows of one series, but {names[sample[twice[0]]]!r} "
            f"has one time twice (data row {row + 1}): leave one out"
        )
    first = np.searchsorted(sample, np.arange(len(names)))
    lengths = np.bincount(sample)
    values = np.full((len(names), int(lengths.max()), len(channels)), np.nan)
    values[sample, np.arange(len(sample)) - first[sample]] = number_columns(frame, channels, style)[order]
    for name in constant:
        _check_constant(frame[name], codes, names, order[first], id_column)
    return values, lengths, frame.iloc[order[first]][list(constant)].reset_index(drop=True)


def _check_constant(column: pd.Series[Any], codes: Any, names: Any, firsts: Any, id_column: str) -> None:
    cells = texts(column)
    differs = np.flatnonzero(cells != cells[firsts][codes])
    if differs.size:
        row = int(differs[0])
        raise InputError(
            f"column {str(column.name)!r} must have one value for each {id_column!r}, but {names[codes[row]]!r} has "
            f"{cells[firsts][codes[row]]!r:.40} and {cells[row]!r:.40} (data row {row + 1}): correct it, or cut the "
            "series into windows with one value each"
        )
