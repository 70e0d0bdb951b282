"""Repair of children before their evaluation, after structural mutations.

This module selects the children to repair; the `repair` of a strategy defines how.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Protocol

from evonas.strategies.proposals import Proposal
from genomes.space import SearchSpace

__all__ = ["REPAIRED", "Repair", "repair_children"]

#: Suffix of the operator of repaired proposals.
REPAIRED = " + repair"


class Repair(Protocol):
    """Protocol of repairs."""

    @property
    def operators(self) -> AbstractSet[str]:
        """Mutations whose children are repaired."""
        ...

    def __call__(self, genomes: Sequence[Any]) -> Sequence[Any]:
        """The repaired genomes in the same order; each depends only on the genome and the run's seed."""
        ...


def repair_children(
    proposals: Sequence[Proposal], space: SearchSpace, seen: AbstractSet[str], repair: Repair | None
) -> list[Proposal]:
    """Repairs the proposals made by one of the repair's mutations, and labels those that it changed.

    Proposals that were tried before, or would become equal to another network, are left unchanged.

    Args:
        proposals: of one generation.
        space: that their genomes are of.
        seen: digests of what was tried before.
        repair: None for none.
    """
    found = list(proposals)
    if repair is None:
        return found
    places = [k for k, each in enumerate(found) if each.operator in repair.operators and each.digest not in seen]
    taken = {proposal.digest for proposal in found}
    for place, genome in zip(places, repair([found[place].genome for place in places]), strict=True):
        digest, before = space.digest(genome), found[place]
        if digest not in taken and digest not in seen:
            found[place] = replace(before, genome=genome, digest=digest, operator=before.operator + REPAIRED)
            taken.add(digest)
    return found
