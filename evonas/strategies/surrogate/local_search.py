"""Local search: the numbers of a genome are moved along the gradient of the acquisition, all at once.

For flat spaces only (`genomes.space.FlatSpace`). How the features follow each number is seen from one small move of it,
and taken for a straight line, which it is for most. Names, and which genes there are, stay as they are: to change
these is the business of mutations.

References:
    Nocedal and Wright, "Numerical Optimization", 2006, chapters 6.1 (BFGS) and 16.7 (projection on bounds).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genomes.domains import Range, Value
from genomes.space import FlatSpace

__all__ = ["improve_numbers", "minimize"]

Array = NDArray[np.float64]
#: A function of a vector, and its gradient there.
ValueAndGradient = Callable[[Array], tuple[float, Array]]

#: The small move of a real number, as a share of its range; a whole number moves by 1.
_MOVE = 0.01
#: No step is longer, as a share of a range; steps that are not good enough are cut to this part, so often at most.
_LONGEST, _CUT, _CUTS = 0.25, 0.3, 5
#: The descent ends when a step gains less: an acquisition value is a logarithm.
_LEAST_GAIN = 1e-3


def improve_numbers(space: FlatSpace, genome: Any, acquisition_and_gradient: ValueAndGradient, iterations: int) -> Any:
    """The genome with its numbers moved to a higher acquisition value; the genome itself where it has none.

    Args:
        space: of the genome.
        genome: where to begin.
        acquisition_and_gradient: features `(num_features,)` -> what to maximise and its gradient.
        iterations: at most; twice where there are whole numbers beside others, which are settled first.
    """
    values, base = space.values(genome), space.features(genome)
    numbers = _numbers(space, values)
    if not numbers:
        return genome
    domains = list(numbers.values())
    here = np.array([domain.position(values[name]) for name, domain in numbers.items()])
    least = np.array([domain.position(domain.low) for domain in domains])
    jacobian = np.array([_feature_gradient(space, values, base, name, domain) for name, domain in numbers.items()])

    def loss(positions: Array) -> tuple[float, Array]:
        acquisition, gradient = acquisition_and_gradient(base + (positions - here) @ jacobian)
        return -acquisition, -(jacobian @ gradient[: len(base)])

    found = minimize(loss, here, least, np.ones(len(here)), iterations)
    whole = np.array([isinstance(domain.low, int) for domain in domains])
    if whole.any() and not whole.all():
        settled = np.array([domain.position(domain.at(place)) for domain, place in zip(domains, found, strict=True)])
        found = np.where(whole, settled, found)
        found = minimize(loss, found, np.where(whole, found, least), np.where(whole, found, 1.0), iterations)
    moved = {
        name: domain.at(max(float(place), float(low)))
        for (name, domain), place, low in zip(numbers.items(), found, least, strict=True)
    }
    return space.from_values({**values, **moved})


def minimize(loss: ValueAndGradient, start: Array, low: Array, high: Array, iterations: int) -> Array:
    """Where a loss is lowest near the start, within bounds: quasi-Newton steps, projected.

    Args:
        loss: to be minimised, with its gradient.
        start, low, high: shape `(num_numbers,)` each.
        iterations: at most.
    """
    place, (value, gradient) = start, loss(start)
    curvature = np.eye(len(start))  # the inverse Hessian
    fresh = True
    for _ in range(iterations):
        free = ~(((place <= low) & (gradient > 0)) | ((place >= high) & (gradient < 0)))
        step = np.where(free, -(curvature @ np.where(free, gradient, 0.0)), 0.0)
        if step @ gradient >= 0:
            step = np.where(free, -gradient, 0.0)
        longest = float(np.abs(step).max())
        if longest == 0.0:
            break
        if fresh or longest > _LONGEST:
            step *= _LONGEST / longest * (0.4 if fresh else 1.0)
        for _ in range(_CUTS):
            nearby = np.minimum(np.maximum(place + step, low), high)
            lower, new_gradient = loss(nearby)
            if lower <= value + 1e-4 * (gradient @ (nearby - place)):
                break
            step = step * _CUT
        else:
            break
        moved, turned, gained = nearby - place, new_gradient - gradient, value - lower
        place, value, gradient = nearby, lower, new_gradient
        if gained < _LEAST_GAIN:
            break
        along = moved @ turned
        if along > 1e-12:
            if fresh:
                curvature *= along / (turned @ turned)
            weighed = curvature @ turned
            crossed = np.outer(moved, weighed) / along
            curvature += (1.0 + turned @ weighed / along) * np.outer(moved, moved) / along - crossed - crossed.T
            fresh = False
    return place


def _numbers(space: FlatSpace, values: Mapping[str, Value]) -> dict[str, Range]:
    """The genes that can be moved: in a range, not switched off, and not deciding which others are there."""
    deciding = {name for gene in space.genes for name, _ in gene.when}
    there = ((gene.name, gene.domain) for gene in space.genes if gene.name in values and gene.name not in deciding)
    return {
        name: domain for name, domain in there if isinstance(domain, Range) and not (domain.zero and values[name] == 0)
    }


def _feature_gradient(space: FlatSpace, values: Mapping[str, Value], base: Array, name: str, domain: Range) -> Array:
    """How the features change with the position of one number, shape `(num_features,)`."""
    value = values[name]
    here = domain.position(value)
    if isinstance(domain.low, int):
        other = value + 1 if value < domain.high else value - 1
    else:
        other = domain.at(here + _MOVE if here < 0.5 else here - _MOVE)
    moved = domain.position(other) - here
    if moved == 0.0:
        return np.zeros_like(base)
    return (space.features(space.from_values({**values, name: other})) - base) / moved
