"""Durations, sizes and numbers as users write them, read and checked by pydantic."""

from __future__ import annotations

import operator
import re
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    TypeAdapter,
    ValidationError,
)

from genomes.errors import InputError

__all__ = ["Bytes", "Real", "Seconds", "Share", "Whole", "byte_size", "duration", "shown_bytes"]

_DURATION = TypeAdapter(timedelta)


_SIZE = TypeAdapter(ByteSize)


def duration(text: str | float, name: str = "time") -> float:
    """Seconds of a duration: a number of seconds, or text such as "45s", "10m" or "1h30m".

    >>> duration("1h30m")
    5400.0

    Raises:
        InputError: the value is not a duration, or not above 0.
    """
    seconds = 0.0
    if isinstance(text, str):
        given = "".join(text.upper().split())
        units = [letter for letter in given if letter.isalpha()]
        if units != sorted(set(units)):  # pydantic accepts any order
            given = ""
        with suppress(ValidationError):  # ISO 8601 without the leading letters
            seconds = _DURATION.validate_python(f"PT{given}{'' if given[-1:].isalpha() else 'S'}").total_seconds()
    elif isinstance(text, (int, float)) and not isinstance(text, bool):
        seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise InputError(f"{name} must be a duration above 0, not {text!r}: use seconds, or text like 45s, 10m, 1h30m")
    return seconds


def byte_size(text: str | int, name: str = "size") -> int:
    """Bytes of a size: a whole number of bytes, or text such as "4GiB" (2^30 each) or "500MB" (10^6 each).

    >>> byte_size("4GiB"), byte_size("1.5k")
    (4294967296, 1500)

    Raises:
        InputError: the value is not a size, or not above 0.
    """
    size = 0
    if isinstance(text, str):
        with suppress(ValidationError):
            size = int(_SIZE.validate_python(re.sub(r"(?<=[kmgt])(i?)$", r"\1b", "".join(text.lower().split()))))
    elif isinstance(text, int) and not isinstance(text, bool):
        size = text
    if size < 1:
        raise InputError(f"{name} must be a size above 0, not {text!r}: use bytes, or text like 4GiB, 500MB")
    return size


def shown_bytes(count: int) -> str:
    """A number of bytes in a fitting unit.

    >>> shown_bytes(414720), shown_bytes(3 << 29)
    ('405 KiB', '1.5 GiB')
    """
    for power, unit in ((3, "GiB"), (2, "MiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:.1f} {unit}"
    return f"{count / 1024:.0f} KiB" if count >= 1024 else f"{count} bytes"


def _whole(value: Any) -> Any:
    """Integers of any kind (also numpy's) as int; pydantic rejects everything else."""
    if isinstance(value, bool):
        raise ValueError("a whole number")
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError("a whole number") from None


def _real(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        raise ValueError("a number")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a number") from None


def _seconds(value: Any) -> Any:
    try:
        seconds = None if value is None else duration(value)
    except (InputError, OverflowError):
        raise ValueError("a duration, such as 90s, 10m or a number of seconds") from None
    if seconds is not None and not 1 <= seconds <= 30 * 86_400:
        raise ValueError("at least 1 s and at most 30 days")
    return seconds


def _bytes(value: Any) -> Any:
    if value is None:
        return None
    try:
        size = byte_size(value if isinstance(value, str) else operator.index(value))
    except (InputError, TypeError):
        raise ValueError("a size, such as 4GiB, 500MB or a number of bytes") from None
    if not 1 << 30 <= size <= 1 << 50:
        raise ValueError("at least 1 GiB, which Keras needs, and at most 1024 TiB")
    return size


Whole = Annotated[int, BeforeValidator(_whole)]
Real = Annotated[float, BeforeValidator(_real), Field(allow_inf_nan=False)]
Share = Annotated[Real, Field(ge=0, le=1)]
Seconds = Annotated[float | None, BeforeValidator(_seconds)]
Bytes = Annotated[int | None, BeforeValidator(_bytes)]
