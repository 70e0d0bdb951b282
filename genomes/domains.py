"""Domains of genes: a `Range` of numbers or a `Choice` among options; a fixed value is a choice with one option.

A domain samples and varies values and maps them to positions in [0, 1], the scale on which steps are taken. Numbers are
Python ints and floats, never numpy scalars, which Keras rejects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from genomes.checks import Kind, Word, boolean, format_value, items, refuse, table
from genomes.errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MAX_OPTIONS", "Choice", "Domain", "Range", "Value", "domain_to_json", "read_domain"]

#: The value of a gene: an int, float, str or bool, depending on its kind.
Value = Any

#: Bounds of the standard deviation of a variation, as a share of the domain: drawn log-uniformly, for global and local
#: steps.
_STEP, _FINE_STEP = 0.3, 0.005
#: Probability of exactly 0 in a range with `zero`.
_ZERO_SHARE = 0.25
#: Significant digits of a real gene: finer steps make no difference in training, and these are readable.
_DIGITS = 4

MAX_OPTIONS = 1000


@dataclass(frozen=True)
class Range:
    """The numbers in [low, high]; integers if both ends are ints.

    >>> Range(16, 256, log=True).contains(64), Range(1e-6, 1e-3, zero=True).contains(0.0)
    (True, True)

    Attributes:
        low, high: the ends, inclusive; low < high.
        log: whether values are sampled log-uniformly; requires low > 0.
        zero: whether 0 is also a member, below low > 0: "off, or at least this much". A quarter of all samples are 0.
    """

    low: float
    high: float
    log: bool = False
    zero: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether there is only one value."""
        return False

    @property
    def least(self) -> Value:
        """The smallest member."""
        return self._to_type_of_bounds(0 if self.zero else self.low)

    @property
    def greatest(self) -> Value:
        """The largest member."""
        return self.high

    def contains(self, value: Value) -> bool:
        """Whether the value is a member."""
        return not isinstance(value, str) and (self.low <= value <= self.high or (self.zero and value == 0))

    def sample(self, rng: np.random.Generator) -> Value:
        """A random member."""
        return self.at(rng.random())

    def vary(self, value: Value, rng: np.random.Generator) -> Value:
        """Another member, most likely a nearby one."""
        if self.zero and value == 0:  # 0 has no neighbours: any other value will do
            return Range(self.low, self.high, self.log).sample(rng)
        there = self.position(value)
        deviation = _STEP * (_FINE_STEP / _STEP) ** rng.random()
        for _ in range(8):
            step = (there + deviation * rng.standard_normal()) % 2.0
            near = self.at(min(step, 2.0 - step))  # reflected at both ends
            if near != value:
                return near
            deviation *= 2.0  # the step was too small for these integers
        return self.least if value != self.least else self.greatest

    def position(self, value: Value) -> float:
        """Position of the value in [0, 1], on the scale on which values are sampled uniformly."""
        floor = _ZERO_SHARE if self.zero else 0.0
        if not self.low <= value <= self.high:
            return 0.0 if value <= self.low else 1.0
        start, end = self._ends
        return floor + (1.0 - floor) * (self._scale(float(value)) - start) / (end - start)

    def clip(self, value: float) -> Value:
        """The nearest member of `[low, high]`."""
        value = round(value) if isinstance(self.low, int) else float(f"{value:.{_DIGITS}g}")
        return self._to_type_of_bounds(min(max(value, self.low), self.high))

    def restrict(self, low: float = -math.inf, high: float = math.inf) -> Domain | None:
        """The members in [low, high]; None if there are none."""
        zero = self.zero and low <= 0 <= high
        low, high = max(low, self.low), min(high, self.high)
        if low < high:
            return Range(low, high, self.log, zero)
        few = ((self._to_type_of_bounds(0),) if zero else ()) + ((low,) if low == high else ())
        return Choice(few) if few else None

    def at(self, position: float) -> Value:
        """The member at a position in [0, 1]."""
        if self.zero:
            if position < _ZERO_SHARE:
                return self._to_type_of_bounds(0)
            position = (position - _ZERO_SHARE) / (1.0 - _ZERO_SHARE)
        start, end = self._ends
        scaled = start + position * (end - start)
        return self.clip(math.exp(scaled) if self.log else scaled)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """The ends on the scale; for integers half a unit further out, so that the outermost members are as probable as
        the others.
        """
        margin = 0.5 if isinstance(self.low, int) else 0.0
        return self._scale(self.low - margin), self._scale(self.high + margin)

    def _scale(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _to_type_of_bounds(self, value: float) -> int | float:
        return int(value) if isinstance(self.low, int) else float(value)


@dataclass(frozen=True)
class Choice:
    """One of some options: all names, all numbers, or true and false.

    >>> Choice(("relu", "tanh")).contains("gelu")
    False
    """

    options: tuple[Value, ...]

    @property
    def is_fixed(self) -> bool:
        """Whether there is only one value."""
        return len(self.options) == 1

    @property
    def least(self) -> Value:
        """The smallest member."""
        return min(self.options)

    @property
    def greatest(self) -> Value:
        """The largest member."""
        return max(self.options)

    def contains(self, value: Value) -> bool:
        """Whether the value is a member."""
        return value in self.options

    def sample(self, rng: np.random.Generator) -> Value:
        """A random member."""
        return self.options[int(rng.integers(len(self.options)))]

    def vary(self, value: Value, rng: np.random.Generator) -> Value:
        """Another member; the value itself if there is no other."""
        others = [option for option in self.options if option != value]
        return others[int(rng.integers(len(others)))] if others else value

    def position(self, value: Value) -> float:
        """Position of the value in [0, 1] among the options, in their order."""
        return self.options.index(value) / max(len(self.options) - 1, 1)

    def restrict(self, low: float = -math.inf, high: float = math.inf) -> Domain | None:
        """The numbers in [low, high]; None if there are none."""
        within = tuple(option for option in self.options if not isinstance(option, str) and low <= option <= high)
        return Choice(within) if within else None


Domain = Range | Choice


def read_domain(value: Any, kind: Kind, place: str) -> Domain:
    """Reads a domain: a `Range` or its table, a `Choice` or its list, or a single value.

    Raises:
        InputError: a value is of the wrong kind, the range is empty or inverted, or the list is empty or has
            duplicates.
    """
    if isinstance(value, Range):
        value = {"low": value.low, "high": value.high, "log": value.log, "zero": value.zero}
    elif isinstance(value, Choice):
        value = value.options
    if isinstance(value, Mapping):
        return _read_range(value, kind, place)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return _read_choice(value, kind, place)
    return Choice((kind.read(value, place),))


def domain_to_json(domain: Domain) -> Any:
    """The domain as JSON values that `read_domain` accepts: a table, a list or a single value."""
    if isinstance(domain, Range):
        flags = {name: True for name in ("log", "zero") if getattr(domain, name)}
        return {"low": domain.low, "high": domain.high, **flags}
    return domain.options[0] if domain.is_fixed else list(domain.options)


def _read_range(value: Mapping[str, Any], kind: Kind, place: str) -> Range:
    if isinstance(kind, Word):
        refuse(place, f"a name or a list of names among {', '.join(kind.options)}", value)
    table(value, place, ("low", "high", "log", "zero"), required=("low", "high"))
    low, high = kind.read(value["low"], f"{place}.low"), kind.read(value["high"], f"{place}.high")
    log, zero = (boolean(value.get(name, False), f"{place}.{name}") for name in ("log", "zero"))
    if low >= high:
        fix = "exchange them" if low > high else f"for a fixed value write {place.rpartition('.')[2]} = {low}"
        raise InputError(f"{place}.low must be below {place}.high, not {low} and {high}: {fix}")
    if low <= 0 and (log or zero):
        fix = "start above 0, and add zero = true where exactly 0 is wanted too" if log else "leave zero out"
        raise InputError(f"{place}.low must be above 0 with {'log' if log else 'zero'} = true, not {low}: {fix}")
    if zero:
        kind.read(0, f"{place}.zero")
    return Range(low, high, log, zero)


def _read_choice(value: Sequence[Any], kind: Kind, place: str) -> Choice:
    options = [kind.read(option, f"{place}[{k}]") for k, option in enumerate(items(value, place, MAX_OPTIONS))]
    if not options:
        raise InputError(f"{place} must have at least one option, not []: add one, or leave it out for the default")
    for k, option in enumerate(options):
        if option in options[:k]:
            raise InputError(f"{place} must have each option once, not {format_value(option)} twice: leave one out")
    return Choice(tuple(options))
