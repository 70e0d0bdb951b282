"""The table that defines an encoding of stages: its genes, and the classes that hold them.

A gene belongs to a block, a stage, or the network (including its training). It may be active only for some values of
other genes; inactive genes have their `idle` value, so that equal networks are equal genomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from genomes.checks import Kind
from genomes.domains import Value
from genomes.gene import Condition
from genomes.staged.genome import Stage

__all__ = ["Encoding", "GeneRow", "active_values", "complete_block"]


@dataclass(frozen=True)
class GeneRow:
    """A gene.

    Attributes:
        kind: kind of its values.
        idle: its value where it is inactive.
        when: earlier genes of the same holder and the values for which it is active; for network genes also "stages",
            the number of stages.
        subtle: whether another value may leave the network unchanged, so that mutations must check.
        usually_off: the share of random networks in which it is off (its `idle` value), if the space allows that.
    """

    kind: Kind
    idle: Value
    when: Condition = ()
    subtle: bool = False
    usually_off: float = 0.0


@dataclass(frozen=True)
class Encoding:
    """An encoding of stages of blocks.

    Attributes:
        name: name of the encoding in files.
        block, stage, network, training: gene -> row, for each holder; the fields of its class, in order.
        block_class, genome_class, training_class: classes that hold the genes.
        width: block gene that determines the block's width.
        moves: mutation -> genes of one holder, one of which it changes.
        layer_kinds: layer kinds of its networks.
    """

    name: str
    block: Mapping[str, GeneRow]
    stage: Mapping[str, GeneRow]
    network: Mapping[str, GeneRow]
    training: Mapping[str, GeneRow]
    block_class: Callable[..., Any]
    genome_class: Callable[..., Any]
    training_class: Callable[..., Any]
    width: str
    moves: Mapping[str, tuple[str, ...]]
    layer_kinds: frozenset[str]

    @cached_property
    def once(self) -> Mapping[str, GeneRow]:
        """Genes of the network as a whole, including those of training."""
        return {**self.network, **self.training}

    @cached_property
    def rows(self) -> Mapping[str, GeneRow]:
        """All genes."""
        return {**self.block, **self.stage, **self.once}

    def block_values(self, block: Any) -> dict[str, Value]:
        """The values of the block's active genes."""
        return active_values(self.block, {name: getattr(block, name) for name in self.block})

    def stage_values(self, stage: Any) -> dict[str, Value]:
        """The values of the stage's active genes, without its blocks."""
        return active_values(self.stage, {name: getattr(stage, name) for name in self.stage})

    def once_values(self, genome: Any) -> dict[str, Value]:
        """The values of the active genes of the network as a whole."""
        held = {name: getattr(genome, name) for name in self.network}
        held |= {name: getattr(genome.training, name) for name in self.training}
        return active_values(self.once, held, {"stages": len(genome.stages)})

    def from_parts(self, stages: tuple[Stage, ...], values: Mapping[str, Value]) -> Any:
        """The genome with these stages and network genes, which must be complete."""
        training = self.training_class(**{name: values[name] for name in self.training})
        return self.genome_class(stages=stages, training=training, **{name: values[name] for name in self.network})


def active_values(
    rows: Mapping[str, GeneRow], values: Mapping[str, Value], beside: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """The values of the active genes.

    Args:
        rows: genes of one holder.
        values: values of all of these genes.
        beside: values of genes of other holders that conditions may refer to.
    """
    known = dict(beside or {})
    found: dict[str, Value] = {}
    for name in _active(rows, known):
        found[name] = known[name] = values[name]
    return found


def complete_block(
    rows: Mapping[str, GeneRow],
    values: Mapping[str, Value],
    draw: Callable[[str], Value],
    beside: Mapping[str, Value] | None = None,
) -> dict[str, Value]:
    """The values of all genes: missing active genes are sampled, inactive ones are idle.

    Args:
        rows: genes of one holder.
        values: values of some of these genes.
        draw: function that samples a value of a gene.
        beside: as in `active_values`.
    """
    known = dict(beside or {})
    found = {name: row.idle for name, row in rows.items()}
    for name in _active(rows, known):
        found[name] = known[name] = values[name] if name in values else draw(name)
    return found


def _active(rows: Mapping[str, GeneRow], known: dict[str, Value]) -> Iterator[str]:
    """Yields the active genes given the `known` values, to which the caller adds each value."""
    for name, row in rows.items():
        if not row.when or all(other in known and domain.contains(known[other]) for other, domain in row.when):
            yield name
