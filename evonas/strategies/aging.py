"""Regularised ("aging") evolution: the best of a random few becomes a parent, and the oldest dies, however good it is.

A network stays only through its descendants: one that was lucky once is forgotten, one that is good passes on. Parents
change by mutation alone.

References:
    Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019,
    algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.seeds import generation_rng
from evonas.strategies.members import Member
from evonas.strategies.proposals import Proposal, new_proposal, sampled, sampled_generation, to_candidates
from evonas.strategies.ranking import is_feasible, rank_of
from evonas.strategies.turns import Turns
from genomes.space import SearchSpace

__all__ = ["AgingEvolution"]


class AgingEvolution:
    """The last `population` networks are alive; the paper has them replaced one at a time, which is `offspring=1`."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        self._space, self._objective, self._settings = space, objective, settings.resolved(objective.name)
        self._initial = tuple(initial)
        self._generation = 0
        self._alive: list[Member] = []  # oldest first
        self._seen: set[str] = set()
        self._turns = Turns(objective.name)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The first population, then `offspring` mutants a generation."""
        self._turns.check_ask(count)
        if self._generation == 0:
            count = count or self._settings.population
            proposals = sampled_generation(self._space, self._initial, self._settings, 0, self._seen, count)
        else:
            proposals = self._offspring(count or self._settings.offspring or self._settings.population)
        return self._turns.asked(to_candidates(proposals, self._settings, self._generation))

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """The new ones live, the oldest die."""
        for candidate, evaluation in self._turns.told(evaluations):
            self._alive.append(Member.of(candidate, rank_of(evaluation, self._objective)))
            self._seen.add(candidate.digest)
        self._alive = self._alive[-self._settings.population :]
        self._generation += 1

    def _offspring(self, count: int) -> list[Proposal]:
        rng = generation_rng(self._settings.seed or 0, self._generation)
        # A few rivals at random may all have failed: where others have not, those do not compete.
        rivals = [member for member in self._alive if is_feasible(member.rank)] or self._alive

        def sample() -> Proposal:
            return sampled(self._space, rng)

        def mutant() -> Proposal:
            places = rng.integers(len(rivals), size=self._settings.tournament).tolist()
            parent = min((rivals[place] for place in places), key=lambda member: member.rank).proposal
            genome, operator = self._space.mutate(parent.genome, rng)
            return Proposal(genome, self._space.digest(genome), (parent.digest,), operator)

        proposals: list[Proposal] = []
        seen = set(self._seen)
        while len(proposals) < count:
            proposals.append(new_proposal(seen, mutant, sample))
            seen.add(proposals[-1].digest)
        return proposals

    def state(self) -> dict[str, Any]:
        """The living with their ranks, oldest first, and the digests tried."""
        self._turns.check_settled("state")
        return {
            "generation": self._generation,
            "alive": [member.to_json(self._space) for member in self._alive],
            "seen": sorted(self._seen),
            "initial": [] if self._generation else [self._space.genome_to_json(genome) for genome in self._initial],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state`."""
        self._generation = int(state["generation"])
        self._alive = [Member.from_json(value, self._space) for value in state["alive"]]
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._turns.reset()

    def retained(self) -> frozenset[tuple[int, int]]:
        """Starts nothing from what was trained before."""
        return frozenset()
