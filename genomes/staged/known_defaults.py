"""Published networks as genomes of a staged space, which a search can start from.

A recipe specifies values of genes; numbers are clipped to the ranges of a space, and the first valid of several names
is used. A space that lacks as many stages, or has none of the names, skips the recipe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genomes.domains import Choice, Domain, Range, Value
from genomes.staged.genome import Stage
from genomes.staged.rows import complete_block

if TYPE_CHECKING:
    from genomes.staged.space import StagedSpace

__all__ = ["Recipe", "StageRecipe", "express_recipes", "nearest"]

#: Widths of the narrower variants of recipes for short searches, as shares of the full width.
_WIDTHS = (1.0, 0.5, 0.25)

Genes = Mapping[str, Value | tuple[str, ...]]


@dataclass(frozen=True)
class StageRecipe:
    """A stage.

    Attributes:
        genes: genes of the stage.
        blocks: genes of each block.
    """

    genes: Genes
    blocks: tuple[Genes, ...]


@dataclass(frozen=True)
class Recipe:
    """A published network.

    Attributes:
        name: common name.
        source: publication.
        stages: stages, from input to output.
        genes: network genes, including those of training.
    """

    name: str
    source: str
    stages: tuple[StageRecipe, ...]
    genes: Genes


class _Inexpressible(Exception):
    """A space has none of the names that a recipe allows."""


def express_recipes(space: StagedSpace, recipes: Sequence[Recipe]) -> tuple[Mapping[str, Any], ...]:
    """For each recipe, its genomes in a space by name: at full width, then narrower ones. Duplicates are left out."""
    seen: set[str] = set()
    found = []
    for recipe in recipes:
        variants: dict[str, Any] = {}
        for share in _WIDTHS:
            genome = _genome(space, recipe, share)
            if genome is None or (digest := space.digest(genome)) in seen:
                continue
            seen.add(digest)
            variants[f"{recipe.name}, {share:.0%} wide" if variants else recipe.name] = genome
        if variants:
            found.append(variants)
    return tuple(found)


def nearest(domain: Domain, value: Value | tuple[str, ...]) -> Value | None:
    """The member nearest to a number, or the first member among several names; None if there is none."""
    if isinstance(value, (str, tuple)):
        words = (value,) if isinstance(value, str) else value
        return next((word for word in words if domain.contains(word)), None)
    if domain.contains(value) or isinstance(value, bool):
        return value if domain.contains(value) else None
    if isinstance(domain, Range):
        return domain.clip(value)
    numbers = [option for option in domain.options if not isinstance(option, str)]
    return min(numbers, key=lambda option: abs(option - value)) if numbers else None


def _genome(space: StagedSpace, recipe: Recipe, share: float) -> Any | None:
    """The recipe at a share of its width; None if the space cannot express it."""
    encoding, counts = space.encoding, space.domain("stages")
    if not counts.contains(len(recipe.stages)):
        return None
    try:
        stages = tuple(
            Stage(
                tuple(encoding.block_class(**_holder(space, encoding.block, genes, share)) for genes in stage.blocks),
                **_holder(space, encoding.stage, stage.genes, share),
            )
            for stage in recipe.stages
        )
        values = _holder(space, encoding.once, recipe.genes, 1.0, {"stages": len(stages)})
    except _Inexpressible:
        return None
    genome = encoding.from_parts(stages, values)
    return genome if space.contains(genome) else None


def _holder(
    space: StagedSpace, rows: Mapping[str, Any], genes: Genes, share: float, beside: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """All genes of a holder, as close to the recipe as possible; unspecified genes are idle if possible."""
    width = space.encoding.width

    def value_of(name: str) -> Value:
        wanted: Any = genes.get(name, rows[name].idle)
        if name == width and share < 1.0:
            wanted = max(1, round(wanted * share))
        found = nearest(space.domain(name), wanted)
        if found is not None:
            return found
        if name in genes:
            raise _Inexpressible
        domain = space.domain(name)
        return domain.options[0] if isinstance(domain, Choice) else domain.least

    return complete_block(rows, {}, value_of, beside)
