"""In which order a space tries its mutations. Knows their names only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from genomes.checks import shown, suggestion
from genomes.errors import InputError

__all__ = ["in_turn"]


def in_turn(
    operator: str | None, known: Collection[str], allowed: Sequence[str], rng: np.random.Generator
) -> Iterator[str]:
    """The mutations to be tried until one applies: the given one, then all that are allowed, in random order.

    Args:
        operator: what is tried first; none for a random one.
        known: every mutation that there is.
        allowed: those that can change something in the space.
        rng: of the order; drawn from only when it is needed.

    Raises:
        InputError: there is no such mutation.
    """
    if operator is not None:
        if operator not in known:
            raise InputError(f"operator must be a mutation, not {shown(operator)}: {suggestion(operator, known)}")
        yield operator
    names = list(allowed)
    rng.shuffle(names)
    yield from names
