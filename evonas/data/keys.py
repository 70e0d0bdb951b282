"""Columns that are not features: keys by which rows are split, and weights. Imports pandas inside functions only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import kind_of, numbers, seconds, texts
from evonas.data.read_options import Style
from evonas.data.written import convert_column, detect_notation
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["keys_of", "numbers_of"]


def numbers_of(series: pd.Series[Any], style: Style) -> NDArray[np.float64]:
    """The numbers of a column, in any notation."""
    written = detect_notation(series, style, "numeric")
    return numbers(series if written is None else convert_column(series, written))


def keys_of(frame: pd.DataFrame, group: str, time_column: str, folds: int | None, style: Style) -> NDArray[Any] | None:
    """The key by which each training row is assigned to a part: the index of its group, or its time."""
    if group and time_column:
        raise InputError("rows must be split by group or by time, not by both: leave one of the two out")
    if time_column:
        if folds is not None:
            raise InputError(
                "folds must not be given with a time column: they would train on later rows; leave one out"
            )
        series = frame[time_column]
        if (written := detect_notation(series, style)) is not None:
            series = convert_column(series, written)
        if kind_of(series) == "text":
            example = next((cell for cell in texts(series) if cell is not None), "")
            raise InputError(
                f"the time column {time_column!r} must hold dates of one form, such as 2020-12-31, 31.12.2020 "
                f"or 12/31/2020, or numbers, not text such as {example!r:.40}: correct it, or name another column"
            )
        return seconds(series) if kind_of(series) == "date" else numbers(series)
    if group:
        places: dict[Any, int] = {}
        return np.array([places.setdefault(cell, len(places)) for cell in texts(frame[group])], dtype=np.intp)
    return None
