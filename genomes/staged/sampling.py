"""Sampling from staged spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genomes.domains import Choice, Domain, Value
from genomes.staged.genome import Stage
from genomes.staged.rows import complete_block

if TYPE_CHECKING:
    from genomes.staged.space import StagedSpace

__all__ = ["draw", "sample", "sample_block", "sample_stage"]


def sample(space: StagedSpace, rng: np.random.Generator) -> Any:
    """A random genome. Later stages are not narrower than earlier ones; all blocks of a stage have the same width."""
    encoding = space.encoding
    count = int(space.domain("stages").sample(rng))
    widths = sorted(space.domain(encoding.width).sample(rng) for _ in range(count))
    stages = tuple(sample_stage(space, rng, {encoding.width: each}) for each in widths)
    values = complete_block(encoding.once, {}, lambda name: draw(space, name, rng), {"stages": count})
    return encoding.from_parts(stages, values)


def sample_stage(space: StagedSpace, rng: np.random.Generator, given: dict[str, Value]) -> Stage:
    """A random stage whose blocks have the given values."""
    count = int(space.domain("blocks").sample(rng))
    values = complete_block(space.encoding.stage, {}, lambda name: draw(space, name, rng))
    return Stage(tuple(sample_block(space, rng, given) for _ in range(count)), **values)


def sample_block(space: StagedSpace, rng: np.random.Generator, given: dict[str, Value]) -> Any:
    """A random block with the given values."""
    encoding = space.encoding
    return encoding.block_class(**complete_block(encoding.block, given, lambda name: draw(space, name, rng)))


def draw(space: StagedSpace, name: str, rng: np.random.Generator) -> Value:
    """A random value of a gene; a gene that is usually off is off with its given probability."""
    domain, row = space.domain(name), space.encoding.rows[name]
    if not row.usually_off or domain.is_fixed or not domain.contains(row.idle):
        return domain.sample(rng)
    return row.idle if rng.random() < row.usually_off else _on(domain, row.idle, rng)


def _on(domain: Domain, off: Value, rng: np.random.Generator) -> Value:
    """A random member other than `off`."""
    if isinstance(domain, Choice):
        return Choice(tuple(option for option in domain.options if option != off)).sample(rng)
    return domain.vary(off, rng)
