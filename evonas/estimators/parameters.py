"""`Parameters`: conversion of `RandomizedSearchCV` distributions to genes, and back. Does not import scipy."""

from __future__ import annotations

import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from genomes import HyperparameterSpace
from genomes.domains import MAX_OPTIONS, Choice, Domain, Range
from genomes.errors import InputError
from genomes.gene import Gene

__all__ = ["Parameters", "read_parameters"]

#: scipy distribution that becomes a range -> whether its scale is logarithmic.
_RANGES = {"uniform": False, "randint": False, "loguniform": True, "reciprocal": True}
#: Minimum length of a list of numbers that is treated as ordered.
_MANY = 8
#: Number of draws that represent a distribution that can only be sampled.
_DRAWS = 200
#: Quantiles at which distributions are truncated.
_TAIL = 1e-3


@dataclass(frozen=True, eq=False)
class Parameter:
    """One parameter.

    Attributes:
        gene: domain, with a condition if there is one.
        options: values by index, if the gene is an index; empty if it is the value itself.
        quantile: function that maps a gene in (0, 1) to the value.
    """

    gene: Any
    options: tuple[Any, ...] = ()
    quantile: Any = None

    def value(self, gene: Any) -> Any:
        """The value that the gene encodes, as a plain Python value."""
        if self.options:
            return self.options[gene]
        return _plain(self.quantile(gene)) if self.quantile is not None else gene


@dataclass(frozen=True, eq=False)
class Parameters:
    """All parameters of a search, by name."""

    known: Mapping[str, Parameter]

    @cached_property
    def genes(self) -> dict[str, str]:
        """Gene name -> parameter name."""
        names: dict[str, str] = {}
        for name in self.known:
            plain = re.sub(r"\W", "_", name, flags=re.ASCII)[:80]
            plain = plain if re.match("[A-Za-z]", plain) else f"p_{plain}"
            while plain in names or plain in ("get", "items", "keys", "values", "pairs"):
                plain += "_"
            names[plain] = name
        return names

    @cached_property
    def space(self) -> HyperparameterSpace:
        """The space of the genes. Raises InputError if a gene is invalid."""
        return HyperparameterSpace({gene: self.known[name].gene for gene, name in self.genes.items()})

    @property
    def identity(self) -> dict[str, list[Any]]:
        """The definition of the parameters beyond the genes: the options of indices, and some quantiles of
        distributions.
        """
        return {
            name: [each.value(place) for place in (0.1, 0.5, 0.9)] if each.quantile else list(each.options)
            for name, each in self.known.items()
        }

    def __call__(self, genes: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a genome, by name: plain Python ints, floats and texts, or the given options."""
        return {name: self.known[name].value(genes[gene]) for gene, name in self.genes.items() if gene in genes}


def read_parameters(space: Any, seed: int) -> Parameters:
    """Reads the parameters of a search.

    Args:
        space: name -> a scipy distribution, a list, a range, an array, a single value, or a gene of
            `genomes.HyperparameterSpace`.
        seed: seed for distributions that can only be sampled.

    Raises:
        InputError: the space is not a mapping, or a value has another type.
    """
    if isinstance(space, HyperparameterSpace):
        return Parameters({gene.name: Parameter(gene) for gene in space.genes})
    if not isinstance(space, Mapping) or not space or not all(isinstance(name, str) for name in space):
        raise InputError(
            f"space must be a mapping from names to distributions or lists, not {space!r:.80}: such as "
            '{"units": [16, 32]}'
        )
    return Parameters({name: _read(name, value, seed) for name, value in space.items()})


def _read(name: str, value: Any, seed: int) -> Parameter:
    if isinstance(value, (Range, Choice, Gene, Mapping)):
        return Parameter(value)
    if hasattr(value, "dist") and hasattr(value, "support") and getattr(value.dist, "name", "") in _RANGES:
        kind = int if value.dist.name == "randint" else float
        low, high = (kind(end) for end in value.support())
        return Parameter(low if low == high else Range(low, high, log=_RANGES[value.dist.name]))
    if callable(getattr(value, "ppf", None)):
        return Parameter(Range(_TAIL, 1 - _TAIL), quantile=value.ppf)
    if callable(getattr(value, "rvs", None)):
        return _list(name, np.asarray(value.rvs(size=_DRAWS, random_state=seed)).tolist())
    if isinstance(value, np.ndarray):
        return _list(name, value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return _list(name, [_plain(option) for option in value])
    if isinstance(value, (str, bool, numbers.Real, type(None))) or np.ndim(value) == 0:
        return _list(name, [_plain(value)])
    raise InputError(f"space of {name!r} must be a distribution, a list or a range, not {value!r:.80}: give one")


def _list(name: str, values: list[Any]) -> Parameter:
    """A list of values, encoded as the rank for many numbers, as the values themselves for plain values, else as the
    index.
    """
    if not values:
        raise InputError(f"space of {name!r} must have at least one value, not []: add one, or leave it out")
    kinds = {type(value) for value in values}
    if (kinds <= {int, float, str} and len(kinds) == 1) or kinds == {bool}:
        values = list(dict.fromkeys(values))
        words = kinds == {str}
        if kinds <= {int, float} and len(values) > _MANY:
            values = sorted(values)
            return Parameter(Range(0, len(values) - 1), options=tuple(values))
        if not words or all(value.isprintable() and 0 < len(value) <= 200 for value in values):
            return Parameter(Choice(tuple(values)))
    if len(values) > MAX_OPTIONS:
        raise InputError(f"space of {name!r} must have at most {MAX_OPTIONS} values, not {len(values)}: leave some out")
    domain: Domain = Choice(tuple(range(len(values))))
    return Parameter(domain, options=tuple(values))


def _plain(value: Any) -> Any:
    """Converts numpy scalars to Python numbers, since Keras rejects others."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    return value.item() if isinstance(value, np.generic) else value
