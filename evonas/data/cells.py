"""Conversion of the cells of a column to text, numbers or dates, whatever their pandas type.

Defines the meaning of cells, so that the same cell has the same text and number whether it comes from a file, a
DataFrame or an array, in training and in exported models. Imports pandas inside functions only.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.dates import instants, is_date
from evonas.data.notation import PLAIN
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FLAGS",
    "as_text",
    "date_parts",
    "date_texts",
    "flags",
    "is_packed",
    "is_utf8",
    "kind_of",
    "numbers",
    "row_number",
    "seconds",
    "texts",
    "unusable",
]

Numbers = NDArray[np.float64]
Texts = NDArray[np.object_]

#: Lower-case texts that mean yes or no.
FLAGS = dict.fromkeys(("true", "yes", "y", "t", "on", "1"), 1.0) | dict.fromkeys(
    ("false", "no", "n", "f", "off", "0"), 0.0
)
#: Magnitude beyond which float32 arithmetic on a column overflows.
LARGEST_NUMBER = 1e30

_KINDS = {
    "boolean": "boolean",
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "datetime": "date",
    "datetime64": "date",
    "date": "date",
}


def kind_of(series: pd.Series[Any]) -> str:
    """The kind of the cells: "number", "boolean", "date" or "text" (also for a column without any value)."""
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        return "text"
    if is_packed(series):
        return "date" if _holds_dates(series) else "text"
    if pd.api.types.is_bool_dtype(series):
        return "boolean"
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_complex_dtype(series):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(series):
        return "date"
    kind = _KINDS.get(pd.api.types.infer_dtype(series, skipna=True), "text")
    return "date" if kind == "text" and _holds_dates(series) else kind


def is_packed(series: pd.Series[Any]) -> bool:
    """Whether the column is text packed by `read_table`; does not import pandas."""
    return str(series.dtype) == "packed texts"


def _holds_dates(series: pd.Series[Any]) -> bool:
    present = [cell for cell in texts(series) if cell is not None]
    return bool(present) and all(is_date(cell) for cell in present) and not np.isnan(seconds(series)).all()


def as_text(cell: Any) -> str:
    """A non-missing cell as text, which is the same for equal integers and floats.

    Raises:
        TypeError: the value is not a cell, for example a list.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell))
    if isinstance(cell, (int, np.integer)):
        return str(int(cell))
    if isinstance(cell, (float, np.floating, decimal.Decimal)):
        value = float(cell)
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(cell, (datetime.date, datetime.time, datetime.timedelta, np.generic, uuid.UUID)):
        return str(cell)
    raise TypeError(type(cell).__name__)


def is_utf8(text: str) -> bool:
    """Whether a text can be encoded as UTF-8; unpaired surrogates, which JSON and file names may contain, cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def texts(series: pd.Series[Any]) -> Texts:
    """The cells as text, None if missing or empty, shape `(num_samples,)`.

    Leading and trailing space is removed, as in files.

    Raises:
        InputError: a cell is not a plain value (for example a list), or is text that cannot be encoded as UTF-8.
    """
    if is_packed(series):
        array: Any = series.array
        return np.asarray(array.texts())
    missing = series.isna().to_numpy()
    known: dict[Any, str] = {}
    result = np.full(len(series), None, dtype=object)
    for row, cell in enumerate(series.astype(object).to_numpy()):
        if missing[row]:
            continue
        try:
            key = (type(cell), cell)
            if key not in known:
                text = as_text(cell).strip()
                if not is_utf8(text):
                    raise InputError(unusable(series, row, cell, "text encodable as UTF-8"))
                known[key] = text
        except TypeError:
            raise InputError(unusable(series, row, cell, "text, numbers, booleans or dates")) from None
        result[row] = known[key] or None
    return result


def numbers(series: pd.Series[Any]) -> Numbers:
    """The cells as numbers, NaN if missing, shape `(num_samples,)`.

    Raises:
        InputError: a cell is neither missing nor a finite number of at most `LARGEST_NUMBER` in magnitude.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_complex_dtype(series):
        result = series.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        result = np.full(len(series), np.nan)
        for row, cell in enumerate(texts(series)):
            if cell is not None:
                try:
                    result[row] = PLAIN.number(cell)
                except ValueError:
                    raise InputError(unusable(series, row, cell, "numbers")) from None
    wrong = np.flatnonzero(np.abs(result) > LARGEST_NUMBER)
    if wrong.size:
        wanted = f"finite numbers up to {LARGEST_NUMBER:g} in magnitude"
        raise InputError(unusable(series, int(wrong[0]), float(result[wrong[0]]), wanted))
    return result


def flags(series: pd.Series[Any]) -> Numbers:
    """The cells as 0 and 1 (including yes, no, true, false, ... in any case), NaN if missing.

    Raises:
        InputError: a cell is neither missing, a number nor such a word.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series):
        return numbers(series)
    result = np.full(len(series), np.nan)
    for row, cell in enumerate(texts(series)):
        if cell is None:
            continue
        if cell.lower() not in FLAGS:
            raise InputError(unusable(series, row, cell, "yes or no, true or false"))
        result[row] = FLAGS[cell.lower()]
    return result


def seconds(series: pd.Series[Any]) -> Numbers:
    """The cells as seconds since 1970-01-01 UTC, NaN if missing or not a date."""
    import pandas as pd

    if not pd.api.types.is_datetime64_any_dtype(series):
        if not is_packed(series) and pd.api.types.infer_dtype(series, skipna=True) in (
            "datetime",
            "datetime64",
            "date",
        ):
            series = pd.Series(pd.to_datetime(series.astype(object), utc=True, errors="coerce"))
        else:
            return instants(texts(series).tolist())
    if series.dt.tz is not None:
        series = series.dt.tz_convert("UTC")
    stamps = series.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    result: Numbers = stamps.astype(np.int64) / 1e6
    result[np.isnat(stamps)] = np.nan
    return result


def date_parts(stamps: Numbers) -> dict[str, Numbers]:
    """Days since 1970, month 1-12, weekday 0-6 (Monday is 0) and hour 0-24 of seconds since 1970; NaN stays NaN."""
    days = np.floor(stamps / 86400)
    missing = np.isnan(days)
    months = np.where(missing, 0, days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1.0
    months[missing] = np.nan
    return {
        "days": stamps / 86400,
        "month": months,
        "weekday": (days + 3) % 7,  # 1970-01-01 was a Thursday
        "hour": (stamps - days * 86400) / 3600,
    }


def date_texts(stamps: Numbers) -> Texts:
    """Seconds since 1970 as "2000-12-31 23:59:59", NaN as "", shape `(num_samples,)`."""
    missing = np.isnan(stamps)
    cells = np.where(missing, 0, stamps).astype("datetime64[s]").astype(str)
    return np.array(
        ["" if empty else cell.replace("T", " ") for cell, empty in zip(cells, missing, strict=True)], dtype=object
    )


def unusable(series: pd.Series[Any], row: int, cell: Any, wanted: str) -> str:
    """The error message for a cell that cannot be read as wanted."""
    return (
        f"column {str(series.name)!r} must hold {wanted}, not {cell!r:.60} (data row {row_number(series, row)}): "
        "correct the cell, or leave out the row or the column"
    )


def row_number(series: pd.Series[Any], row: int) -> int:
    """The number of a row in the column's table, counted from 1."""
    label = series.index[row]
    return int(label) + 1 if isinstance(label, (int, np.integer)) else row + 1
