"""The (mu + lambda) genetic algorithm with tournament selection and elitism, on DEAP.

Each generation, lambda offspring are made from parents that won a tournament; parents and offspring together are cut to
the mu best. DEAP's selection and variation draw from the global `random`: it is seeded from (run seed, generation)
inside one block and restored after. Fitness is the rank of `evonas.strategies.ranking`: feasibility first, never NaN,
which would win half its comparisons.

References:
    Bäck, Fogel and Michalewicz, "Evolutionary Computation 1", 2000, chapter 9 (mu + lambda).
    Fortin et al., "DEAP: Evolutionary Algorithms Made Easy", JMLR 13, 2012.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from deap import algorithms, base, tools

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.seeds import generation_rng, seeded_random
from evonas.strategies.members import Member
from evonas.strategies.proposals import Proposal, new_proposal, sampled, sampled_generation, to_candidates
from evonas.strategies.ranking import Rank, rank_of
from evonas.strategies.turns import Turns
from genomes.space import SearchSpace

__all__ = ["GeneticAlgorithm", "Individual", "RankFitness"]


class RankFitness(base.Fitness):  # type: ignore[misc]
    """A `Rank`: both numbers to be minimised, the second where the first are equal."""

    weights: ClassVar[tuple[float, ...]] = (-1.0, -1.0)


class Individual:
    """What DEAP moves about: a proposal and its fitness, which is empty until it is evaluated."""

    def __init__(self, proposal: Proposal, rank: Rank | None = None) -> None:
        self.proposal = proposal
        self.fitness = RankFitness(rank or ())

    def clone(self) -> Individual:
        """A copy; genomes are frozen and need none."""
        return Individual(self.proposal, self.fitness.values if self.fitness.valid else None)


def toolbox_for(space: SearchSpace, rng: np.random.Generator, tournament: int) -> base.Toolbox:
    """DEAP's toolbox with the operators of `space`, which draw from `rng`, and its own selection."""

    def mate(a: Individual, b: Individual) -> tuple[Individual, Individual]:
        genome = space.crossover(a.proposal.genome, b.proposal.genome, rng)
        parents = (a.proposal.digest, b.proposal.digest)
        a.proposal = Proposal(genome, space.digest(genome), parents, "crossover")
        return a, b

    def mutate(parent: Individual) -> tuple[Individual]:
        genome, operator = space.mutate(parent.proposal.genome, rng)
        parent.proposal = Proposal(genome, space.digest(genome), (parent.proposal.digest,), operator)
        return (parent,)

    toolbox = base.Toolbox()
    toolbox.register("clone", Individual.clone)
    toolbox.register("mate", mate)
    toolbox.register("mutate", mutate)
    toolbox.register("select_parents", tools.selTournament, tournsize=tournament)
    return toolbox


class GeneticAlgorithm:
    """(mu + lambda) evolution: mu is `settings.population`, lambda `settings.offspring`."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        self._space, self._objective, self._settings = space, objective, settings.resolved(objective.name)
        self._initial = tuple(initial)
        self._generation = 0
        self._population: list[Member] = []
        self._seen: set[str] = set()
        self._turns = Turns(objective.name)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The first population, then lambda offspring a generation."""
        self._turns.check_ask(count)
        if self._generation == 0:
            count = count or self._settings.population
            proposals = sampled_generation(self._space, self._initial, self._settings, 0, self._seen, count)
        else:
            proposals = self._offspring(count or self._settings.offspring or self._settings.population)
        return self._turns.asked(to_candidates(proposals, self._settings, self._generation))

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Cuts parents and offspring to the mu best; of equals, the older stays."""
        members = {member.digest: member for member in self._population}
        for candidate, evaluation in self._turns.told(evaluations):
            members.setdefault(candidate.digest, Member.of(candidate, rank_of(evaluation, self._objective)))
            self._seen.add(candidate.digest)
        self._population = sorted(members.values(), key=lambda member: member.rank)[: self._settings.population]
        self._generation += 1

    def _offspring(self, count: int) -> list[Proposal]:
        settings = self._settings
        rng = generation_rng(settings.seed or 0, self._generation)
        toolbox = toolbox_for(self._space, rng, settings.tournament)
        population = [Individual(member.proposal, member.rank) for member in self._population]

        def sample() -> Proposal:
            return sampled(self._space, rng)

        def vary() -> Proposal:
            parents = toolbox.select_parents(population, 2)
            child: Individual
            (child,) = algorithms.varOr(parents, toolbox, 1, settings.crossover, settings.mutation)
            # varOr's third way is to copy a parent, which would be trained in vain.
            return sample() if child.fitness.valid else child.proposal

        proposals: list[Proposal] = []
        seen = set(self._seen)
        with seeded_random(rng):
            while len(proposals) < count:
                # Where all neighbours were tried, new blood is better than a network that is known.
                proposals.append(new_proposal(seen, vary, sample))
                seen.add(proposals[-1].digest)
        return proposals

    def state(self) -> dict[str, Any]:
        """The population with its ranks, and the digests tried."""
        self._turns.check_settled("state")
        return {
            "generation": self._generation,
            "population": [member.to_json(self._space) for member in self._population],
            "seen": sorted(self._seen),
            "initial": [] if self._generation else [self._space.genome_to_json(genome) for genome in self._initial],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state`."""
        self._generation = int(state["generation"])
        self._population = [Member.from_json(value, self._space) for value in state["population"]]
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._turns.reset()

    def retained(self) -> frozenset[tuple[int, int]]:
        """Starts nothing from what was trained before."""
        return frozenset()
