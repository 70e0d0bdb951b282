"""Dates read by layers of Keras: "2000-12-31", also with "/", and with " 23:59", "T23:59" or seconds behind.

A time zone may follow ("Z", "+02:00", "-0530"); the parts of a date are those in UTC. Fractions of a second count for
nothing. Text needs TensorFlow; a date's numbers do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers, ops

__all__ = ["date_fields", "date_numbers"]

#: The layer that looks characters up gives 0 where there is none, 1 for others, then these from 2 on.
_CHARACTERS = [*"0123456789", *"-/:T +"]
_DIGIT, _COLON, _PLUS, _MINUS = 2, *(2 + _CHARACTERS.index(each) for each in ":+-")
_LENGTH = len("2000-12-31 23:59:59.123456789+00:00")
#: Where the sign of a time zone may stand: behind the minutes, the seconds, or up to nine digits of a fraction.
_SIGNS = np.arange(16, 30)
#: Where the digits of year, month, day, hour, minute and second stand.
_NUMBERS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))
_DATE, _MINUTES, _SECONDS = range(3)
_GROUPS = (0, 0, 0, 1, 1, 2)


def date_fields(cells: Any) -> Any:
    """Year, month, day, hour, minute, second, and hours and minutes of the time zone; zeros where there is none.

    The hours of the zone have its sign. Float32, `(num_samples, 8)`.

    Args:
        cells: text, `(num_samples, 1)`.
    """
    codes = layers.TextVectorization(
        standardize=None, split="character", output_sequence_length=_LENGTH, vocabulary=_CHARACTERS
    )(cells)
    codes = ops.cast(codes, "float32")
    digits = ops.subtract(codes, float(_DIGIT))
    read, wrong = np.zeros((_LENGTH, 6), np.float32), np.zeros((_LENGTH, 3), np.float32)
    for number, (start, stop) in enumerate(_NUMBERS):
        read[start:stop, number] = 10.0 ** np.arange(stop - start)[::-1]
        wrong[start:stop, _GROUPS[number]] = 1
    is_digit = ops.multiply(_flag(ops.greater(digits, -0.5)), _flag(ops.less(digits, 9.5)))
    numbers = ops.matmul(ops.multiply(digits, is_digit), read)
    mistakes = ops.matmul(ops.subtract(1.0, is_digit), wrong)
    is_right = [_flag(ops.less(ops.take(mistakes, [group], axis=1), 0.5)) for group in range(3)]
    colon = _flag(ops.equal(ops.take(codes, [16], axis=1), float(_COLON)))
    date = is_right[_DATE]
    minutes = ops.multiply(date, is_right[_MINUTES])
    seconds = ops.multiply(ops.multiply(is_right[_SECONDS], colon), minutes)
    present = (date, minutes, seconds)
    times = ops.multiply(numbers, layers.Concatenate()([present[group] for group in _GROUPS]))
    zone = ops.multiply(_zone(codes, ops.multiply(digits, is_digit), is_digit), minutes)
    return layers.Concatenate()([times, zone])


def _zone(codes: Any, digits: Any, is_digit: Any) -> Any:
    """Hours, with their sign, and minutes of a time zone "+02:00" or "+0200", `(num_samples, 2)`."""

    def behind(x: Any, places: int) -> Any:
        return ops.take(x, _SIGNS + places, axis=1)

    def pair(first: int) -> Any:
        return ops.add(ops.multiply(behind(digits, first), 10.0), behind(digits, first + 1))

    plus, minus = (_flag(ops.equal(behind(codes, 0), float(sign))) for sign in (_PLUS, _MINUS))
    both = ops.multiply(behind(is_digit, 1), behind(is_digit, 2))
    colon = _flag(ops.equal(behind(codes, 3), float(_COLON)))
    minutes = ops.add(ops.multiply(colon, pair(4)), ops.multiply(ops.subtract(1.0, colon), pair(3)))
    signed = ops.multiply(ops.multiply(ops.subtract(plus, minus), both), pair(1))
    unsigned = ops.multiply(ops.multiply(ops.add(plus, minus), both), minutes)
    return layers.Concatenate()([ops.sum(each, axis=1, keepdims=True) for each in (signed, unsigned)])


def date_numbers(fields: Any, base: float) -> tuple[Any, Any]:
    """The parts of dates, in the order of `evonas.data.encoding.DATE_PARTS`.

    Args:
        fields: as `date_fields` gives them, float32 `(num_samples, 8)`.
        base: whole number of days since 1970 from which days are counted.

    Returns:
        days since `base`, month 1-12, weekday 0-6 from Monday and hour, float32 `(num_samples, 4)`; and 1.0 where there
        is a date, else 0.0, `(num_samples, 1)`.
    """
    year, month, day, hour, minute, seconds, zone_hours, zone_minutes = (
        ops.take(fields, [place], axis=1) for place in range(8)
    )
    present = ops.multiply(_within(month, 1, 12), _within(day, 1, 31))
    sign = ops.subtract(1.0, ops.multiply(_flag(ops.less(zone_hours, -0.5)), 2.0))
    east = ops.add(ops.multiply(zone_hours, 60.0), ops.multiply(sign, zone_minutes))
    minutes = ops.subtract(ops.add(ops.multiply(hour, 60.0), minute), east)
    later = _quotient(minutes, 1440)  # whether it is the day before in UTC, -1, or the next one, 1
    minutes = ops.subtract(minutes, ops.multiply(later, 1440.0))

    local = _days(year, month, day)  # whole, and exact in float32
    month = _month(year, month, day, local, later)
    days = ops.add(local, later)
    weekday = ops.add(days, 3.0)  # 1970-01-01 was a Thursday
    weekday = ops.subtract(weekday, ops.multiply(_quotient(weekday, 7), 7.0))
    of_day = ops.add(ops.divide(minutes, 1440.0), ops.divide(seconds, 86400.0))
    hours = ops.add(ops.divide(minutes, 60.0), ops.divide(seconds, 3600.0))
    parts = [ops.add(ops.subtract(days, base), of_day), month, weekday, hours]
    return layers.Concatenate()(parts), present


def _month(year: Any, month: Any, day: Any, days: Any, later: Any) -> Any:
    """The month of the day that is `later` (-1, 0 or 1) days than year, month and day, which are `days`."""
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
    return ops.subtract(ops.add(ops.add(ops.multiply(year, 365.0), leap), of_year), 719469.0)


def _quotient(x: Any, divisor: int) -> Any:
    """The whole part of a whole number divided; half a unit more, so that a rounded quotient is on the right side."""
    return ops.floor(ops.divide(ops.add(x, 0.5), float(divisor)))


def _within(x: Any, low: float, high: float) -> Any:
    return ops.multiply(_flag(ops.greater(x, low - 0.5)), _flag(ops.less(x, high + 0.5)))


def _flag(x: Any) -> Any:
    return ops.cast(x, "float32")
