"""Crossover of networks of stages of blocks: stages are spliced, the other genes mixed one by one. Pure functions."""

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
    """The first stages of `a` and the last of `b`, cut where the space allows what comes of it; of the genes that a
    network has once each is of one parent or the other, of the only one in which it acts, if so.
    """
    counts = space.domain("stages")
    cuts = [
        (i, j)
        for i in range(len(a.stages) + 1)
        for j in range(len(b.stages) + 1)
        if counts.contains(i + len(b.stages) - j)
    ]
    i, j = cuts[int(rng.integers(len(cuts)))]  # never empty: all of `a` and nothing of `b` is one
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
