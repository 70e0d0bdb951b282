"""Validation of values from files: an invalid value is rejected with its location, the constraint and the value.

`Whole`, `Real`, `Word`, `Truth` and `Wholes` are kinds of values. A location is a path in the file such as
"genome.layers[2].units" or "training.learning_rate". Imports the standard library only.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from genomes.errors import InputError

__all__ = [
    "Kind",
    "Readable",
    "Real",
    "Truth",
    "Whole",
    "Wholes",
    "Word",
    "boolean",
    "check_table",
    "format_value",
    "items",
    "record",
    "refuse",
    "suggestion",
    "table",
]

_SHOWN_CHARACTERS = 80


def format_value(value: Any) -> str:
    """The value as shown in error messages: one short line."""
    try:
        text = ascii(value)
    except Exception:  # any repr may fail (as it does for integers of more than 4300 digits)
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def refuse(place: str, constraint: str, value: Any, fix: str = "") -> NoReturn:
    """Raises the InputError `place must be constraint, not value: fix`."""
    raise InputError(f"{place} must be {constraint}, not {format_value(value)}" + (f": {fix}" if fix else ""))


def suggestion(name: Any, known: Iterable[str]) -> str:
    """Suggests a known name for an unknown one."""
    names = list(known)
    near = difflib.get_close_matches(str(name)[:_SHOWN_CHARACTERS], names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"


@dataclass(frozen=True)
class Whole:
    """Integers in [low, high]; booleans and 3.0 are rejected."""

    low: int
    high: int

    def read(self, value: Any, place: str) -> int:
        """The value as an int."""
        constraint = f"a whole number from {self.low} to {self.high}"
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            refuse(place, constraint, value, _number_fix(value))
        number = int(value)
        if not self.low <= number <= self.high:
            refuse(place, constraint, value)
        return number


@dataclass(frozen=True)
class Real:
    """Finite numbers in [low, high]; booleans are rejected."""

    low: float
    high: float

    def read(self, value: Any, place: str) -> float:
        """The value as a float, never -0.0."""
        constraint = f"a number from {self.low:g} to {self.high:g}"
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            refuse(place, constraint, value, _number_fix(value))
        try:
            number = float(value) + 0.0
        except OverflowError:  # integers of more than 308 digits
            number = math.inf
        if not self.low <= number <= self.high:  # NaN fails this too
            refuse(place, constraint, value)
        return number


@dataclass(frozen=True)
class Word:
    """One of a few names."""

    options: tuple[str, ...]

    def read(self, value: Any, place: str) -> str:
        """The value as it is."""
        if isinstance(value, str) and value in self.options:
            return value
        fix = suggestion(value, self.options) if isinstance(value, str) else "write the name in quotes"
        refuse(place, f"one of {', '.join(self.options)}", value, "" if fix.startswith("known") else fix)


@dataclass(frozen=True)
class Truth:
    """True or false; 0 and 1 are rejected."""

    def read(self, value: Any, place: str) -> bool:
        """The value as it is."""
        return boolean(value, place)


@dataclass(frozen=True)
class Wholes:
    """A list of 1 to `most` integers in [low, high]."""

    low: int
    high: int
    most: int

    def read(self, value: Any, place: str) -> list[int]:
        """The value as a list of ints."""
        given = items(value, place, self.most)
        if not given:
            refuse(place, f"a list of 1 to {self.most} whole numbers", value)
        return [Whole(self.low, self.high).read(each, f"{place}[{k}]") for k, each in enumerate(given)]


Kind = Whole | Real | Word | Truth


class Readable(Protocol):
    """Protocol of readers of values: `Kind`, `Wholes`, or your own."""

    def read(self, value: Any, place: str) -> Any:
        """The validated value. Raises InputError that names the location."""
        ...


def boolean(value: Any, place: str) -> bool:
    """Reads a boolean."""
    if not isinstance(value, bool):
        refuse(place, "true or false", value)
    return value


def table(value: Any, place: str, known: Collection[str], required: Iterable[str] = ()) -> Mapping[str, Any]:
    """Reads a mapping that has all keys of `required` and no key outside `known`."""
    if not isinstance(value, Mapping):
        refuse(place, f"a table with the keys {', '.join(known)}", value)
    for key in value:
        if key not in known:
            where = f"{place}.{key}" if isinstance(key, str) and key.isidentifier() else f"{place}[{format_value(key)}]"
            fix = suggestion(key, known)
            raise InputError(f"{where} is not a setting (its value is {format_value(value[key])}): {fix}")
    for key in required:
        if key not in value:
            raise InputError(f"{place}.{key} must be given and is missing: add it")
    return value


def check_table(value: Any, name: str, tables: Mapping[str, Collection[str]]) -> Any:
    """Returns the table unless one of its keys belongs to another table.

    Args:
        value: table to check.
        name: name of the table.
        tables: name -> keys, for all tables at the same level.
    """
    for other, keys in tables.items():
        for key in value if isinstance(value, Mapping) and other != name else ():
            if key in keys:
                raise InputError(
                    f"{name}.{key} is not a setting (its value is {format_value(value[key])}): move it to [{other}]"
                )
    return value


def record(value: Mapping[str, Any], place: str, kinds: Mapping[str, Readable]) -> dict[str, Any]:
    """Reads all keys of `kinds`, each value with its kind."""
    return {name: kind.read(value[name], f"{place}.{name}") for name, kind in kinds.items()}


def items(value: Any, place: str, most: int) -> list[Any]:
    """Reads a list of at most `most` items."""
    if not isinstance(value, (list, tuple)):
        refuse(place, "a list", value)
    if len(value) > most:
        raise InputError(f"{place} must have at most {most} items, not {len(value)}: shorten it")
    return list(value)


def _number_fix(value: Any) -> str:
    if isinstance(value, bool):
        return "true and false are not numbers"
    if isinstance(value, str):
        return "write it without quotes"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return f"write {int(value)}"
    return ""
