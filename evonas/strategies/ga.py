"""The (mu + lambda) genetic algorithm with tournament selection and elitism, on DEAP.

In each generation, lambda offspring are made from tournament winners, and the mu best of parents and offspring survive.
DEAP draws from the global `random`, which is seeded from (run seed, generation) for the duration of one block and then
restored. Fitness is the rank from `evonas.strategies.ranking`: feasibility first, and never NaN.

References:
    Bäck, Fogel and Michalewicz, "Evolutionary Computation 1", 2000, chapter 9 (mu + lambda).
    Fortin et al., "DEAP: Evolutionary Algorithms Made Easy", JMLR 13, 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from deap import algorithms, base, tools

from evonas.evaluation import Candidate, Evaluation
from evonas.seeds import seeded_random
from evonas.strategies.generational import GenerationalStrategy
from evonas.strategies.proposals import EvaluatedProposal, Proposal, sample_proposal
from evonas.strategies.ranking import Rank, rank_of
from genomes.space import SearchSpace

__all__ = ["GeneticAlgorithm", "Individual", "RankFitness"]


class RankFitness(base.Fitness):  # type: ignore[misc]
    """A `Rank` as DEAP fitness: two values to minimise in lexicographic order."""

    weights: ClassVar[tuple[float, ...]] = (-1.0, -1.0)


class Individual:
    """A DEAP individual: a proposal and its fitness, which is empty until it has been evaluated."""

    def __init__(self, proposal: Proposal, rank: Rank | None = None) -> None:
        self.proposal = proposal
        self.fitness = RankFitness(rank or ())

    def clone(self) -> Individual:
        """A copy that shares the genome, which is immutable."""
        return Individual(self.proposal, self.fitness.values if self.fitness.valid else None)


def toolbox_for(space: SearchSpace, rng: np.random.Generator, tournament: int) -> base.Toolbox:
    """A DEAP toolbox with DEAP's tournament selection and the operators of `space`, which draw from `rng`."""

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


class GeneticAlgorithm(GenerationalStrategy):
    """(mu + lambda) evolution: mu is `settings.population`, lambda `settings.offspring`."""

    def _survive(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Selects the mu best parents and offspring; ties favour older individuals."""
        members = {member.digest: member for member in self._population}
        for candidate, evaluation in told:
            members.setdefault(
                candidate.digest, EvaluatedProposal.from_candidate(candidate, rank_of(evaluation, self._objective))
            )
        self._population = sorted(members.values(), key=lambda member: member.rank)[: self._settings.population]

    def _offspring(self, count: int, rng: np.random.Generator) -> list[Proposal]:
        settings = self._settings
        toolbox = toolbox_for(self._space, rng, settings.tournament)
        population = [Individual(member.proposal, member.rank) for member in self._population]

        def vary() -> Proposal:
            parents = toolbox.select_parents(population, 2)
            child: Individual
            (child,) = algorithms.varOr(parents, toolbox, 1, settings.crossover, settings.mutation)
            # varOr may also return a copy of a parent; training it again would be wasted.
            return sample_proposal(self._space, rng) if child.fitness.valid else child.proposal

        with seeded_random(rng):
            return self._new(count, rng, vary)
