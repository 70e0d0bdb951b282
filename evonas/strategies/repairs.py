"""Repair of children created by structural mutations, before they are evaluated.

This module selects the children to repair; a strategy's `repair` argument defines how they are repaired.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Protocol

from evonas.strategies.proposals import Proposal
from genomes.space import SearchSpace

__all__ = ["REPAIRED", "Repair", "repair_children"]

#: Suffix appended to the operator of repaired proposals.
REPAIRED = " + repair"


class Repair(Protocol):
    """A function that repairs genomes."""

    @property
    def operators(self) -> AbstractSet[str]:
        """Mutations whose children are repaired."""
        ...

    def __call__(self, genomes: Sequence[Any]) -> Sequence[Any]:
        """Returns the repaired genomes in the same order; each depends only on the genome and the run's seed."""
        ...


def repair_children(
    proposals: Sequence[Proposal], space: SearchSpace, seen: AbstractSet[str], repair: Repair | None
) -> list[Proposal]:
    """Repairs the proposals created by one of the repair's mutations, and labels those that it changed.

    Proposals that were tried before, or would become equal to another network, are left unchanged.

    Args:
        proposals: the proposals of one generation.
        space: the space of the genomes.
        seen: digests of the networks tried before.
        repair: the repair; None for none.
    """
    found = list(proposals)
    if repair is None:
        return found
    chosen = [k for k, each in enumerate(found) if each.operator in repair.operators and each.digest not in seen]
    taken = {proposal.digest for proposal in found}
    for index, genome in zip(chosen, repair([found[index].genome for index in chosen]), strict=True):
        digest, before = space.digest(genome), found[index]
        if digest not in taken and digest not in seen:
            found[index] = replace(before, genome=genome, digest=digest, operator=before.operator + REPAIRED)
            taken.add(digest)
    return found
