"""KerasTuner's hyperparameters as frozen values, with their domains and encoding as genes.

Numbers without a step are ranges. Numbers with a step or reverse-log sampling are encoded by their index in order, so
that a small step of the gene is a small step of the value.
"""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genomes.domains import MAX_OPTIONS, Choice, Domain, Range
from genomes.errors import InputError

__all__ = [
    "Condition",
    "Hyperparameter",
    "boolean",
    "choice",
    "fixed_value",
    "gene_name",
    "is_same",
    "late_domain",
    "late_gene",
    "number",
    "widen",
]

#: The name of another hyperparameter, and its values for which the dependent one is active.
Condition = tuple[str, tuple[Any, ...]]

_SAMPLINGS = ("linear", "log", "reverse_log")


@dataclass(frozen=True)
class Hyperparameter:
    """A named value that a build function requests.

    Attributes:
        kind: "Int", "Float", "Choice", "Boolean" or "Fixed".
        name: name, including name scopes.
        conditions: conditions, all of which must hold for it to be active.
        default: default value.
        domain: domain of its gene; a single value if there is no choice.
        settings: arguments of the request, for display.
        options: values by index, if the gene is an index; empty if it is the value itself.
        ends: smallest and largest value of a "reverse_log" without a step, whose gene is a position in [0, 1].
    """

    kind: str
    name: str
    conditions: tuple[Condition, ...]
    default: Any
    domain: Domain
    settings: tuple[tuple[str, Any], ...] = field(compare=False)
    options: tuple[Any, ...] = ()
    ends: tuple[float, float] | None = None

    def value(self, gene: Any) -> Any:
        """The value that the gene encodes."""
        if self.options:
            return self.options[gene]
        if self.ends is not None:
            low, high = self.ends
            value = high + low - low * (high / low) ** (1.0 - gene)
            return _to_python(self.kind, min(max(value, low), high))
        return gene

    def gene(self, value: Any) -> Any:
        """The gene that encodes the value, or the nearest one.

        Raises:
            ValueError: no gene encodes it.
        """
        if self.options:
            return self.options.index(value)
        if self.ends is not None:
            low, high = self.ends
            return 1.0 - math.log((high + low - value) / low) / math.log(high / low)
        return value

    def nearest(self, value: Any) -> Any:
        """The nearest valid value; the default if there is none."""
        if self.kind == "Fixed":
            return self.default
        some = self.options or (self.domain.options if isinstance(self.domain, Choice) else ())
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if some:
            same = [one for one in some if one == value and isinstance(one, bool) == isinstance(value, bool)]
            if same or not real or not isinstance(some[0], (int, float)) or isinstance(some[0], bool):
                return same[0] if same else self.default
            return min(some, key=lambda one: abs(one - value))
        if not real:
            return self.default
        settings = dict(self.settings)
        return _to_python(self.kind, min(max(value, settings["min_value"]), settings["max_value"]))

    def draw(self, rng: np.random.Generator) -> Any:
        """A random value."""
        return self.value(self.domain.sample(rng))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the request."""
        return {"name": self.name, "default": self.default, **dict(self.settings)}

    def to_json(self) -> dict[str, Any]:
        """The hyperparameter as JSON values; `evonas.tuner.reading.from_json` is the inverse."""
        value = {"kind": self.kind, "conditions": self.conditions, "config": self.get_config()}
        found: dict[str, Any] = json.loads(json.dumps(value, default=repr))
        return found


def number(
    kind: str,
    name: str,
    low: Any,
    high: Any,
    step: Any,
    sampling: str | None,
    default: Any,
    conditions: tuple[Condition, ...],
) -> Hyperparameter:
    """An `Int` or a `Float` in [low, high].

    Raises:
        InputError: the bounds, the step or the sampling are invalid.
    """
    low, high = (_end(kind, name, end) for end in (low, high))
    sampling = (sampling or "linear").lower()
    if sampling not in _SAMPLINGS:
        raise InputError(f"sampling of {name!r} must be one of {', '.join(_SAMPLINGS)}, not {sampling!r}")
    if low > high:
        raise InputError(f"min_value of {name!r} must be at most max_value, not {low} and {high}: exchange them")
    if sampling != "linear" and low <= 0:
        raise InputError(f"min_value of {name!r} must be above 0 with sampling {sampling!r}, not {low}: raise it")
    settings = (("min_value", low), ("max_value", high), ("step", step), ("sampling", sampling))
    if step is not None:
        step = _end(kind, name, step)
        if step <= (0 if sampling == "linear" else 1):
            least = "0" if sampling == "linear" else "1, which multiplies"
            raise InputError(f"step of {name!r} must be above {least} with sampling {sampling!r}, not {step}: raise it")
    default = low if default is None else _end(kind, name, default)
    if low == high:
        return Hyperparameter(kind, name, conditions, default, Choice((low,)), settings)
    if step is not None and not (kind == "Int" and sampling == "linear" and step == 1):
        values = _steps(kind, low, high, step, sampling)
        return _place(kind, name, conditions, default, values, settings)
    if sampling == "reverse_log":
        ends = (float(low), float(high))
        return Hyperparameter(kind, name, conditions, default, Range(0.0, 1.0), settings, ends=ends)
    domain = Range(low, high, log=sampling == "log")
    return Hyperparameter(kind, name, conditions, default, domain, settings)


def choice(
    name: str, values: Sequence[Any], ordered: bool | None, default: Any, conditions: tuple[Condition, ...]
) -> Hyperparameter:
    """A choice among values of one type.

    Raises:
        InputError: there are no values, their types differ, or the default is not among them.
    """
    values = [_plain(value) for value in values]
    types = {type(value) for value in values}
    if len(types) != 1 or not types <= {str, int, float, bool}:
        shown = f"{values!r:.80}"
        raise InputError(f"values of {name!r} must be some of one type, texts, ints, floats or bools, not {shown}")
    values = list(dict.fromkeys(values))
    default = values[0] if default is None else _plain(default)
    if default not in values:
        raise InputError(f"default of {name!r} must be one of its values {values!r:.80}, not {default!r}")
    if ordered and types & {str, bool}:
        raise InputError(f"ordered of {name!r} must be False for values that are not numbers, not True: leave it out")
    settings = (("values", list(values)), ("ordered", types <= {int, float} if ordered is None else ordered))
    if len(values) == 1:
        return Hyperparameter("Choice", name, conditions, default, Choice((0,)), settings, tuple(values))
    if dict(settings)["ordered"]:
        return _place("Choice", name, conditions, default, values, settings)
    if types == {str} and all(value.isprintable() and 0 < len(value) <= 200 for value in values):
        return Hyperparameter("Choice", name, conditions, default, Choice(tuple(values)), settings)
    if types == {bool}:
        return Hyperparameter("Choice", name, conditions, default, Choice(tuple(values)), settings)
    options = Choice(tuple(range(len(values))))
    return Hyperparameter("Choice", name, conditions, default, options, settings, tuple(values))


def boolean(name: str, default: Any, conditions: tuple[Condition, ...]) -> Hyperparameter:
    """A `Boolean`. Raises InputError if the default is neither True nor False."""
    if default not in (True, False):
        raise InputError(f"default of {name!r} must be True or False, not {default!r}")
    return Hyperparameter("Boolean", name, conditions, bool(default), Choice((False, True)), ())


def fixed_value(name: str, value: Any, conditions: tuple[Condition, ...]) -> Hyperparameter:
    """A `Fixed` value, which is not searched."""
    return Hyperparameter("Fixed", name, conditions, value, Choice((0,)), (("value", value),), (value,))


def gene_name(name: str) -> str:
    """The name converted to a valid gene name of letters, digits and _."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)[:80]
    return plain if re.match("[A-Za-z]", plain) else f"hp_{plain}"


def late_gene(each: Hyperparameter) -> str:
    """The gene name of a hyperparameter revealed only by trials, which does not depend on the space."""
    text = repr((each.name, each.conditions, each.kind))
    return f"{gene_name(each.name)[:60]}_late_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def late_domain(each: Hyperparameter) -> Domain | None:
    """The domain of that gene, which is the value itself, since the index of a value may change; None for a single
    value.
    """
    settings = dict(each.settings)
    if each.kind in ("Int", "Float"):
        low, high = settings["min_value"], settings["max_value"]
        return Range(low, high, log=settings["sampling"] == "log") if low < high else None
    values = settings.get("values", [False, True] if each.kind == "Boolean" else [])
    if len(values) < 2:
        return None
    if isinstance(values[0], str) and not all(value.isprintable() and 0 < len(value) <= 200 for value in values):
        return None
    if isinstance(values[0], (str, bool)) or not settings["ordered"]:
        return Choice(tuple(values))
    return Range(min(values), max(values))


def is_same(a: Hyperparameter, b: Hyperparameter) -> bool:
    """Whether both have the same values, with the same genes."""
    return (a.kind, a.domain, a.options, a.ends) == (b.kind, b.domain, b.options, b.ends)


def widen(known: Hyperparameter, asked: Hyperparameter) -> Hyperparameter | None:
    """A hyperparameter with the values of both; None if they are incompatible or one is fixed."""
    if known.kind != asked.kind or known.kind == "Fixed":
        return None
    one, other = dict(known.settings), dict(asked.settings)
    try:
        if known.kind in ("Int", "Float"):
            low, high = min(one["min_value"], other["min_value"]), max(one["max_value"], other["max_value"])
            step = one["step"] if one["step"] == other["step"] else None
            sampling = one["sampling"] if one["sampling"] == other["sampling"] else "linear"
            return number(known.kind, known.name, low, high, step, sampling, known.default, known.conditions)
        if known.kind == "Choice":
            values = [*one["values"], *(value for value in other["values"] if value not in one["values"])]
            ordered = bool(one["ordered"] and other["ordered"])
            return choice(known.name, values, ordered, known.default, known.conditions)
    except InputError:
        return None
    return known


def _place(
    kind: str,
    name: str,
    conditions: tuple[Condition, ...],
    default: Any,
    values: Sequence[Any],
    settings: tuple[tuple[str, Any], ...],
) -> Hyperparameter:
    """A hyperparameter whose gene is the index of its value."""
    last = len(values) - 1
    domain: Domain = Range(0, last) if last else Choice((0,))
    return Hyperparameter(kind, name, conditions, default, domain, settings, tuple(values))


def _steps(kind: str, low: Any, high: Any, step: Any, sampling: str) -> list[Any]:
    # A small tolerance, so that 0.1 + 9 * 0.1 reaches 1.0.
    if sampling == "linear":
        count = math.floor((high - low) / step + 1e-8) + 1
    else:
        count = int(math.log(high / low, step) + 1e-8) + 1
    if count > MAX_OPTIONS**2:
        raise InputError(
            f"step must give at most {MAX_OPTIONS**2} values, not {count}: leave it out, or make it larger"
        )
    indices = range(count)
    if sampling == "linear":
        return [_to_python(kind, low + index * step) for index in indices]
    powers = [low * step**index for index in indices]
    if sampling == "log":
        return [_to_python(kind, power) for power in powers]
    return [_to_python(kind, high + low - power) for power in reversed(powers)]


def _to_python(kind: str, value: float) -> Any:
    return int(value) if kind == "Int" else float(value)


def _end(kind: str, name: str, value: Any) -> Any:
    """Converts a bound to a Python number."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    if not real or (kind == "Int" and int(value) != value):
        raise InputError(f"{name!r} must have {'whole ' if kind == 'Int' else ''}numbers, not {value!r}: correct it")
    return _to_python(kind, value)


def _plain(value: Any) -> Any:
    """Converts numpy scalars to Python values."""
    return value.item() if isinstance(value, np.generic) else value
