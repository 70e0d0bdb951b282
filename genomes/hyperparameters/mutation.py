"""Mutations of hyperparameter genomes: pure functions of a genome's values, which return None if they do not apply.

A child is a member of the space and differs from its parent. Genes that become active are sampled, genes that become
inactive are dropped. One row in `MUTATIONS` registers a mutation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from genomes.domains import Choice, Range, Value
from genomes.gene import Gene

__all__ = ["MUTATIONS", "Mutation", "Values", "applies_to", "complete_values"]

Values = dict[str, Value]
Mutation = Callable[[Values, Sequence[Gene], np.random.Generator], Values | None]


def complete_values(values: Values, genes: Sequence[Gene], rng: np.random.Generator) -> Values:
    """The values of all active genes; missing ones are sampled."""
    whole: Values = {}
    for gene in genes:
        if gene.is_active(whole):
            whole[gene.name] = values[gene.name] if gene.name in values else gene.domain.sample(rng)
    return whole


def step_number(values: Values, genes: Sequence[Gene], rng: np.random.Generator) -> Values | None:
    """Varies one number of a range, most likely by a small step."""
    return _vary(values, _movable(values, genes, Range), 1, rng)


def step_numbers(values: Values, genes: Sequence[Gene], rng: np.random.Generator) -> Values | None:
    """Varies several numbers of ranges: each with probability 1/2, at least two."""
    movable = _movable(values, genes, Range)
    return _vary(values, movable, max(2, int(rng.binomial(len(movable), 0.5))), rng)


def change_option(values: Values, genes: Sequence[Gene], rng: np.random.Generator) -> Values | None:
    """Selects another option of a choice."""
    return _vary(values, _movable(values, genes, Choice), 1, rng)


def redraw_gene(values: Values, genes: Sequence[Gene], rng: np.random.Generator) -> Values | None:
    """Samples one gene again from its domain."""
    movable = _movable(values, genes, object)
    if not movable:
        return None
    gene = movable[int(rng.integers(len(movable)))]
    drawn = gene.domain.sample(rng)
    return values | {gene.name: drawn if drawn != values[gene.name] else gene.domain.vary(drawn, rng)}


MUTATIONS: Mapping[str, Mutation] = MappingProxyType(
    {function.__name__: function for function in (step_number, step_numbers, change_option, redraw_gene)}
)

#: Mutation -> the type of domain that it varies, and the number of such genes that it needs.
_MOVES: Mapping[str, tuple[type, int]] = MappingProxyType(
    {"step_number": (Range, 1), "step_numbers": (Range, 2), "change_option": (Choice, 1), "redraw_gene": (object, 1)}
)


def applies_to(mutation: str, genes: Sequence[Gene]) -> bool:
    """Whether the mutation applies to a space with these genes."""
    domain, count = _MOVES[mutation]
    return sum(isinstance(gene.domain, domain) and not gene.domain.is_fixed for gene in genes) >= count


def _movable(values: Values, genes: Sequence[Gene], domain: type) -> list[Gene]:
    """The active genes with such a domain that are not fixed."""
    free = [gene for gene in genes if gene.name in values and not gene.domain.is_fixed]
    return [gene for gene in free if isinstance(gene.domain, domain)]


def _vary(values: Values, movable: Sequence[Gene], count: int, rng: np.random.Generator) -> Values | None:
    """The values with `count` of these genes varied; None if there are fewer."""
    if len(movable) < count:
        return None
    moved = (movable[place] for place in rng.permutation(len(movable))[:count].tolist())
    return values | {gene.name: gene.domain.vary(values[gene.name], rng) for gene in moved}
