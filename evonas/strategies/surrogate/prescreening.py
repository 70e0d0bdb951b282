"""Surrogate-assisted pre-screening: an inner evolution, on DEAP, that maximises the acquisition function.

The inner population starts from the best genomes and random samples, and is varied by the space's mutations and
crossover. Its winner is evaluated.

References:
    Jin, "Surrogate-assisted evolutionary computation", Swarm and Evolutionary Computation 1, 2011.
    Fialho et al., "Analyzing bandit-based adaptive operator selection mechanisms", AMAI 60, 2010 (rates of operators).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from deap import algorithms, base
from numpy.typing import NDArray

from evonas.strategies.surrogate.operator_rates import CROSSOVER
from genomes.space import SearchSpace

__all__ = ["Offspring", "ScreeningEffort", "prescreen"]

Array = NDArray[np.float64]


class _Unset:
    """Stands in for a fitness that DEAP's variation can delete: the acquisition value is stored separately."""

    values = property(lambda self: (), None, lambda self: None)


class Offspring:
    """A DEAP individual: a genome, its evaluated ancestors, its operator and its acquisition value."""

    __slots__ = ("acquisition", "genome", "operator", "parents")

    fitness = _Unset()

    def __init__(self, genome: Any, parents: tuple[str, ...] = (), operator: str = "sample") -> None:
        self.genome, self.parents, self.operator = genome, parents, operator
        self.acquisition = -math.inf

    def clone(self) -> Offspring:
        """A copy without an acquisition value that shares the genome, which is immutable."""
        return Offspring(self.genome, self.parents, self.operator)


@dataclass(frozen=True)
class ScreeningEffort:
    """Size of the inner evolution.

    Attributes:
        samples: number of random genomes in the first population.
        offspring: number of children in the first population and in each round.
        rounds: number of rounds of inner evolution after the first population.
        survivors: number of genomes kept per round.
        improved: number of winners improved by local search.
        evaluations: most gradient evaluations of the local search.
    """

    samples: int
    offspring: int
    rounds: int
    survivors: int
    improved: int
    evaluations: int


def prescreen(
    space: SearchSpace,
    elite: Sequence[Offspring],
    acquisition: Callable[[Array], Array],
    rates: Mapping[str, float],
    effort: ScreeningEffort,
    rng: np.random.Generator,
) -> list[Offspring]:
    """Distinct genomes of the space, by acquisition value, highest first.

    Args:
        space: the space to search.
        elite: the best evaluated genomes, best first.
        acquisition: features `(count, num_features)` -> values to maximise, shape `(count,)`.
        rates: operator -> share of the offspring, for the space's mutations and `CROSSOVER`.
        effort: size of the inner evolution.
        rng: source of all random numbers, except in DEAP, which uses the global `random`, seeded by the caller.
    """
    toolbox = _toolbox(space, rates, rng)
    share = rates.get(CROSSOVER, 0.0)
    known: dict[Any, Offspring] = {}

    def evaluate(group: list[Offspring]) -> list[Offspring]:
        new = []
        for each in group:
            if each.genome not in known:
                known[each.genome] = each
                new.append(each)
        if new:
            values = acquisition(np.array([space.features(each.genome) for each in new]))
            for each, value in zip(new, values.tolist(), strict=True):
                each.acquisition = value
        return new

    first = [Offspring(space.sample(rng)) for _ in range(effort.samples)]
    if elite:
        # Binary tournaments.
        pairs = rng.integers(len(elite), size=(effort.offspring, 2)).tolist()
        first += algorithms.varOr([elite[min(pair)] for pair in pairs], toolbox, effort.offspring, share, 1.0 - share)
    population = _best(evaluate(first + [parent.clone() for parent in elite]), effort.survivors)
    for _ in range(effort.rounds):
        if len(population) < 2:
            break
        children = algorithms.varOr(population, toolbox, effort.offspring, share, 1.0 - share)
        population = _best(population + evaluate(children), effort.survivors)
    return _best(list(known.values()), len(known))


def _best(group: list[Offspring], count: int) -> list[Offspring]:
    """The `count` individuals with the highest acquisition values, highest first."""
    return sorted(group, key=attrgetter("acquisition"), reverse=True)[:count]


def _toolbox(space: SearchSpace, rates: Mapping[str, float], rng: np.random.Generator) -> base.Toolbox:
    mutations = [name for name in space.mutations if rates.get(name, 0.0) > 0]
    shares = np.cumsum([rates[name] for name in mutations])

    def mate(a: Offspring, b: Offspring) -> tuple[Offspring, Offspring]:
        genome = space.crossover(a.genome, b.genome, rng)
        return Offspring(genome, tuple(dict.fromkeys((*a.parents[:1], *b.parents[:1]))), CROSSOVER), b

    def mutate(parent: Offspring) -> tuple[Offspring]:
        operator = None
        if mutations:
            operator = mutations[min(int(np.searchsorted(shares, rng.random() * shares[-1])), len(mutations) - 1)]
        genome, operator = space.mutate(parent.genome, rng, operator)
        return (Offspring(genome, parent.parents, operator),)

    toolbox = base.Toolbox()
    toolbox.register("clone", Offspring.clone)
    toolbox.register("mate", mate)
    toolbox.register("mutate", mutate)
    return toolbox
