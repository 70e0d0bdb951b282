"""Parsing and validation of genes: their kinds, domains and conditions."""

from __future__ import annotations

import numbers
import re
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from genomes.checks import Kind, Real, Truth, Whole, Word, format_value, refuse, suggestion, table
from genomes.domains import MAX_OPTIONS, Choice, Domain, Range, read_domain
from genomes.errors import InputError
from genomes.gene import Condition, Gene
from genomes.hyperparameters.genome import HyperparameterGenome

__all__ = ["kind_of", "read_genes"]

MAX_GENES = 1000

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_TAKEN = frozenset(name for name in dir(HyperparameterGenome) if not name.startswith("_")) | {"pairs"}
_LARGEST_WHOLE = 2**53  # beyond this, floats cannot represent all integers
_WHOLE = Whole(-_LARGEST_WHOLE, _LARGEST_WHOLE)
_REAL = Real(-1e300, 1e300)
_ENDS = ("low", "high", "log", "zero")
#: Supported scipy distribution -> whether its scale is logarithmic.
_SCIPY = {"uniform": False, "randint": False, "loguniform": True, "reciprocal": True}


def read_genes(value: Any) -> tuple[Gene, ...]:
    """The genes in topological order of their conditions, else sorted by name.

    Raises:
        InputError: a gene is not a domain, or a condition can never hold; the message names the gene, the value and the
        fix.
    """
    if not isinstance(value, Mapping):
        refuse("genes", "a table from names to domains", value)
    if not 1 <= len(value) <= MAX_GENES:
        raise InputError(
            f"genes must be 1 to {MAX_GENES} in number, not {len(value)}: name those that the search may change"
        )
    for name in value:
        _check_name(name)
    drafts = {name: _split_gene(value[name], f"genes.{name}") for name in sorted(value)}
    domains = {name: _read(draft, f"genes.{name}") for name, (draft, _, _) in drafts.items()}
    genes = {
        name: Gene(
            domains[name],
            _read_condition(when, domains, f"genes.{name}.when"),
            name,
            Truth().read(optional, f"genes.{name}.optional"),
        )
        for name, (_, when, optional) in drafts.items()
    }
    try:
        order = TopologicalSorter({name: [other for other, _ in gene.when] for name, gene in genes.items()})
        return tuple(genes[name] for name in order.static_order())
    except CycleError as error:
        circle = " on ".join(error.args[1])
        raise InputError(
            f"genes must not depend on themselves, as in {circle}: remove one of these conditions"
        ) from None


def kind_of(domain: Domain) -> Kind:
    """The kind of the domain's values."""
    return _kind((domain.low, domain.high) if isinstance(domain, Range) else domain.options, "domain")


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"genes must have names of letters, digits and _ such as learning_rate, not {format_value(name)}"
        )
    if name in _TAKEN:
        raise InputError(f"genes must not be named {name!r}, which is a method of mappings: use {name}_ or similar")


def _split_gene(value: Any, place: str) -> tuple[Any, Any, Any]:
    """The JSON of the domain and of the condition, and whether genomes may lack the gene."""
    if isinstance(value, Gene):
        return value.domain, dict(value.when) if _is_condition(value.when) else value.when, value.optional
    if isinstance(value, Mapping):
        when, optional = value.get("when", {}), value.get("optional", False)
        if "options" in value:
            table(value, place, ("options", "when", "optional"))
            return value["options"], when, optional
        return {key: part for key, part in value.items() if key not in ("when", "optional")}, when, optional
    return value, {}, False


def _is_condition(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)


def _read(value: Any, place: str) -> Domain:
    """Reads a domain given as such, as a scipy distribution, a numpy array, a list, or a single value."""
    if hasattr(value, "dist") and hasattr(value, "support"):
        value = _range_from_scipy(value, place)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        table(value, place, _ENDS, required=("low", "high"))
        value = Range(**value)
    if isinstance(value, Range):
        whole = all(isinstance(end, numbers.Integral) for end in (value.low, value.high))
        return read_domain(value, _WHOLE if whole else _REAL, place)
    if isinstance(value, Choice):
        value = value.options
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        options = list(value[: MAX_OPTIONS + 1])  # a `range` may be huge
        return read_domain(options, _kind(options, place), place)
    return read_domain(value, _kind([value], place), place)


def _kind(values: Sequence[Any], place: str) -> Kind:
    if all(isinstance(value, str) for value in values):
        for value in values:
            if not value.isprintable() or len(value) > 200:
                refuse(place, "names of printable characters, at most 200", value)
        return Word(tuple(values))
    if any(isinstance(value, bool) or type(value).__name__ == "bool" for value in values):
        return Truth()
    if all(isinstance(value, numbers.Integral) for value in values):
        return _WHOLE
    if all(isinstance(value, numbers.Real) for value in values):
        return _REAL
    what = "a range, or values that are all numbers, all names or all true and false"
    refuse(place, what, values[0] if len(values) == 1 else list(values), 'for none write a name such as "none"')


def _range_from_scipy(value: Any, place: str) -> Range:
    name = str(getattr(value.dist, "name", ""))
    if name not in _SCIPY:
        refuse(place, f"a range, a list or one of scipy's {', '.join(_SCIPY)}", name)
    low, high = value.support()
    kind = int if name == "randint" else float
    return Range(kind(low), kind(high), log=_SCIPY[name])


def _read_condition(value: Any, domains: Mapping[str, Domain], place: str) -> Condition:
    if not isinstance(value, Mapping):
        refuse(place, "a table from genes to the values that they must have", value)
    condition = []
    for name in sorted(value, key=str):
        if name not in domains:
            raise InputError(f"{place} must name genes, not {format_value(name)}: {suggestion(name, domains)}")
        condition.append((name, _read_values(value[name], domains[name], f"{place}.{name}")))
    return tuple(condition)


def _read_values(value: Any, domain: Domain, place: str) -> Domain:
    """Reads a set of values of another gene; a range without one of its ends has that of the gene."""
    if isinstance(value, Mapping) and isinstance(value.get("low", 0), numbers.Real):
        table(value, place, _ENDS)
        value = {"low": domain.least, "high": domain.greatest, **value}
        if value["low"] == value["high"]:
            value = value["low"]
    values = read_domain(value, kind_of(domain), place)
    for part in values.options if isinstance(values, Choice) else ():
        if not domain.contains(part):
            refuse(place, f"among the values of that gene ({format_value(_text(domain))})", part)
    if isinstance(values, Range) and domain.restrict(values.low, values.high) is None:
        refuse(place, f"a range that meets that of the gene ({format_value(_text(domain))})", _text(values))
    return values


def _text(domain: Domain) -> Any:
    return [domain.low, domain.high] if isinstance(domain, Range) else list(domain.options)
