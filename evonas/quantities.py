"""Durations and sizes as people write them: "10m", "4GiB". Imports the standard library only."""

from __future__ import annotations

import re

from genomes.errors import InputError

__all__ = ["byte_size", "duration"]

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)(?:([kmgt])(i?)b?|b)?")
_POWERS = {None: 0, "k": 1, "m": 2, "g": 3, "t": 4}


def duration(text: str | float, name: str = "time") -> float:
    """Seconds of a duration: a number of seconds, or text such as "45s", "10m" or "1h30m".

    Raises:
        InputError: it is no duration, or not above 0.
    """
    seconds = 0.0
    if isinstance(text, str) and (match := _DURATION.fullmatch(text.strip().lower().replace(" ", ""))):
        seconds = sum(float(part or 0) * unit for part, unit in zip(match.groups(), (3600, 60, 1), strict=True))
    elif isinstance(text, (int, float)) and not isinstance(text, bool):
        seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise InputError(f"{name} must be a duration above 0, not {text!r}: give seconds, or text like 45s, 10m, 1h30m")
    return seconds


def byte_size(text: str | int, name: str = "size") -> int:
    """Bytes of a size: a whole number of bytes, or text such as "4GiB" (2^30 each) or "500MB" (10^6 each).

    Raises:
        InputError: it is no size, or not above 0.
    """
    size = 0
    if isinstance(text, str) and (match := _SIZE.fullmatch(text.strip().lower().replace(" ", ""))):
        number, unit, binary = match.groups()
        size = int(float(number) * (1024 if binary else 1000) ** _POWERS[unit])
    elif isinstance(text, int) and not isinstance(text, bool):
        size = text
    if size < 1:
        raise InputError(f"{name} must be a size above 0, not {text!r}: give bytes, or text like 4GiB, 500MB")
    return size
