"""`Training`: a network on its way through several evaluations, each of which goes on where the last one stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from evonas.config import Settings
from evonas.evaluation import Candidate, Origin
from evonas.seeds import candidate_seed
from evonas.strategies.members import Member
from evonas.strategies.proposals import Proposal
from evonas.strategies.ranking import UNRANKED, Rank
from genomes.space import SearchSpace

__all__ = ["Training"]


@dataclass(frozen=True)
class Training:
    """A network and how far it is trained.

    Attributes:
        proposal: the network.
        rank: after its last evaluation.
        epochs: trained so far.
        place: generation and index of the candidate from whose state it goes on; None at the beginning.
        kind: how it starts from there; its own training is gone on with once it has one.
    """

    proposal: Proposal
    rank: Rank = UNRANKED
    epochs: int = 0
    place: tuple[int, int] | None = None
    kind: Literal["continue", "inherit"] = "continue"

    def candidate(self, settings: Settings, epochs: int, generation: int, index: int, keep: bool) -> Candidate:
        """The candidate that trains it up to `epochs`; all share the horizon of the whole budget."""
        proposal = self.proposal
        return Candidate(
            genome=proposal.genome,
            digest=proposal.digest,
            seed=candidate_seed(settings.seed or 0, proposal.digest),
            epochs=epochs,
            generation=generation,
            index=index,
            parents=proposal.parents,
            operator=proposal.operator,
            horizon=settings.epochs,
            origin=None if self.place is None else Origin(*self.place, self.kind),
            keep=keep,
        )

    def trained(self, candidate: Candidate, rank: Rank) -> Training:
        """After the candidate's evaluation."""
        place = (candidate.generation, candidate.index)
        return replace(self, rank=rank, epochs=candidate.epochs, place=place, kind="continue")

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """As JSON values."""
        member = Member(self.proposal, self.rank).to_json(space)
        return {**member, "epochs": self.epochs, "place": self.place and list(self.place), "kind": self.kind}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: SearchSpace) -> Training:
        """The training back."""
        member, place = Member.from_json(value, space), value["place"]
        return cls(
            member.proposal,
            member.rank,
            value["epochs"],
            None if place is None else (place[0], place[1]),
            value["kind"],
        )
