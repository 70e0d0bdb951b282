"""Staged genomes as named values, for methods that do not know blocks: the genes of a space, and conversion both ways.

Genes of a stage carry its number ("blocks_2"), genes of a block those of the stage and the block ("filters_2_1"); they
are active if the network has that many. Every choice of values, in the order of the genes, yields a genome.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from genomes.domains import Value
from genomes.gene import Condition, Gene, drop_inactive
from genomes.staged.genome import Stage
from genomes.staged.rows import GeneRow, complete_block

if TYPE_CHECKING:
    from genomes.staged.space import StagedSpace

__all__ = ["from_values", "genes", "values"]


def genes(space: StagedSpace) -> tuple[Gene, ...]:
    """The genes that are not fixed, each after those in its condition."""
    found = [Gene(space.domain("stages"), (), "stages")]
    for k in range(1, space.max_stages + 1):
        there = _at_least(space, "stages", "stages", k)
        found.append(Gene(space.domain("blocks"), there, f"blocks_{k}"))
        found += _holder_genes(space, space.encoding.stage, there, f"_{k}")
        for j in range(1, space.max_blocks + 1):
            # Even if the minimum number of blocks implies the block, its stage must exist.
            both = (*there, *_at_least(space, "blocks", f"blocks_{k}", j))
            found += _holder_genes(space, space.encoding.block, both, f"_{k}_{j}")
    return (*found, *_holder_genes(space, space.encoding.once, (), ""))


def values(space: StagedSpace, genome: Any) -> dict[str, Value]:
    """The values of the genes that are active in the genome."""
    encoding = space.encoding
    found: dict[str, Value] = {"stages": len(genome.stages), **encoding.once_values(genome)}
    for k, stage in enumerate(genome.stages, start=1):
        found |= {f"blocks_{k}": len(stage.blocks)}
        found |= {f"{name}_{k}": value for name, value in encoding.stage_values(stage).items()}
        for j, block in enumerate(stage.blocks, start=1):
            found |= {f"{name}_{k}_{j}": value for name, value in encoding.block_values(block).items()}
    return {gene.name: found[gene.name] for gene in space.genes if gene.name in found}


def from_values(space: StagedSpace, given: Mapping[str, Value]) -> Any:
    """The genome with these values, as `StagedSpace.from_values`."""
    active = drop_inactive(space.genes, given)
    encoding, count = space.encoding, int(active["stages"])
    stages = tuple(
        Stage(
            tuple(
                encoding.block_class(**_holder(encoding.block, active, f"_{k}_{j}"))
                for j in range(1, int(active[f"blocks_{k}"]) + 1)
            ),
            **_holder(encoding.stage, active, f"_{k}"),
        )
        for k in range(1, count + 1)
    )
    return encoding.from_parts(stages, _holder(encoding.once, active, "", {"stages": count}))


def _holder(
    rows: Mapping[str, GeneRow], active: Mapping[str, Value], suffix: str, beside: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """The values of all genes of one holder."""
    own = {name: active[name + suffix] for name in rows if name + suffix in active}
    return complete_block(rows, own, own.__getitem__, beside)


def _holder_genes(space: StagedSpace, rows: Mapping[str, GeneRow], there: Condition, suffix: str) -> Iterator[Gene]:
    """The genes of one holder that are active in some genome of the space."""
    for name, row in rows.items():
        if space.acts(name):
            own = tuple(
                (other if other == "stages" else other + suffix, domain)
                for other, domain in row.when
                if not space.always_meets(other, domain)
            )
            yield Gene(space.domain(name), (*there, *own), name + suffix)


def _at_least(space: StagedSpace, gene: str, name: str, count: int) -> Condition:
    """The condition that there are at least `count` of them; empty if it always holds."""
    enough = space.domain(gene).restrict(low=count)
    return () if enough is None or space.domain(gene).least >= count else ((name, enough),)
