"""Conversion of genomes to candidates for all strategies, with digests, seeds and the removal of duplicates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from evonas.config import Settings
from evonas.evaluation import Candidate
from evonas.seeds import candidate_seed, generation_rng
from evonas.strategies.ranking import Rank, rank_from_json
from genomes.codes import Codes
from genomes.known_defaults import known_default_name
from genomes.space import FlatSpace, SearchSpace

__all__ = [
    "ATTEMPTS",
    "EvaluatedProposal",
    "Proposal",
    "central_proposal",
    "new_proposal",
    "sample_generation",
    "sample_proposal",
    "to_candidate",
    "to_candidates",
]

#: Attempts to draw a genome that was not tried before. Duplicates, as in exhausted spaces, cost nothing, since their
#: evaluations are already known.
ATTEMPTS = 20


@dataclass(frozen=True)
class Proposal:
    """A genome that may become a candidate, with its digest and ancestry (see `Candidate`)."""

    genome: Any
    digest: str
    parents: tuple[str, ...] = ()
    operator: str = "sample"


@dataclass(frozen=True)
class EvaluatedProposal:
    """A proposal with its rank and, if there are several objectives, its loss in each."""

    proposal: Proposal
    rank: Rank
    losses: tuple[float, ...] = ()

    @classmethod
    def from_candidate(cls, candidate: Candidate, rank: Rank, losses: tuple[float, ...] = ()) -> EvaluatedProposal:
        """The evaluated proposal of a candidate."""
        return cls(Proposal(candidate.genome, candidate.digest, candidate.parents, candidate.operator), rank, losses)

    @property
    def digest(self) -> str:
        """Digest of the network."""
        return self.proposal.digest

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """Converts the proposal to JSON values."""
        return {
            "genome": space.genome_to_json(self.proposal.genome),
            "digest": self.digest,
            "parents": list(self.proposal.parents),
            "operator": self.proposal.operator,
            "rank": list(self.rank),
            "losses": list(self.losses),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: SearchSpace) -> EvaluatedProposal:
        """Restores a proposal from JSON values."""
        genome = space.genome_from_json(value["genome"])
        proposal = Proposal(genome, value["digest"], tuple(value["parents"]), value["operator"])
        return cls(proposal, rank_from_json(value["rank"]), tuple(value["losses"]))


def sample_proposal(space: SearchSpace, rng: np.random.Generator) -> Proposal:
    """A random genome of the space."""
    genome = space.sample(rng)
    return Proposal(genome, space.digest(genome))


def central_proposal(space: SearchSpace, rng: np.random.Generator) -> Proposal:
    """The centre of a flat space with codes, with random values of unordered genes; a random genome for other spaces.

    Users choose ranges around the values they expect, so that the centre is a better first guess than a random genome.
    """
    codes = getattr(space, "codes", None)
    if not isinstance(space, FlatSpace) or not isinstance(codes, Codes) or not codes.genes:
        return sample_proposal(space, rng)
    genome = space.from_values(codes.values(codes.central(rng)))
    return Proposal(genome, space.digest(genome))


def new_proposal(seen: AbstractSet[str], *draws: Callable[[], Proposal]) -> Proposal:
    """The first proposal not in `seen`, with `ATTEMPTS` attempts of each draw in turn; otherwise the last one drawn."""
    for draw in draws:
        for _ in range(ATTEMPTS):
            proposal = draw()
            if proposal.digest not in seen:
                return proposal
    return proposal


def seed_proposal(space: SearchSpace, genome: Any) -> Proposal:
    """The proposal of an initial genome; known defaults are labelled as such."""
    name = known_default_name(space, genome)
    return Proposal(genome, space.digest(genome), operator="seed" if name is None else f"known default: {name}")


def sample_generation(
    space: SearchSpace, initial: Sequence[Any], settings: Settings, generation: int, seen: AbstractSet[str], count: int
) -> list[Proposal]:
    """The first `count` initial genomes, topped up with random samples of the space."""
    rng = generation_rng(settings.seed or 0, generation)

    def sample() -> Proposal:
        return sample_proposal(space, rng)

    first: dict[str, Proposal] = {}
    for genome in initial:
        proposal = seed_proposal(space, genome)
        first.setdefault(proposal.digest, proposal)
    proposals = list(first.values())[:count]
    seen = {*seen, *first}
    while len(proposals) < count:
        proposals.append(new_proposal(seen, sample))
        seen.add(proposals[-1].digest)
    return proposals


def to_candidates(proposals: Sequence[Proposal], settings: Settings, generation: int) -> list[Candidate]:
    """The proposals as one generation of candidates."""
    return [to_candidate(proposal, settings, (generation, index)) for index, proposal in enumerate(proposals)]


def to_candidate(proposal: Proposal, settings: Settings, place: tuple[int, int]) -> Candidate:
    """The proposal as a candidate; `place` is its generation and index."""
    return Candidate(
        genome=proposal.genome,
        digest=proposal.digest,
        seed=candidate_seed(settings.seed or 0, proposal.digest),
        epochs=settings.epochs,
        generation=place[0],
        index=place[1],
        parents=proposal.parents,
        operator=proposal.operator,
    )
