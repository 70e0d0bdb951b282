"""Mutations of staged networks: pure functions `(genome, space, rng) -> genome`.

They return None if they do not apply. A child is a member of the space and differs from its parent. Mutations of genes
are derived from the encoding's table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from genomes.domains import Domain, Value
from genomes.operators import scale_rate
from genomes.staged.genome import Stage
from genomes.staged.rows import Encoding, complete_block
from genomes.staged.sampling import draw, sample_block, sample_stage
from genomes.training import replace_fields

if TYPE_CHECKING:
    from genomes.staged.space import StagedSpace

__all__ = ["MOVED", "Mutation", "change_idle", "mutations_of"]

Mutation = Callable[[Any, "StagedSpace", np.random.Generator], Any]

T = TypeVar("T")


def insert_block(genome: Any, space: StagedSpace, rng: np.random.Generator) -> Any:
    """Inserts a new block, as wide as its neighbour, into a stage; several if the space does not allow exactly one
    more.
    """

    def insert(blocks: list[Any]) -> None:
        at = int(rng.integers(len(blocks) + 1))
        width = space.encoding.width
        beside = getattr(blocks[min(at, len(blocks) - 1)], width)
        blocks.insert(at, sample_block(space, rng, {width: beside}))

    return _with_blocks(genome, space, rng, insert, 1)


def duplicate_block(genome: Any, space: StagedSpace, rng: np.random.Generator) -> Any:
    """Inserts a copy of a block after it; several copies if the space does not allow exactly one more."""

    def duplicate(blocks: list[Any]) -> None:
        at = int(rng.integers(len(blocks)))
        blocks.insert(at, blocks[at])

    return _with_blocks(genome, space, rng, duplicate, 1)


def remove_block(genome: Any, space: StagedSpace, rng: np.random.Generator) -> Any:
    """Removes a block from a stage; several if the space does not allow exactly one less."""
    return _with_blocks(genome, space, rng, lambda blocks: blocks.pop(int(rng.integers(len(blocks)))), -1)


def insert_stage(genome: Any, space: StagedSpace, rng: np.random.Generator) -> Any:
    """Inserts a new stage, as wide as its neighbour; several if the space does not allow exactly one more."""

    def insert(stages: list[Stage]) -> None:
        at, width = int(rng.integers(len(stages) + 1)), space.encoding.width
        beside = {width: getattr(stages[min(at, len(stages) - 1)].blocks[0], width)} if stages else {}
        stages.insert(at, sample_stage(space, rng, beside or {width: draw(space, width, rng)}))

    return _with_stages(genome, space, rng, insert, 1)


def duplicate_stage(genome: Any, space: StagedSpace, rng: np.random.Generator) -> Any:
    """Inserts a copy of a stage after it; several copies if the space does not allow exactly one more."""
    if not genome.stages:
        return None

    def duplicate(stages: list[Stage]) -> None:
        at = int(rng.integers(len(stages)))
        stages.insert(at, stages[at])

    return _with_stages(genome, space, rng, duplicate, 1)


def remove_stage(genome: Any, space: StagedSpace, rng: np.random.Generator) -> Any:
    """Removes a stage; several if the space does not allow exactly one less."""
    return _with_stages(genome, space, rng, lambda stages: stages.pop(int(rng.integers(len(stages)))), -1)


def scale_learning_rate(genome: Any, space: StagedSpace, rng: np.random.Generator) -> Any:
    """Multiplies the learning rate by a log-normal factor, within its range; picks another option of a choice."""
    domain = space.domain("learning_rate")
    if domain.is_fixed:
        return None
    training = genome.training
    rate = scale_rate(domain, training.learning_rate, rng)
    return replace_fields(genome, training=replace_fields(training, learning_rate=rate))


def change_idle(genome: Any, space: StagedSpace, rng: np.random.Generator) -> Any:
    """Changes a gene that does not affect the network, used if nothing else can change."""
    encoding = space.encoding
    values = encoding.once_values(genome)
    for name in values:
        if space.is_free(name):
            return _with_network_gene(genome, space, rng, name, values)
    return None


_STRUCTURAL: tuple[Mutation, ...] = (
    insert_block,
    remove_block,
    duplicate_block,
    insert_stage,
    remove_stage,
    duplicate_stage,
)

#: Mutation common to all encodings -> the settings of a space that it changes.
MOVED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{function.__name__: (function.__name__.partition("_")[2] + "s",) for function in _STRUCTURAL},
        "scale_learning_rate": ("learning_rate",),
    }
)


def mutations_of(encoding: Encoding) -> Mapping[str, Mutation]:
    """All mutations of an encoding, by name."""
    functions = {function.__name__: function for function in (*_STRUCTURAL, scale_learning_rate)}
    return MappingProxyType({**functions, **{name: _move(encoding, genes) for name, genes in encoding.moves.items()}})


def _move(encoding: Encoding, genes: tuple[str, ...]) -> Mutation:
    """The mutation that varies one of these genes in a random holder."""
    if genes[0] in encoding.block:
        return lambda genome, space, rng: _move_block(genome, space, rng, genes)
    if genes[0] in encoding.stage:
        return lambda genome, space, rng: _move_stage(genome, space, rng, genes)
    return lambda genome, space, rng: _move_network_gene(genome, space, rng, genes)


def _move_block(genome: Any, space: StagedSpace, rng: np.random.Generator, genes: Sequence[str]) -> Any:
    encoding = space.encoding
    free = [name for name in genes if space.is_free(name)]
    places = [
        (k, j, name)
        for k, stage in enumerate(genome.stages if free else ())
        for j, block in enumerate(stage.blocks)
        for name in encoding.block_values(block)
        if name in free
    ]
    for place in rng.permutation(len(places)).tolist():
        k, j, name = places[place]
        stage = genome.stages[k]
        values = encoding.block_values(stage.blocks[j])
        values[name] = space.domain(name).vary(values[name], rng)
        block = encoding.block_class(**complete_block(encoding.block, values, lambda other: draw(space, other, rng)))
        blocks = (*stage.blocks[:j], block, *stage.blocks[j + 1 :])
        child = _with_stage(genome, k, replace_fields(stage, blocks=blocks))
        if not encoding.block[name].subtle or space.digest(child) != space.digest(genome):
            return child
    return None


def _move_stage(genome: Any, space: StagedSpace, rng: np.random.Generator, genes: Sequence[str]) -> Any:
    free = [name for name in genes if space.is_free(name)]
    if not free or not genome.stages:
        return None
    k, name = int(rng.integers(len(genome.stages))), _pick(free, rng)
    stage = genome.stages[k]
    return _with_stage(genome, k, replace_fields(stage, **{name: space.domain(name).vary(getattr(stage, name), rng)}))


def _move_network_gene(genome: Any, space: StagedSpace, rng: np.random.Generator, genes: Sequence[str]) -> Any:
    encoding = space.encoding
    values = encoding.once_values(genome)
    free = [name for name in genes if name in values and space.is_free(name)]
    for place in rng.permutation(len(free)).tolist():
        child = _with_network_gene(genome, space, rng, free[place], values)
        if not encoding.once[free[place]].subtle or space.digest(child) != space.digest(genome):
            return child
    return None


def _with_network_gene(
    genome: Any, space: StagedSpace, rng: np.random.Generator, name: str, values: Mapping[str, Value]
) -> Any:
    """The genome with another value of a network gene; genes that become active are sampled."""
    moved = {**values, name: space.domain(name).vary(values[name], rng)}
    beside = {"stages": len(genome.stages)}
    whole = complete_block(space.encoding.once, moved, lambda other: draw(space, other, rng), beside)
    return space.encoding.from_parts(genome.stages, whole)


def _with_blocks(
    genome: Any, space: StagedSpace, rng: np.random.Generator, change: Callable[[list[Any]], object], direction: int
) -> Any:
    """The genome with more or fewer blocks in a stage where the space allows it."""
    domain = space.domain("blocks")
    places = [
        (k, count)
        for k, stage in enumerate(genome.stages)
        if (count := _next(domain, len(stage.blocks), direction)) is not None
    ]
    if not places:
        return None
    k, count = _pick(places, rng)
    blocks = list(genome.stages[k].blocks)
    while len(blocks) != count:
        change(blocks)
    return _with_stage(genome, k, replace_fields(genome.stages[k], blocks=tuple(blocks)))


def _with_stages(
    genome: Any, space: StagedSpace, rng: np.random.Generator, change: Callable[[list[Stage]], object], direction: int
) -> Any:
    """The genome with more or fewer stages if the space allows it; genes that become active are sampled."""
    count = _next(space.domain("stages"), len(genome.stages), direction)
    if count is None:
        return None
    stages = list(genome.stages)
    while len(stages) != count:
        change(stages)
    encoding = space.encoding
    values = encoding.once_values(genome)
    whole = complete_block(encoding.once, values, lambda other: draw(space, other, rng), {"stages": count})
    return encoding.from_parts(tuple(stages), whole)


def _next(domain: Domain, count: int, direction: int) -> int | None:
    """The next larger or smaller number that is allowed; None if there is none."""
    if direction > 0:
        larger = domain.restrict(low=count + 1)
        return None if larger is None else int(larger.least)
    smaller = domain.restrict(high=count - 1)
    return None if smaller is None else int(smaller.greatest)


def _with_stage(genome: Any, place: int, stage: Stage) -> Any:
    return replace_fields(genome, stages=(*genome.stages[:place], stage, *genome.stages[place + 1 :]))


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]
