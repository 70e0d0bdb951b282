"""Vectorised inner evolution and local search on the codes of a flat space's genomes.

For spaces with `codes` (`genomes.codes.Codes`); other spaces are searched genome by genome (see
`prescreening` and `local_search`). Random rows and offspring of the best genomes are screened by the acquisition
function. Starting from the best rows, real numbers are optimised by gradients, from all starts at once; then options
and integers are replaced by neighbouring values until nothing improves.

References:
    Jin, "Surrogate-assisted evolutionary computation", Swarm and Evolutionary Computation 1, 2011.
    Balandat et al., "BoTorch: A Framework for Efficient Monte-Carlo Bayesian Optimization", NeurIPS 2020
    (starts sampled by their acquisition values).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.strategies.surrogate.minimization import minimize_all
from evonas.strategies.surrogate.operator_rates import CROSSOVER
from genomes.codes import Codes
from genomes.domains import Choice, Range

__all__ = ["AcquisitionFunction", "RowEffort", "Rows", "search_rows"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

#: Bounds of the standard deviation of a number's step, drawn log-uniformly, as shares of its range.
_STEP, _FINE_STEP = 0.3, 0.002
#: Integer genes with at most this many values try all of them as neighbours, others only those at these distances.
_ALL_NEIGHBOURS, _DISTANCES = 16, (1, 2, 4, 8, 16)
#: Operator name of a local search from the best genome: the first of these that the space has.
_LOCAL = ("step_numbers", "step_number", "change_option")
#: Smallest improvement that counts as a gain of an exchange.
_LEAST_GAIN = 1e-6


@dataclass(frozen=True)
class AcquisitionFunction:
    """The function to maximise over features `(count, num_features)`.

    Attributes:
        values: features -> values, shape `(count,)`.
        values_and_gradients: features -> values, and gradients of shape `(count, num_features)`.
        metric: squared length scales, shape `(num_features,)`.
    """

    values: Callable[[Array], Array]
    values_and_gradients: Callable[[Array], tuple[Array, Array]]
    metric: Array


@dataclass(frozen=True)
class RowEffort:
    """Size of the search for one proposal.

    Attributes:
        samples: number of random rows.
        offspring: number of offspring in the first population and in each round.
        rounds: number of rounds of inner evolution after the first population.
        starts: number of rows optimised by gradients.
        evaluations: largest number of gradient evaluations, each for all starts.
        exchanged: number of best rows whose options and integers are exchanged.
        exchanges: largest number of rounds of exchanges.
        alternating: whether numbers are optimised after each round of exchanges, instead of once at the end.
    """

    samples: int
    offspring: int
    rounds: int
    starts: int
    evaluations: int
    exchanged: int
    exchanges: int
    alternating: bool = True


@dataclass(frozen=True)
class Rows:
    """Genomes as rows of codes, with their ancestry.

    Attributes:
        codes: the codes, shape `(count, num_genes)`.
        parents: index of the first and second parent among the best genomes, -1 for none; shape `(count, 2)`.
        operators: operators that created the genomes, shape `(count,)`.
        values: acquisition values, shape `(count,)`.
    """

    codes: Array
    parents: Indices
    operators: NDArray[np.str_]
    values: Array

    def take(self, index: Any) -> Rows:
        """The selected rows."""
        return Rows(self.codes[index], self.parents[index], self.operators[index], self.values[index])

    def __add__(self, other: Rows) -> Rows:
        return Rows(
            np.vstack([self.codes, other.codes]),
            np.vstack([self.parents, other.parents]),
            np.concatenate([self.operators, other.operators]),
            np.concatenate([self.values, other.values]),
        )


def search_rows(
    codes: Codes,
    elite: Array,
    acquisition: AcquisitionFunction,
    rates: Mapping[str, float],
    effort: RowEffort,
    rng: np.random.Generator,
) -> Rows:
    """Rows by acquisition value, highest first.

    Args:
        codes: the space's codes.
        elite: codes of the best evaluated genomes, best first, shape `(num_elite, num_genes)`.
        acquisition: the function to maximise.
        rates: operator -> share of the offspring, for the space's mutations and crossover.
        effort: size of the search.
        rng: source of all random numbers.
    """

    def with_values(rows: Rows) -> Rows:
        return replace(rows, values=acquisition.values(codes.features(rows.codes)))

    no_parents = np.full((effort.samples, 2), -1)
    found = with_values(_rows(codes.sample(effort.samples, rng), no_parents, np.full(effort.samples, "sample")))
    if len(elite):
        chosen = rng.integers(len(elite), size=(effort.offspring, 2)).min(axis=1)
        parents = _rows(elite[chosen], np.stack([chosen, np.full_like(chosen, -1)], axis=1), np.array(["sample"]))
        found += with_values(_vary(codes, parents, elite, rates, rng))
    for _ in range(effort.rounds):
        best = _best(found, max(effort.starts, 8))
        chosen = rng.integers(len(best.codes), size=(effort.offspring, 2)).min(axis=1)
        found += with_values(_vary(codes, best.take(chosen), best.codes, rates, rng, best.parents))
    starts = found.take(_starts(found.values, effort.starts, rng))
    if len(elite):
        first = np.array([[0, -1]], np.intp)
        operator = next((name for name in _LOCAL if name in rates), CROSSOVER)
        starts += with_values(_rows(elite[:1], first, np.array([operator])))
    return _best(found + _improve(codes, starts, acquisition, effort), len(found.codes))


def _rows(codes: Array, parents: Indices, operators: NDArray[np.str_]) -> Rows:
    count = len(codes)
    wide = np.broadcast_to(operators, (count,)).astype("U32")
    return Rows(codes, np.broadcast_to(parents, (count, 2)).copy(), wide, np.full(count, -np.inf))


def _best(rows: Rows, count: int) -> Rows:
    return rows.take(np.argsort(-rows.values, kind="stable")[:count])


def _starts(values: Array, count: int, rng: np.random.Generator) -> Indices:
    """Indices of the best row, and of others sampled in proportion to their expected improvement."""
    best = int(np.argmax(values))
    # Exponential race: sampling without replacement with weights exp(values).
    keys = values - np.log(rng.exponential(size=len(values)))
    keys[best] = np.inf
    return np.argsort(-keys, kind="stable")[:count]


def _vary(
    codes: Codes,
    parents: Rows,
    mates: Array,
    rates: Mapping[str, float],
    rng: np.random.Generator,
    mates_parents: Indices | None = None,
) -> Rows:
    """One child of each parent."""
    count, names = len(parents.codes), list(rates)
    shares = np.array([rates[name] for name in names])
    drawn = np.array(names, "U32")[rng.choice(len(names), size=count, p=shares / shares.sum())]
    child = parents.codes.copy()
    active = codes.active(child)
    # Uniform crossover.
    mate = rng.integers(len(mates), size=count)
    crossed = drawn == CROSSOVER
    coins = rng.random(child.shape) < 0.5
    child = np.where(crossed[:, None] & coins, mates[mate], child)
    second = mate if mates_parents is None else mates_parents[mate, 0]
    others = np.where(crossed, second, parents.parents[:, 1])
    # Of the genes that the mutation can change, one is changed, or each with probability 1/2.
    movable = active & np.where((drawn == "change_option")[:, None], ~codes.is_range, codes.is_range)
    movable = np.where((drawn == "redraw_gene")[:, None], active, movable)
    keys = np.where(movable, rng.random(child.shape), -1.0)
    one = (keys == keys.max(axis=1, keepdims=True)) & movable
    several = movable & (rng.random(child.shape) < 0.5)
    several = np.where(several.any(axis=1, keepdims=True), several, one)
    changed = np.where((drawn == "step_numbers")[:, None], several, one) & ~crossed[:, None]
    deviation = _STEP * (_FINE_STEP / _STEP) ** rng.random((count, 1))
    stepped = (child + deviation * rng.standard_normal(child.shape)) % 2.0
    stepped = np.minimum(stepped, 2.0 - stepped)
    redrawn = rng.random(child.shape)
    for k, gene in enumerate(codes.genes):
        if isinstance(gene.domain, Choice):
            size = len(gene.domain.options)
            # A different option than the parent's.
            stepped[:, k] = redrawn[:, k] = (child[:, k] + 1 + np.floor(redrawn[:, k] * (size - 1))) % size
    new = np.where((drawn == "redraw_gene")[:, None], redrawn, stepped)
    child = codes.settle(np.where(changed, new, child))
    return _rows(child, np.stack([parents.parents[:, 0], others], axis=1), drawn)


def _improve(codes: Codes, rows: Rows, acquisition: AcquisitionFunction, effort: RowEffort) -> Rows:
    """The rows after local search; the best ones also exchange options and integers."""
    rows = _ascend(codes, rows, acquisition, effort.evaluations, held=False)
    whole = codes.is_whole.any()
    if whole:
        rows = replace(rows, codes=codes.settle(rows.codes))
    if codes.is_range.all() and not whole:
        return rows
    if not effort.alternating:
        if whole:
            rows = replace(rows, values=acquisition.values(codes.features(rows.codes)))
        rows = _best(rows, effort.exchanged)
        for _ in range(effort.exchanges):
            before, rows = rows.values, _exchange(codes, rows, acquisition)
            if not (rows.values > before + _LEAST_GAIN).any():
                break
        return _ascend(codes, rows, acquisition, effort.evaluations // 2, held=True)
    if whole:
        rows = _ascend(codes, rows, acquisition, effort.evaluations // 2, held=True)
    rows = _best(rows, effort.exchanged)
    done = rows.take(slice(0))
    for _ in range(effort.exchanges):
        exchanged = _exchange(codes, rows, acquisition)
        better = exchanged.values > rows.values + _LEAST_GAIN
        done += rows.take(~better)
        if not better.any():
            return done
        rows = _ascend(codes, exchanged.take(better), acquisition, effort.evaluations // 2, held=True)
    return done + rows


def _ascend(codes: Codes, rows: Rows, acquisition: AcquisitionFunction, evaluations: int, held: bool) -> Rows:
    """Gradient ascent over the numeric genes of the rows; integers are fixed if `held`."""
    numbers = np.flatnonzero(codes.is_range & ~codes.decides & ~(codes.is_whole if held else False))
    features = codes.features(rows.codes)
    if not len(numbers):
        return replace(rows, values=acquisition.values(features))
    columns = np.array([codes.columns[codes.genes[k].name][0] for k in numbers])
    start = rows.codes[:, numbers]
    free = codes.active(rows.codes)[:, numbers] & (start >= codes.low[numbers])
    low, high = np.where(free, codes.low[numbers], start), np.where(free, 1.0, start)

    fixed, unmoved = ~free, features[:, columns]
    any_fixed = bool(fixed.any())

    def loss(positions: Array, indices: Indices) -> tuple[Array, Array]:
        moved = features[indices]
        moved[:, columns] = np.where(fixed[indices], unmoved[indices], positions) if any_fixed else positions
        value, gradient = acquisition.values_and_gradients(moved)
        slope = -gradient[:, columns]
        if any_fixed:
            slope[fixed[indices]] = 0.0
        return -value, slope

    found, reached = minimize_all(loss, start, low, high, evaluations, acquisition.metric[columns])
    moved = rows.codes.copy()
    moved[:, numbers] = found
    return replace(rows, codes=moved, values=-reached)


def _exchange(codes: Codes, rows: Rows, acquisition: AcquisitionFunction) -> Rows:
    """Each row's best neighbour, which differs in one option or integer, or the row itself if none is better."""
    count, neighbours, owners = len(rows.codes), [rows.codes], [np.arange(len(rows.codes))]
    for k, gene in enumerate(codes.genes):
        if isinstance(gene.domain, Range) and not codes.is_whole[k]:
            continue
        members = codes.members(k, _ALL_NEIGHBOURS)
        if len(members):
            options = np.broadcast_to(members, (count, len(members)))
        else:
            options = np.array([_nearby_codes(gene.domain, float(code)) for code in rows.codes[:, k]])
        copies = np.repeat(rows.codes, options.shape[1], axis=0)
        copies[:, k] = options.ravel()
        neighbours.append(copies)
        owners.append(np.repeat(np.arange(count), options.shape[1]))
    candidates, owner = np.vstack(neighbours), np.concatenate(owners)
    values = acquisition.values(codes.features(candidates))
    order = np.lexsort((-values, owner))
    best = order[np.searchsorted(owner[order], np.arange(count))]
    return replace(rows, codes=candidates[best], values=values[best])


def _nearby_codes(domain: Any, code: float) -> Array:
    """Codes of the integers at the distances `_DISTANCES`, clipped to the range."""
    value = domain.at(code)
    offsets = [sign * distance for distance in _DISTANCES for sign in (-1, 1)]
    return np.array([domain.position(min(max(value + each, domain.low), domain.high)) for each in offsets])
