"""Dates as text: known formats, detection of a column's format, and parsing of its cells. Does not import pandas.

Every column of dates accepts the year first, "2000-12-31" or "2000/12/31". A column may have one more format, written
as in `strftime`: "d.m.Y", "m/d/y", "dbY" (31DEC2000). A time may follow, with seconds, fractions, AM or PM, or a zone.
Invalid dates and times (30 February, 25 o'clock) are missing. `evonas.training.export.dates` parses the same cells with
Keras layers; both follow `grammar`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["BASE", "FORMATS", "MONTHS", "alternatives", "find_format", "instants", "is_date", "pattern_of"]

#: English month abbreviations, independent of the process's locale.
MONTHS = {
    name: k
    for k, name in enumerate(
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], start=1
    )
}
#: Formats that every column of dates accepts.
BASE = ("Y-m-d", "Y/m/d")
_SEPARATED = tuple(s.join(order) for order in ("dmY", "mdY", "dmy", "mdy") for s in "/.-")
_NAMED = ("dbY", "dby", *(s.join(order) for order in ("dbY", "dby") for s in "- /"))
#: Additional formats, at most one of which a column has.
FORMATS = (*_SEPARATED, "Y.m.d", "Ymd", *_NAMED)
#: Ways to write each part: "0" for a digit, "a" for a letter.
_PARTS = {"Y": ("0000",), "y": ("00",), "m": ("00", "0"), "d": ("00", "0"), "b": ("aaa",)}
_COMPACT = {"m": ("00",), "d": ("00",)}
#: Two-digit years up to this one belong to this century.
PIVOT = 68
#: Share of cells with another order that a column of dates may have, as mistakes.
_MISTAKES = 0.1


def alternatives(format: str) -> list[tuple[str, list[tuple[str, int, int]]]]:
    """All shapes of dates in a format, each with the start and end of every part.

    In a shape, "0" stands for a digit and "a" for a letter of a month's name.
    """
    letters = list(format)
    ways = [
        [(letter, way) for way in (_COMPACT.get(letter, _PARTS[letter]) if format == "Ymd" else _PARTS[letter])]
        if letter.isalpha()
        else [("", letter)]
        for letter in letters
    ]
    found = []
    for chosen in itertools.product(*ways):
        shape, parts = "", []
        for letter, way in chosen:
            if letter:
                parts.append((letter, len(shape), len(shape) + len(way)))
            shape += way
        found.append((shape, parts))
    return found


@cache
def pattern_of(formats: tuple[str, ...]) -> re.Pattern[str]:
    """The pattern of a cell in these formats; groups are named by the part and the index of the format."""
    dates = []
    for index, format in enumerate(formats):
        pieces = {letter: rf"(?P<{letter}{index}>{_piece(letter, format)})" for letter in "Yymdb"}
        dates.append("".join(pieces[letter] if letter.isalpha() else re.escape(letter) for letter in format))
    time = (
        r"(?:[ T:](?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?P<fraction>\.[0-9]{1,9})?)?"
        r"(?: ?(?P<half>[AP]M)|(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
    )
    return re.compile(rf"(?:{'|'.join(dates)}){time}", re.IGNORECASE | re.ASCII)


def _piece(letter: str, format: str) -> str:
    if letter == "b":
        return "[A-Z]{3}"
    ways = _PARTS[letter]
    if format == "Ymd":
        return f"[0-9]{{{len(ways[0])}}}"
    return f"[0-9]{{{len(ways[-1])},{len(ways[0])}}}"


def instants(cells: Sequence[str | None], format: str = "") -> NDArray[np.float64]:
    """Seconds since 1970-01-01 UTC, NaN if a cell is missing or not a date, shape `(num_samples,)`.

    Args:
        cells: text without leading and trailing space.
        format: format of the column, or "" if years come first.
    """
    known: dict[str | None, float] = {None: np.nan}
    pattern, formats = pattern_of(_formats(format)), _formats(format)
    result = np.empty(len(cells))
    for row, cell in enumerate(cells):
        value = known.get(cell)
        if value is None:
            assert cell is not None
            value = known[cell] = _instant(cell, pattern, formats)
        result[row] = value
    return result


def _formats(format: str) -> tuple[str, ...]:
    return (*BASE, format) if format else BASE


def is_date(cell: str, format: str = "") -> bool:
    """Whether the cell looks like a date in the column's format or with the year first; it may not exist in the
    calendar.
    """
    return pattern_of(_formats(format)).fullmatch(cell) is not None


def _instant(cell: str, pattern: re.Pattern[str], formats: tuple[str, ...]) -> float:
    found = pattern.fullmatch(cell)
    if found is None:
        return np.nan
    fields = found.groupdict()
    index = next(index for index, each in enumerate(formats) if fields[f"d{index}"] is not None)
    year = _year(fields, index)
    name = fields.get(f"b{index}")
    month = MONTHS.get(name.upper(), 0) if name else int(fields[f"m{index}"])
    day = int(fields[f"d{index}"])
    hour, minute, second = (int(fields[part] or 0) for part in ("hour", "minute", "second"))
    if half := fields["half"]:
        if not 1 <= hour <= 12:
            return np.nan
        hour = hour % 12 + (12 if half.upper() == "PM" else 0)
    east = _minutes_east(fields["zone"])
    if not 1 <= month <= 12 or not 1 <= day <= _days_in(year, month) or hour > 23 or minute > 59 or second > 59:
        return np.nan
    if east is None or year < 1:
        return np.nan
    days = _days(year, month, day)
    return days * 86400.0 + hour * 3600 + (minute - east) * 60 + second + float(fields["fraction"] or 0)


def _year(fields: dict[str, str | None], index: int) -> int:
    if whole := fields.get(f"Y{index}"):
        return int(whole)
    short = int(fields[f"y{index}"] or 0)
    return short + (2000 if short <= PIVOT else 1900)


def _minutes_east(zone: str | None) -> int | None:
    if not zone or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:] if len(zone) > 3 else 0)
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def _days_in(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, computed with years that begin in March."""
    year -= month < 3
    of_year = ((month - 3) % 12 * 153 + 2) // 5 + day
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719469


def find_format(cells: Iterable[str | None], order: str = "", asked: bool = False) -> str | None:
    """The format of a column of dates: "" if years come first, else one of `FORMATS`; None if the cells are not dates.

    If both the day and the month may come first, `order` decides, "dmy" or "mdy". By default, a number that is always 1
    is the day, otherwise the first number is.

    Args:
        cells: cells of the column, None if missing.
        order: order given by the user.
        asked: whether the user declares the column as dates, so that digits without separators are accepted.
    """
    texts = sorted({cell for cell in cells if cell is not None})
    if not texts:
        return None
    sample = texts[:: max(1, len(texts) // 20)]
    for format in ("", *FORMATS):
        if (format == "Ymd" and not asked) or not all(is_date(cell, format) for cell in sample):
            continue
        if not all(is_date(cell, format) for cell in texts) or np.isnan(instants(texts, format)).all():
            continue
        return _sort(texts, format, order) if format in _SEPARATED else format
    return None


def _sort(texts: list[str], format: str, order: str) -> str | None:
    """The format with day and month in the order that follows from the cells."""
    year = format[-1]
    day, month = (format[1].join((*first, year)) for first in ("dm", "md"))
    if order in ("dmy", "mdy"):
        return day if order == "dmy" else month
    wrong = {each: float(np.isnan(instants(texts, each)).mean()) for each in (day, month)}
    if min(wrong.values()) > _MISTAKES:
        return None
    if wrong[day] == wrong[month]:
        firsts, seconds = ({re.split("[/.-]", text)[index].zfill(2) for text in texts} for index in (0, 1))
        return month if seconds == {"01"} != firsts else day
    return min(wrong, key=lambda each: wrong[each])
