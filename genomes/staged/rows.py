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
        kind: valid values.
        idle: its value where it is inactive.
        when: earlier genes of the same holder, and the values for which it is active; for genes of the network also
            "stages", their number.
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
        name: in files.
        block, stage, network, training: gene -> row, of each holder; the fields of its class, in their order.
        block_class, genome_class, training_class: that hold the genes.
        width: the gene of a block that says how wide it is.
        moves: mutation -> genes of one holder, of which it changes one.
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
        """Genes that a network has once, those of training among them."""
        return {**self.network, **self.training}

    @cached_property
    def rows(self) -> Mapping[str, GeneRow]:
        """All genes."""
        return {**self.block, **self.stage, **self.once}

    def block_values(self, block: Any) -> dict[str, Value]:
        """The block's genes that act."""
        return active_values(self.block, {name: getattr(block, name) for name in self.block})

    def stage_values(self, stage: Any) -> dict[str, Value]:
        """The stage's genes that act, without its blocks."""
        return active_values(self.stage, {name: getattr(stage, name) for name in self.stage})

    def once_values(self, genome: Any) -> dict[str, Value]:
        """The genes that the network has once and that act."""
        held = {name: getattr(genome, name) for name in self.network}
        held |= {name: getattr(genome.training, name) for name in self.training}
        return active_values(self.once, held, {"stages": len(genome.stages)})

    def from_parts(self, stages: tuple[Stage, ...], values: Mapping[str, Value]) -> Any:
        """The genome of these stages and of these genes of the network, which have to be all."""
        training = self.training_class(**{name: values[name] for name in self.training})
        return self.genome_class(stages=stages, training=training, **{name: values[name] for name in self.network})


def active_values(
    rows: Mapping[str, GeneRow], values: Mapping[str, Value], beside: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """The values of the active genes.

    Args:
        rows: genes of one holder.
        values: of all of them.
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
    """The values of all genes: missing active ones are drawn, inactive ones are idle.

    Args:
        rows: genes of one holder.
        values: of some of them.
        draw: samples a value of a gene.
        beside: as in `active_values`.
    """
    known = dict(beside or {})
    found = {name: row.idle for name, row in rows.items()}
    for name in _active(rows, known):
        found[name] = known[name] = values[name] if name in values else draw(name)
    return found


def _active(rows: Mapping[str, GeneRow], known: dict[str, Value]) -> Iterator[str]:
    """Yields active genes given the `known` values, to which the caller adds each one."""
    for name, row in rows.items():
        if not row.when or all(other in known and domain.contains(known[other]) for other, domain in row.when):
            yield name
