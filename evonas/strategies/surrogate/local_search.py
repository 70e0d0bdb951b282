"""Local search: gradient ascent on the acquisition function over numeric genes.

For flat spaces only (`genomes.space.FlatSpace`). The dependence of the features on each number is linearised by finite
differences; for most genes it is exactly linear. Categorical genes and the set of active genes do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.strategies.surrogate.minimization import minimize_all
from genomes.domains import Range, Value
from genomes.space import FlatSpace

__all__ = ["improve_numbers"]

Array = NDArray[np.float64]
#: Features `(count, num_features)` -> values to maximise `(count,)`, and their gradients `(count, num_features)`.
AcquisitionAndGradient = Callable[[Array], tuple[Array, Array]]

#: Finite-difference step of a real number, as a share of its range; the step of integers is 1.
_STEP = 0.01


def improve_numbers(
    space: FlatSpace, genomes: Sequence[Any], acquisition_and_gradient: AcquisitionAndGradient, evaluations: int
) -> list[Any]:
    """Moves the numeric genes of genomes to higher acquisition values.

    Args:
        space: the space of the genomes.
        genomes: the genomes to start from.
        acquisition_and_gradient: the function to maximise.
        evaluations: most evaluations, each for all genomes at once. If there are both integers and real numbers, the
            integers are rounded first and the real numbers are optimised again, with as many evaluations.

    Returns:
        The improved genomes in the same order; genomes without numeric genes are unchanged.
    """
    domains = {gene.name: gene.domain for gene in space.genes if isinstance(gene.domain, Range)}
    if not domains or not genomes:
        return list(genomes)
    values = [space.values(genome) for genome in genomes]
    base = np.array([space.features(genome) for genome in genomes])
    free = [_free_numbers(space, each) for each in values]
    shape = (len(genomes), len(domains))
    here, low, high, whole = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
    jacobian = np.zeros((*shape, base.shape[1]))
    for k, each in enumerate(values):
        for column, (name, domain) in enumerate(domains.items()):
            if name in free[k]:
                here[k, column], low[k, column] = domain.position(each[name]), domain.position(domain.low)
                high[k, column], whole[k, column] = 1.0, isinstance(domain.low, int)
                jacobian[k, column] = _feature_gradient(space, each, base[k], name, domain)

    def loss(positions: Array, indices: NDArray[np.intp]) -> tuple[Array, Array]:
        moved = np.einsum("nk,nkf->nf", positions - here[indices], jacobian[indices])
        acquisition, gradient = acquisition_and_gradient(base[indices] + moved)
        return -acquisition, -np.einsum("nf,nkf->nk", gradient[:, : base.shape[1]], jacobian[indices])

    found, _ = minimize_all(loss, here, low, high, evaluations)
    if whole.any() and (~whole & (high > low)).any():
        rounded = found.copy()
        for column, domain in enumerate(domains.values()):
            for k in np.flatnonzero(whole[:, column]).tolist():
                rounded[k, column] = domain.position(domain.at(float(found[k, column])))
        low, high = np.where(whole, rounded, low), np.where(whole, rounded, high)
        found, _ = minimize_all(loss, rounded, low, high, evaluations)
    moved = []
    for k, each in enumerate(values):
        numbers = {
            name: domain.at(max(float(found[k, column]), float(domain.position(domain.low))))
            for column, (name, domain) in enumerate(domains.items())
            if name in free[k]
        }
        moved.append(space.from_values({**each, **numbers}) if numbers else genomes[k])
    return moved


def _free_numbers(space: FlatSpace, values: Mapping[str, Value]) -> set[str]:
    """Names of the active numeric genes that can be moved: not switched off by 0, and without dependent genes."""
    conditions = {name for gene in space.genes for name, _ in gene.when}
    active = ((gene.name, gene.domain) for gene in space.genes if gene.name in values and gene.name not in conditions)
    return {name for name, domain in active if isinstance(domain, Range) and not (domain.zero and values[name] == 0)}


def _feature_gradient(space: FlatSpace, values: Mapping[str, Value], base: Array, name: str, domain: Range) -> Array:
    """Derivative of the features with respect to the position of one number, shape `(num_features,)`."""
    value = values[name]
    here = domain.position(value)
    if isinstance(domain.low, int):
        other = value + 1 if value < domain.high else value - 1
    else:
        other = domain.at(here + _STEP if here < 0.5 else here - _STEP)
    moved = domain.position(other) - here
    if moved == 0.0:
        return np.zeros_like(base)
    return (space.features(space.from_values({**values, name: other})) - base) / moved
