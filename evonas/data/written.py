"""Text columns that hold numbers or dates: detected on some rows, converted in all rows. Imports pandas lazily."""

from __future__ import annotations

import numbers as kinds
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import FLAGS, is_packed, kind_of, row_number, texts, unusable
from evonas.data.dates import FORMATS, find_format, instants, is_date
from evonas.data.notation import ABSENT, PLAIN, Notation, find_notation, is_number_like, uses_decimal_commas
from evonas.data.read_options import Style
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Written", "convert_column", "convert_text_columns", "detect_notation"]


#: Number of cells that are examined first.
_SAMPLE = 64


@dataclass(frozen=True)
class Written:
    """How the cells of a text column are converted.

    Attributes:
        column: name of the column.
        notation: notation of its numbers; None for dates.
        dates: format of its dates in addition to those with the year first, one of `evonas.data.dates.FORMATS`, or "".
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    column: str
    notation: Notation | None = None
    dates: str = ""

    def __post_init__(self) -> None:
        if self.dates not in ("", *FORMATS):
            raise InputError(
                f"format of the dates of {self.column!r} must be one of {', '.join(FORMATS)}, not {self.dates!r:.40}: "
                "use the preparation that the run wrote"
            )


def detect_notation(series: pd.Series[Any], style: Style, role: str | None = None) -> Written | None:
    """Detects numbers or dates in a text column; None if it holds neither, or is not text.

    Args:
        series: the deciding cells.
        style: further knowledge about the notation.
        role: role given by the user.
    """
    if role in ("categorical", "text", "boolean") or not _is_text(series, role):
        return None
    if role is None and not _may_be(texts(series.iloc[:_SAMPLE])):
        return None
    cells = texts(series)
    if role != "date":
        notation = find_notation(cells, style, role == "numeric")
        if notation is not None:
            return Written(str(series.name), notation)
    if role == "numeric" or (role is None and {cell for cell in cells if cell is not None} <= set(FLAGS)):
        return None
    format = find_format(cells, style.date_order, role == "date")
    return None if format is None else Written(str(series.name), dates=format)


def _may_be(sample: NDArray[np.object_]) -> bool:
    """Whether these cells may be numbers or dates; a few cells rule out most text columns."""
    cells = [cell for cell in sample if cell is not None]
    if all(is_number_like(cell) for cell in cells):
        return True
    return any(all(is_date(cell, format) for cell in cells) for format in ("", *FORMATS))


def _is_text(series: pd.Series[Any], role: str | None) -> bool:
    import pandas as pd

    if is_packed(series):
        return True
    if isinstance(series.dtype, pd.CategoricalDtype):
        return role is not None
    if role == "date" and pd.api.types.is_integer_dtype(series):
        return True  # 20201231
    if series.dtype != object:
        return bool(pd.api.types.is_string_dtype(series))
    return pd.api.types.infer_dtype(series, skipna=True) in ("string", "mixed", "mixed-integer", "empty")


def convert_column(
    series: pd.Series[Any], written: Written, lenient: NDArray[np.bool_] | None = None
) -> pd.Series[Any]:
    """Converts a column to numbers or dates; cells that are not text stay unchanged.

    Args:
        series: the column.
        written: how to convert it.
        lenient: rows whose cells become missing if they cannot be converted, shape `(num_samples,)`; None for no rows.

    Raises:
        InputError: a cell is not such a number.
    """
    import pandas as pd

    if _is_read(series) and not (written.dates == "Ymd" and pd.api.types.is_numeric_dtype(series)):
        return series
    if written.notation is None:
        stamps = instants(texts(series).tolist(), written.dates)
        missing = np.isnan(stamps)
        micros = np.round(np.where(missing, 0, stamps) * 1e6).astype("datetime64[us]")
        micros[missing] = np.datetime64("NaT")
        return pd.Series(micros, index=series.index, name=series.name)
    values = np.full(len(series), np.nan)
    known: dict[Any, float] = {}
    cells = texts(series)
    raw = None if is_packed(series) else series.astype(object).to_numpy()
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        if raw is not None and isinstance(raw[row], kinds.Real):
            values[row] = float(raw[row])
            continue
        if cell not in known:
            try:
                known[cell] = written.notation.number(cell)
            except ValueError:
                if lenient is None or not lenient[row]:
                    wanted = "numbers" if written.notation == PLAIN else written.notation.words(_example(cells, cell))
                    raise InputError(unusable(series, row, cell, wanted)) from None
                known[cell] = np.nan
        values[row] = known[cell]
    return pd.Series(values, index=series.index, name=series.name)


def _example(cells: NDArray[np.object_], wrong: str) -> str:
    return next((cell for cell in cells if cell is not None and cell != wrong), wrong)


def _is_read(series: pd.Series[Any]) -> bool:
    """Whether the column's type is already numeric, boolean or a date."""
    import pandas as pd

    types = pd.api.types
    return bool(types.is_numeric_dtype(series) or types.is_datetime64_any_dtype(series))


def convert_text_columns(
    frame: pd.DataFrame, known: NDArray[np.intp], style: Style, roles: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, tuple[Written, ...], tuple[str, ...]]:
    """Converts the text columns of a table that hold numbers or dates.

    Args:
        frame: the table.
        known: indices of the rows that determine the kind of a column.
        style: further knowledge about the notation.
        roles: roles given by the user.

    Returns:
        The table, how columns were converted, and notes for the user.
    """
    roles = roles or {}
    deciding = {str(name): frame[name].iloc[known] for name in frame.columns}
    found = {name: detect_notation(series, style, roles.get(name)) for name, series in deciding.items()}
    numeric = [name for name, written in found.items() if written is not None and written.notation is not None]
    if not style.comma and not style.decimal and any(uses_decimal_commas(texts(deciding[name])) for name in numeric):
        style = replace(style, comma=True)
        found |= {name: detect_notation(deciding[name], style, roles.get(name)) for name in numeric}
    outside = np.ones(len(frame), dtype=bool)
    outside[known] = False
    columns: dict[str, Any] = {}
    notes: list[str] = []
    for name, written in found.items():
        written = written or _detect_mixed(frame[name], deciding[name])
        if written is None:
            continue
        found[name] = written
        columns[name] = convert_column(frame[name], written, outside)
        notes += _notes(frame[name], deciding[name], columns[name], written, style, roles.get(name))
    if not columns:
        return frame, (), ()
    import pandas as pd

    frame = pd.DataFrame({name: columns.get(name, frame[name]) for name in frame.columns}, copy=False)
    return frame, tuple(written for written in found.values() if written is not None), tuple(notes)


def _detect_mixed(series: pd.Series[Any], deciding: pd.Series[Any]) -> Written | None:
    """Detects a column whose deciding rows hold numbers while others also hold text."""
    if series.dtype != object or len(series) == len(deciding) or kind_of(deciding) != "number":
        return None
    return None if kind_of(series) == "number" else Written(str(series.name), PLAIN)


def _notes(
    series: pd.Series[Any],
    deciding: pd.Series[Any],
    read: pd.Series[Any],
    written: Written,
    style: Style,
    role: str | None,
) -> list[str]:
    name = written.column
    cells = texts(series)
    lost = [row for row, cell in enumerate(cells) if cell is not None and read.isna().iloc[row]]
    notes = []
    example = next((cell for cell in texts(deciding) if cell is not None and cell not in ABSENT), "")
    if written.notation is not None:
        other = role is None and not (style.in_file and written.notation == PLAIN)
        if other or written.notation != PLAIN:
            fix = "" if role else f"; --categorical {name} (roles) if they are names"
            notes.append(f"column {name!r} is read as {written.notation.words(example)}{fix}")
    elif written.dates:
        notes.append(f"column {name!r} is read as dates, {_describe_format(written.dates)}, such as {example!r:.40}")
    if lost:
        shown = ", ".join(dict.fromkeys(repr(cells[row]) for row in lost[:3]))
        what = "number" if written.notation is not None else "valid date"
        count = f"{len(lost)} cells" if len(lost) > 1 else "a cell"
        notes.append(
            f"column {name!r} holds {count} that {'are' if len(lost) > 1 else 'is'} not a {what} (data row "
            f"{row_number(series, lost[0])}: {shown}): read as missing"
        )
    return notes


def _describe_format(format: str) -> str:
    order = "".join(letter for letter in format if letter.isalpha()).lower()
    descriptions = {"dmy": "day first", "mdy": "month first (--date-order dmy for day first)"}
    return descriptions.get(order, "such as 31DEC2000" if "b" in order else "year first")
