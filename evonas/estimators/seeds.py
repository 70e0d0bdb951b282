"""`seed_of`: conversion of scikit-learn's `random_state` to the seed of a run."""

from __future__ import annotations

import numbers
from typing import Any

from evonas.seeds import draw_seed
from genomes.errors import InputError

__all__ = ["seed_of"]


def seed_of(random_state: Any) -> int:
    """The seed: an integer itself, a number drawn from a numpy generator, or a fresh seed for None.

    Raises:
        InputError: the value is not one of these.
    """
    if random_state is None:
        return draw_seed()
    if isinstance(random_state, numbers.Integral):
        if int(random_state) < 0:
            raise InputError(f"random_state must be at least 0, not {random_state}: choose another")
        return int(random_state)
    for draw in ("randint", "integers"):
        if hasattr(random_state, draw):
            return int(getattr(random_state, draw)(1 << 31))
    raise InputError(f"random_state must be None, a whole number or a RandomState, not {random_state!r:.80}: give one")
