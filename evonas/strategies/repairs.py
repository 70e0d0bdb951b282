"""Children that are repaired before they are evaluated: what a change of structure spoils may be set right by a test.

What is spoilt, and how it is repaired, whoever gives a strategy its `repair` knows; here, which children go to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Protocol

from evonas.strategies.proposals import Proposal
from genomes.space import SearchSpace

__all__ = ["REPAIRED", "Repair", "repair_children"]

#: How the operator of a proposal ends that was repaired.
REPAIRED = " + repair"


class Repair(Protocol):
    """Mends genomes."""

    @property
    def operators(self) -> AbstractSet[str]:
        """Mutations whose children are repaired."""
        ...

    def __call__(self, genomes: Sequence[Any]) -> Sequence[Any]:
        """The genomes repaired, in the same order; each a function of itself and the run's seed, at whatever time."""
        ...


def repair_children(
    proposals: Sequence[Proposal], space: SearchSpace, seen: AbstractSet[str], repair: Repair | None
) -> list[Proposal]:
    """The proposals, those that a mutation of the repair's has made repaired, and said to be where that changed them.

    Left as they are: what was tried before, and what would become a network that was tried or is proposed already.

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
