"""Crossover of staged networks: stages are spliced, all other genes are mixed uniformly. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genomes.staged.genome import Stage
from genomes.staged.rows import complete_block
from genomes.staged.sampling import draw

if TYPE_CHECKING:
    from genomes.staged.space import StagedSpace

__all__ = ["splice_stages"]


def splice_stages(a: Any, b: Any, space: StagedSpace, rng: np.random.Generator) -> Any:
    """The first stages of `a` and the last stages of `b`, cut where the space allows the result. Each network gene is
    taken from a random parent, or from the only one in which it is active.
    """
    counts = space.domain("stages")
    cuts = [
        (i, j)
        for i in range(len(a.stages) + 1)
        for j in range(len(b.stages) + 1)
        if counts.contains(i + len(b.stages) - j)
    ]
    i, j = cuts[int(rng.integers(len(cuts)))]  # never empty: keeping all of `a` and none of `b` is valid
    stages: tuple[Stage, ...] = (*a.stages[:i], *b.stages[j:])
    encoding = space.encoding
    first, second = encoding.once_values(a), encoding.once_values(b)
    mixed = {**second, **first}
    coins = rng.random(len(encoding.once)).tolist()
    for name, coin in zip(encoding.once, coins, strict=True):
        if coin < 0.5 and name in second:
            mixed[name] = second[name]
    values = complete_block(encoding.once, mixed, lambda name: draw(space, name, rng), {"stages": len(stages)})
    return encoding.from_parts(stages, values)
