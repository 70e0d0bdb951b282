"""Maximisation of the acquisition function over a space, by an inner evolution with local search.

It is vectorised for spaces with codes (`rows`), and proceeds genome by genome otherwise (`prescreening`,
`local_search`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from evonas.seeds import seeded_random
from evonas.strategies.surrogate.acquisition import Surrogate
from evonas.strategies.surrogate.effort import Effort
from evonas.strategies.surrogate.local_search import improve_numbers
from evonas.strategies.surrogate.prescreening import Offspring, prescreen
from evonas.strategies.surrogate.rows import AcquisitionFunction, search_rows
from genomes.codes import Codes
from genomes.space import FlatSpace, SearchSpace

__all__ = ["highest_acquisition"]

Array = NDArray[np.float64]


def highest_acquisition(
    space: SearchSpace,
    elite: Sequence[Offspring],
    surrogate: Surrogate,
    in_full: Callable[[Array], Array],
    rates: Mapping[str, float],
    effort: Effort,
    rng: np.random.Generator,
) -> Iterator[Offspring]:
    """Genomes of the space by acquisition value, highest first.

    Args:
        space: the space to search.
        elite: the best evaluated genomes, best first, each with its own digest as the only parent.
        surrogate: provides the acquisition function.
        in_full: features `(count, num_features)` -> features of the surrogate at full fidelity.
        rates: operator -> share of the offspring, for the space's mutations and crossover.
        effort: size of the inner search.
        rng: source of all random numbers.
    """

    def values(features: Array) -> Array:
        return surrogate.acquisition(in_full(features))

    def values_and_gradients(features: Array) -> tuple[Array, Array]:
        value, gradient = surrogate.acquisition_and_gradient(in_full(features))
        return value, gradient[:, : features.shape[1]]

    codes = getattr(space, "codes", None)
    if isinstance(space, FlatSpace) and isinstance(codes, Codes) and codes.genes:
        metric = surrogate.process.root_weights[: codes.num_features] ** -2.0
        function = AcquisitionFunction(values, values_and_gradients, metric)
        yield from _search_codes(space, codes, elite, function, rates, effort, rng)
        return
    with seeded_random(rng):  # DEAP draws from the global generators
        ranked = prescreen(space, elite, values, rates, effort.genomes, rng)
    if isinstance(space, FlatSpace):
        ranked = _improve(space, ranked[: effort.genomes.improved], values, values_and_gradients, effort) + ranked
    yield from sorted(ranked, key=attrgetter("acquisition"), reverse=True)


def _search_codes(
    space: FlatSpace,
    codes: Codes,
    elite: Sequence[Offspring],
    function: AcquisitionFunction,
    rates: Mapping[str, float],
    effort: Effort,
    rng: np.random.Generator,
) -> Iterator[Offspring]:
    best = np.array([codes.row(space.values(each.genome)) for each in elite]).reshape(len(elite), len(codes.genes))
    found = search_rows(codes, best, function, rates, effort.rows, rng)
    for k, value in enumerate(found.values.tolist()):
        parents = dict.fromkeys(elite[index].parents[0] for index in found.parents[k].tolist() if index >= 0)
        genome = space.from_values(codes.values(found.codes[k]))
        child = Offspring(genome, tuple(parents), str(found.operators[k]))
        child.acquisition = value
        yield child


def _improve(
    space: FlatSpace,
    winners: Sequence[Offspring],
    values: Callable[[Array], Array],
    values_and_gradients: Callable[[Array], tuple[Array, Array]],
    effort: Effort,
) -> list[Offspring]:
    """Copies of the winners with numeric genes moved to higher acquisition values."""
    genomes = improve_numbers(
        space, [each.genome for each in winners], values_and_gradients, effort.genomes.evaluations
    )
    moved = [Offspring(genome, each.parents, each.operator) for genome, each in zip(genomes, winners, strict=True)]
    if moved:
        found = values(np.array([space.features(each.genome) for each in moved]))
        for each, value in zip(moved, found.tolist(), strict=True):
            each.acquisition = value
    return moved
