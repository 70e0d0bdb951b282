"""Columns that are not features: keys by which rows are split, and weights. Imports pandas inside functions only."""

from __future__ import annotations

import re
from collections import Counter
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
            example = _odd_one([cell for cell in texts(series) if cell is not None])
            raise InputError(
                f"the time column {time_column!r} must hold dates of one form, such as 2020-12-31, 31.12.2020 "
                f"or 12/31/2020, or numbers, not text such as {example!r:.40}: correct it, or name another column"
            )
        return seconds(series) if kind_of(series) == "date" else numbers(series)
    if group:
        places: dict[Any, int] = {}
        return np.array([places.setdefault(cell, len(places)) for cell in texts(frame[group])], dtype=np.intp)
    return None


def _odd_one(cells: list[str]) -> str:
    """A cell that is written unlike the others: no number among numbers, or else of another form than most."""
    others = [cell for cell in cells if not _is_number(cell)] or cells
    forms = [re.sub(r"\d+", "0", cell) for cell in others]
    usual = Counter(forms).most_common(1)[0][0] if forms else ""
    return next((cell for cell, form in zip(others, forms, strict=True) if form != usual), others[0] if others else "")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
