"""Functions for the mutations of all encodings: the order in which they are tried, and the step of a learning rate."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from genomes.checks import format_value, suggestion
from genomes.domains import Domain, Range
from genomes.errors import InputError

__all__ = ["mutation_order", "scale_rate"]

#: Standard deviation of the log of the factor by which a learning rate is scaled.
LEARNING_RATE_SIGMA = 0.5


def mutation_order(
    operator: str | None, known: Collection[str], allowed: Sequence[str], rng: np.random.Generator
) -> Iterator[str]:
    """The mutations to try until one applies: the given one first, then all allowed ones in random order.

    Args:
        operator: mutation to try first; a random one if empty.
        known: names of all mutations.
        allowed: names of the mutations that apply to the space.
        rng: generator for the order; used only when needed.

    Raises:
        InputError: there is no such mutation.
    """
    if operator is not None:
        if operator not in known:
            raise InputError(
                f"operator must be a mutation, not {format_value(operator)}: {suggestion(operator, known)}"
            )
        yield operator
    names = list(allowed)
    rng.shuffle(names)
    yield from names


def scale_rate(domain: Domain, rate: float, rng: np.random.Generator) -> float:
    """The learning rate times a log-normal factor, within its range, or another option of a choice."""
    scaled = rate
    if isinstance(domain, Range):
        scaled = float(domain.clip(rate * math.exp(LEARNING_RATE_SIGMA * rng.standard_normal())))
    return scaled if scaled != rate else float(domain.vary(rate, rng))
