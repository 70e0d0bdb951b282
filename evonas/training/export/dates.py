"""Parsing of dates with Keras layers, for each cell as in `evonas.data.dates`.

A cell is parsed in three steps: date, time, and time zone or AM/PM. Each step compares the next characters with all
possible shapes; the matching shape determines where the numbers are and where the next step begins. Fractions of a
second are ignored. Text needs TensorFlow; the numbers of a date do not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import layers, ops

from evonas.data.dates import BASE, MONTHS, PIVOT, alternatives

__all__ = ["date_fields", "date_numbers"]

#: The character lookup layer returns 0 for no character, 1 for unknown ones, and 2 and above for these.
_SMALL = "abcdefghijklmnopqrstuvwxyz"
_CHARACTERS = [*"0123456789", *_SMALL, *"-/.: +", *_SMALL.upper()]
_DIGIT, _LETTER = 2, 12
#: Character class -> its first and last code; "a" is any letter, "." to "+" stand for themselves.
_CLASSES = {"0": (_DIGIT, _DIGIT + 9), "a": (_LETTER, _LETTER + 25), "end": (0, 0)} | {
    name: (2 + _CHARACTERS.index(character), 2 + _CHARACTERS.index(character))
    for name, character in [*((each, each) for each in "-/.: +tz"), ("A", "a"), ("P", "p"), ("M", "m")]
}
_DATE, _TIME, _ZONE = 12, 20, 7
_LENGTH = _DATE + _TIME + _ZONE + 1


@dataclass
class _Shape:
    """One way to write a part of a cell.

    Attributes:
        classes: the class of each character, including the one after the shape.
        digits: field -> the position of each digit, first to last, and their sign.
        marks: fields that are 1 for this shape.
        letters: position of the three letters of a month, or -1.
    """

    classes: list[tuple[str, ...]]
    digits: dict[str, tuple[range, int]] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    letters: int = -1

    @property
    def end(self) -> int:
        """Position at which the next part begins."""
        return len(self.classes) - 1


def _dates(format: str) -> list[_Shape]:
    shapes = []
    for each in dict.fromkeys((*BASE, *([format] if format else []))):
        for text, parts in alternatives(each):
            places = {letter: range(start, stop) for letter, start, stop in parts}
            digits = {letter: (place, 1) for letter, place in places.items() if letter != "b"}
            behind = ("end", " ", "t", ":")
            letters = places["b"].start if "b" in places else -1
            marks = ("short",) if "y" in places else ()
            shapes.append(_Shape([*((character,) for character in text), behind], digits, marks, letters))
    return shapes


def _times() -> list[_Shape]:
    shapes = [_Shape([("end",)])]
    behind = ("end", " ", "z", "+", "-", "A", "P")
    for hour, rest in itertools.product(("0", "00"), (":00", ":00:00", *(f":00:00.{'0' * n}" for n in range(1, 10)))):
        text = hour + rest
        start = 1 + len(hour) + 1
        digits = {"hour": (range(1, 1 + len(hour)), 1), "minute": (range(start, start + 2), 1)}
        if len(rest) > 3:
            digits["second"] = (range(start + 3, start + 5), 1)
        shapes.append(_Shape([(" ", "t", ":"), *((character,) for character in text), behind], digits))
    return shapes


def _zones() -> list[_Shape]:
    shapes = [_Shape([("end",)]), _Shape([("z",), ("end",)])]
    for sign, text in itertools.product("+-", ("00:00", "0000", "00")):
        factor = 1 if sign == "+" else -1
        digits = {"zone_hours": (range(1, 3), factor)}
        if len(text) > 2:
            digits["zone_minutes"] = (range(len(text) - 1, len(text) + 1), factor)
        shapes.append(_Shape([(sign,), *((character,) for character in text), ("end",)], digits))
    for half, space in itertools.product("AP", ([], [(" ",)])):
        shapes.append(_Shape([*space, (half,), ("M",), ("end",)], marks=("half", "late") if half == "P" else ("half",)))
    return shapes


def date_fields(cells: Any, format: str = "") -> Any:
    """Year, month, day, hour, minute, second, and hours and minutes of the time zone; zeros if there is none.

    Hours and minutes of the zone have its sign. Float32, `(num_samples, 8)`.

    Args:
        cells: text, `(num_samples, 1)`.
        format: format of the column's dates, in addition to those with the year first, see `evonas.data.dates`.
    """
    codes = layers.TextVectorization(
        standardize=None, split="character", output_sequence_length=_LENGTH, vocabulary=_CHARACTERS
    )(cells)
    codes = ops.cast(codes, "float32")
    # Upper-case letters are treated as lower-case ones.
    large = _flag(ops.greater(codes, 1.5 + _CHARACTERS.index("A")))
    codes = ops.subtract(codes, ops.multiply(large, float(_CHARACTERS.index("A") - _CHARACTERS.index("a"))))
    is_date, date, rest = _take_apart(codes, _dates(format), ("Y", "y", "m", "d", "short"), _DATE, _TIME + _ZONE + 1)
    is_time, time, rest = _take_apart(rest, _times(), ("hour", "minute", "second"), _TIME, _ZONE + 1)
    is_zone, zone, _ = _take_apart(rest, _zones(), ("zone_hours", "zone_minutes", "half", "late"), _ZONE, 0)
    year, short_year, month, day, short = (_column(date, index) for index in range(5))
    hour, half, late = _column(time, 0), _column(zone, 2), _column(zone, 3)
    year = ops.add(ops.add(year, short_year), ops.multiply(short, _century(short_year)))
    if "b" in format:
        month = ops.add(month, _month_number(codes, _dates(format)))
    noon = ops.multiply(half, _flag(ops.greater(hour, 11.5)))
    possible = ops.subtract(1.0, ops.multiply(half, ops.subtract(1.0, _is_between(hour, 1, 12))))
    hour = ops.add(ops.subtract(hour, ops.multiply(noon, 12.0)), ops.multiply(late, 12.0))
    fields = [year, month, day, hour, *(_column(time, k) for k in (1, 2)), *(_column(zone, k) for k in (0, 1))]
    present = ops.multiply(ops.multiply(is_date, is_time), ops.multiply(is_zone, possible))
    return _of_width(ops.multiply(layers.Concatenate()(fields), present), len(fields))


def _take_apart(codes: Any, shapes: Sequence[_Shape], names: Sequence[str], width: int, rest: int) -> Any:
    """Matches shapes against the first characters; returns whether one fits, its fields, and the characters after it.

    Args:
        codes: character codes, `(num_samples, at least width + rest)`.
        shapes: at most one of them fits.
        names: names of the fields.
        width: number of characters that shapes span.
        rest: number of characters after the shape to return.
    """
    matched = _match(codes, shapes, width)
    first = ops.take(codes, np.arange(width), axis=1)
    digits = ops.multiply(ops.subtract(first, float(_DIGIT)), _is_between(first, *_CLASSES["0"]))
    read = np.zeros((width, len(names), len(shapes)), np.float32)
    marked = np.zeros((len(shapes), len(names)), np.float32)
    for number, shape in enumerate(shapes):
        for name, (places, factor) in shape.digits.items():
            for power, index in enumerate(reversed(places)):
                read[index, names.index(name), number] = factor * 10.0**power
        for name in shape.marks:
            marked[number, names.index(name)] = 1
    found = layers.Reshape((len(names), len(shapes)))(ops.matmul(digits, read.reshape(width, -1)))
    fields = ops.sum(ops.multiply(found, layers.Reshape((1, len(shapes)))(matched)), axis=2)
    fields = ops.add(fields, ops.matmul(matched, marked))
    is_one, fields = _of_width(ops.sum(matched, axis=1, keepdims=True), 1), _of_width(fields, len(names))
    if not rest:
        return is_one, fields, None
    behind = None
    for end in sorted({shape.end for shape in shapes}):
        chosen = np.array([[float(shape.end == end)] for shape in shapes], np.float32)
        part = ops.multiply(ops.matmul(matched, chosen), ops.take(codes, np.arange(end, end + rest), axis=1))
        behind = part if behind is None else ops.add(behind, part)
    return is_one, fields, _of_width(behind, rest)


def _match(codes: Any, shapes: Sequence[_Shape], width: int) -> Any:
    """1.0 for the shape that fits, `(num_samples, len(shapes))`."""
    low, high = (np.array([[[each[end] for each in _CLASSES.values()]]], np.float32) for end in (0, 1))
    first = layers.Reshape((width, 1))(ops.take(codes, np.arange(width), axis=1))
    classes = ops.multiply(_flag(ops.greater(first, low - 0.5)), _flag(ops.less(first, high + 0.5)))
    wanted = np.zeros((width, len(_CLASSES), len(shapes)), np.float32)
    names = list(_CLASSES)
    for number, shape in enumerate(shapes):
        for index, allowed in enumerate(shape.classes):
            for name in allowed:
                wanted[index, names.index(name), number] = 1
    hits = ops.matmul(layers.Reshape((width * len(names),))(classes), wanted.reshape(-1, len(shapes)))
    lengths = np.array([[len(shape.classes) - 0.5 for shape in shapes]], np.float32)
    return _of_width(_flag(ops.greater(hits, lengths)), len(shapes))


def _month_number(codes: Any, shapes: Sequence[_Shape]) -> Any:
    """The month whose three letters are at the position given by the matching shape; 0 for none."""
    first = ops.take(codes, np.arange(_DATE), axis=1)
    letters = ops.multiply(ops.subtract(first, float(_LETTER)), _is_between(first, *_CLASSES["a"]))
    read = np.zeros((_DATE, len(shapes)), np.float32)
    for number, shape in enumerate(shapes):
        if shape.letters >= 0:
            read[shape.letters : shape.letters + 3, number] = (676, 26, 1)
    matched = _match(codes, shapes, _DATE)
    word = ops.sum(ops.multiply(ops.matmul(letters, read), matched), axis=1, keepdims=True)
    has = ops.matmul(matched, np.array([[float(shape.letters >= 0)] for shape in shapes], np.float32))
    words = [sum((ord(c) - ord("A")) * f for c, f in zip(name, (676, 26, 1), strict=True)) for name in MONTHS]
    equal = _flag(ops.less(ops.abs(ops.subtract(word, np.array([words], np.float32))), 0.5))
    return _of_width(ops.multiply(ops.matmul(equal, np.arange(1, 13, dtype=np.float32)[:, None]), has), 1)


def date_numbers(fields: Any, base: float, short: bool = False) -> tuple[Any, Any]:
    """The parts of dates, in the order of `evonas.data.encoding.preprocessor.DATE_PARTS`.

    Args:
        fields: output of `date_fields`, float32 `(num_samples, 8)`.
        base: whole number of days since 1970 from which days are counted.
        short: whether two-digit years mean those around 2000.

    Returns:
        days since `base`, month 1-12, weekday 0-6 from Monday and hour, float32 `(num_samples, 4)`; and 1.0 if there
        is a date, else 0.0, `(num_samples, 1)`.
    """
    year, month, day, hour, minute, seconds, zone_hours, zone_minutes = (_column(fields, index) for index in range(8))
    if short:
        year = ops.add(year, ops.multiply(_flag(ops.less(year, 99.5)), _century(year)))
    present = ops.multiply(_is_possible(year, month, day), _is_between(hour, 0, 23))
    present = ops.multiply(present, ops.multiply(_is_between(minute, 0, 59), _is_between(seconds, 0, 59)))
    present = ops.multiply(present, ops.multiply(_is_between(zone_hours, -23, 23), _is_between(zone_minutes, -59, 59)))
    present = _of_width(present, 1)
    # Encoded minutes have no sign.
    sign = ops.subtract(1.0, ops.multiply(_flag(ops.less(zone_hours, -0.5)), 2.0))
    signed = ops.add(
        ops.multiply(sign, ops.maximum(zone_minutes, 0.0)),
        ops.minimum(zone_minutes, 0.0),
    )
    east = ops.add(ops.multiply(zone_hours, 60.0), signed)
    minutes = _of_width(ops.subtract(ops.add(ops.multiply(hour, 60.0), minute), east), 1)
    later = _quotient(minutes, 1440)  # -1 if the UTC date is the day before, 1 if it is the day after
    minutes = ops.subtract(minutes, ops.multiply(later, 1440.0))

    local = _days(year, month, day)  # whole, and exact in float32
    month = _of_width(_month(year, month, day, local, later), 1)
    days = ops.add(local, later)
    weekday = ops.add(days, 3.0)  # 1970-01-01 was a Thursday
    weekday = ops.subtract(weekday, ops.multiply(_quotient(weekday, 7), 7.0))
    of_day = ops.add(ops.divide(minutes, 1440.0), ops.divide(seconds, 86400.0))
    hours = ops.add(ops.divide(minutes, 60.0), ops.divide(seconds, 3600.0))
    parts = [ops.add(ops.subtract(days, base), of_day), month, weekday, hours]
    return layers.Concatenate()(parts), present


def _century(year: Any) -> Any:
    """The number to add to a two-digit year."""
    return ops.add(ops.multiply(_flag(ops.less(year, PIVOT + 0.5)), 100.0), 1900.0)


def _is_possible(year: Any, month: Any, day: Any) -> Any:
    """1.0 if the calendar contains the day."""
    december = _flag(ops.greater(month, 11.5))
    following = ops.subtract(ops.add(month, 1.0), ops.multiply(december, 12.0))
    one = ops.add(ops.multiply(day, 0.0), 1.0)
    length = ops.subtract(_days(ops.add(year, december), following, one), _days(year, month, one))
    in_month = ops.multiply(_flag(ops.greater(day, 0.5)), _flag(ops.less(day, ops.add(length, 0.5))))
    return ops.multiply(ops.multiply(_is_between(month, 1, 12), _is_between(year, 1, 9999)), in_month)


def _month(year: Any, month: Any, day: Any, days: Any, later: Any) -> Any:
    """The month of the day that is `later` (-1, 0 or 1) days after the given date, whose day number is `days`."""
    december, january = _flag(ops.greater(month, 11.5)), _flag(ops.less(month, 1.5))
    following = ops.subtract(ops.add(month, 1.0), ops.multiply(december, 12.0))
    before = ops.add(ops.subtract(month, 1.0), ops.multiply(january, 12.0))
    first_of_following = _days(ops.add(year, december), following, ops.add(ops.multiply(day, 0.0), 1.0))
    is_last = _flag(ops.greater(days, ops.subtract(first_of_following, 1.5)))
    forward = ops.multiply(_flag(ops.greater(later, 0.5)), is_last)
    back = ops.multiply(_flag(ops.less(later, -0.5)), _flag(ops.less(day, 1.5)))
    month = ops.add(month, ops.multiply(forward, ops.subtract(following, month)))
    return ops.add(month, ops.multiply(back, ops.subtract(before, month)))


def _days(year: Any, month: Any, day: Any) -> Any:
    """Days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March."""
    early = _flag(ops.less(month, 2.5))
    year = ops.subtract(year, early)
    month = ops.add(ops.subtract(month, 3.0), ops.multiply(early, 12.0))
    of_year = ops.add(_quotient(ops.add(ops.multiply(month, 153.0), 2.0), 5), day)
    leap = ops.add(ops.subtract(_quotient(year, 4), _quotient(year, 100)), _quotient(year, 400))
    return _of_width(ops.subtract(ops.add(ops.add(ops.multiply(year, 365.0), leap), of_year), 719469.0), 1)


def _quotient(x: Any, divisor: int) -> Any:
    """Integer division; adds half a unit, so that rounding errors of the quotient do not matter."""
    return ops.floor(ops.divide(ops.add(x, 0.5), float(divisor)))


def _of_width(x: Any, width: int) -> Any:
    """Reshapes to this number of columns, so that the check of a file before opening knows the width."""
    return layers.Reshape((width,))(x)


def _column(x: Any, index: int) -> Any:
    return ops.take(x, [index], axis=1)


def _is_between(x: Any, low: float, high: float) -> Any:
    return ops.multiply(_flag(ops.greater(x, low - 0.5)), _flag(ops.less(x, high + 0.5)))


def _flag(x: Any) -> Any:
    return ops.cast(x, "float32")
