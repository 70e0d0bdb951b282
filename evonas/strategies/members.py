"""`Member`: an evaluated network of a population, which may become a parent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evonas.evaluation import Candidate
from evonas.strategies.proposals import Proposal
from evonas.strategies.ranking import Rank, rank_from_json
from genomes.space import SearchSpace

__all__ = ["Member"]


@dataclass(frozen=True)
class Member:
    """A proposal and what became of it; with several objectives, its loss in each."""

    proposal: Proposal
    rank: Rank
    losses: tuple[float, ...] = ()

    @classmethod
    def of(cls, candidate: Candidate, rank: Rank, losses: tuple[float, ...] = ()) -> Member:
        """The member that a candidate becomes."""
        return cls(Proposal(candidate.genome, candidate.digest, candidate.parents, candidate.operator), rank, losses)

    @property
    def digest(self) -> str:
        """Of the network."""
        return self.proposal.digest

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """The member as JSON values."""
        return {
            "genome": space.genome_to_json(self.proposal.genome),
            "digest": self.digest,
            "parents": list(self.proposal.parents),
            "operator": self.proposal.operator,
            "rank": list(self.rank),
            "losses": list(self.losses),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: SearchSpace) -> Member:
        """The member back."""
        genome = space.genome_from_json(value["genome"])
        proposal = Proposal(genome, value["digest"], tuple(value["parents"]), value["operator"])
        return cls(proposal, rank_from_json(value["rank"]), tuple(value["losses"]))
