"""NSGA-II for two objectives, and NSGA-III for three or more.

A (mu + lambda) scheme: parents are selected by binary tournaments on the front and the crowding distance, survivors by
DEAP's selection. Infeasible networks are dominated by all feasible ones and compared by their violation (Deb's
constrained domination).

References:
    Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE
    Transactions on Evolutionary Computation 6, 2002.
    Deb and Jain, "An Evolutionary Many-Objective Optimization Algorithm Using Reference-Point-Based Nondominated
    Sorting Approach", IEEE Transactions on Evolutionary Computation 18, 2014 (NSGA-III).
    Fortin et al., "DEAP: Evolutionary Algorithms Made Easy", JMLR 13, 2012.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from deap import base, tools

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective, objectives_of
from evonas.seeds import seeded_random, survival_rng
from evonas.strategies.generational import GenerationalStrategy
from evonas.strategies.proposals import EvaluatedProposal, Proposal
from evonas.strategies.ranking import UNRANKED, is_feasible, rank_of
from evonas.strategies.repairs import Repair
from genomes.space import SearchSpace

__all__ = ["ParetoEvolution"]

#: Share of crossover children that are also mutated, since a child of equal parents would be a copy of them.
_MUTATED = 0.5

#: Sort key of a parent, lower is better: tier, then front or violation, then the negative crowding distance.
_Key = tuple[int, float, float]


class ParetoEvolution(GenerationalStrategy):
    """Optimises `settings.objectives`; by default, the score and the number of parameters."""

    def __init__(
        self,
        space: SearchSpace,
        objective: Objective,
        settings: Settings,
        initial: Sequence[Any] = (),
        repair: Repair | None = None,
    ) -> None:
        super().__init__(space, objective, settings, initial, repair)
        self._objectives = objectives_of(objective, settings.objectives or (objective.name, "parameters"))

    def _survive(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Selects mu of the parents and offspring, front by front."""
        members = {member.digest: member for member in self._population}
        for candidate, evaluation in told:
            members.setdefault(candidate.digest, self._member(candidate, evaluation))
        rng = survival_rng(self._settings.seed or 0, self._generation)
        self._population = _survivors(list(members.values()), self._settings.population, rng)

    def _member(self, candidate: Candidate, evaluation: Evaluation) -> EvaluatedProposal:
        """The candidate with its losses; unranked if an objective has no finite value."""
        rank = rank_of(evaluation, self._objectives[0])
        if not is_feasible(rank):
            return EvaluatedProposal.from_candidate(candidate, rank)
        losses = tuple(objective.loss(evaluation.value_of(objective.name)) for objective in self._objectives)
        return (
            EvaluatedProposal.from_candidate(candidate, rank, losses)
            if all(map(math.isfinite, losses))
            else EvaluatedProposal.from_candidate(candidate, UNRANKED)
        )

    def _offspring(self, count: int, rng: np.random.Generator) -> list[Proposal]:
        space, share = self._space, self._settings.crossover
        population, keys = self._population, _keys(self._population)

        def parent() -> Proposal:
            a, b = rng.integers(len(population), size=2).tolist()
            better: Proposal = population[a if keys[a] <= keys[b] else b].proposal
            return better

        def child() -> Proposal:
            first = parent()
            genome, operator = first.genome, ""
            parents: tuple[str, ...] = (first.digest,)
            if rng.random() < share:
                second = parent()
                genome, operator = space.crossover(genome, second.genome, rng), "crossover"
                parents = (first.digest, second.digest)
            if not operator or rng.random() < _MUTATED:
                genome, mutation = space.mutate(genome, rng)
                operator = operator or mutation
            return Proposal(genome, space.digest(genome), parents, operator)

        return self._new(count, rng, child)


class _Individual:
    """A DEAP individual, for selection."""

    def __init__(self, member: EvaluatedProposal, fitness: type[base.Fitness]) -> None:
        self.member, self.fitness = member, fitness(member.losses)


def _individuals(members: Sequence[EvaluatedProposal]) -> list[_Individual]:
    count = len(members[0].losses)
    fitness = type("Losses", (base.Fitness,), {"weights": (-1.0,) * count})
    return [_Individual(member, fitness) for member in members]


def _survivors(members: list[EvaluatedProposal], count: int, rng: np.random.Generator) -> list[EvaluatedProposal]:
    """The best `count` members: whole fronts, a subset of the last one, then infeasible members by rank."""
    feasible = [member for member in members if is_feasible(member.rank)]
    others = sorted((member for member in members if not is_feasible(member.rank)), key=lambda member: member.rank)
    if len(feasible) <= count:
        return [*feasible, *others][:count]
    individuals = _individuals(feasible)
    num_objectives = len(feasible[0].losses)
    with seeded_random(rng):
        if num_objectives < 3:
            chosen = tools.selNSGA2(individuals, count)
        else:
            chosen = tools.selNSGA3(individuals, count, _reference_points(num_objectives, count))
    return [individual.member for individual in chosen]


def _reference_points(num_objectives: int, count: int) -> Any:
    """At most `count` evenly spaced reference points on the simplex, as recommended by Deb and Jain."""
    divisions = 1
    while math.comb(num_objectives + divisions, divisions + 1) <= count:
        divisions += 1
    return tools.uniform_reference_points(num_objectives, divisions)


def _keys(members: Sequence[EvaluatedProposal]) -> list[_Key]:
    """The sort key of each member."""
    keys: dict[str, _Key] = {member.digest: (*member.rank, 0.0) for member in members}
    feasible = [member for member in members if is_feasible(member.rank)]
    if feasible:
        fronts = tools.sortNondominated(_individuals(feasible), len(feasible))
        for number, front in enumerate(fronts):
            tools.emo.assignCrowdingDist(front)
            for individual in front:
                keys[individual.member.digest] = (0, float(number), -individual.fitness.crowding_dist)
    return [keys[member.digest] for member in members]
