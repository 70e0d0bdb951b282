"""The gene `neighbours`: sampling, variation, and conversion to named values and features.

If a space has promising sets of columns (`DenseSpace.neighbour_sets`), half of the samples are drawn from these, the
first sets more often; the others are drawn from all columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from genomes.architecture.neighbours import BANDWIDTHS, MOST_BANDWIDTHS, MOST_COLUMNS, Neighbours, read_columns
from genomes.checks import items, refuse
from genomes.dense.genome import replace_fields
from genomes.domains import Choice, Value
from genomes.gene import Gene

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = [
    "MOST_LISTED",
    "neighbours_features",
    "neighbours_from_values",
    "neighbours_genes",
    "neighbours_values",
    "read_sets",
    "sample_neighbours",
    "vary_neighbours",
]

#: Maximum number of columns, and of sets of columns, of a space.
MOST_LISTED = 256
_SWITCH = "neighbours"
_COUNT = "neighbour_bandwidths"
_COUNTS = (0.6, 0.3, 0.1)  # shares of draws of one, two and three bandwidths
_RANKED = 0.5  # share of draws from the promising sets
_SIZES = (0.2, 0.4, 0.25, 0.15)  # shares of random sets of one to four columns
#: Maximum number of columns that are separate features of a surrogate model.
_MOST_COLUMN_FEATURES = 12

Vary = Callable[[Neighbours, "DenseSpace", np.random.Generator], Neighbours | None]


def sample_neighbours(space: DenseSpace, rng: np.random.Generator) -> Neighbours:
    """Samples neighbours in a space with neighbour columns."""
    count = 1 + int(rng.choice(len(_COUNTS), p=_COUNTS))
    bandwidths = tuple(sorted(rng.choice(BANDWIDTHS, count, replace=False).tolist()))
    return Neighbours(_sample_columns(space, rng), bandwidths)


def _sample_columns(space: DenseSpace, rng: np.random.Generator) -> tuple[str, ...]:
    known, ranked = space.neighbour_columns, space.neighbour_sets
    if ranked and rng.random() < _RANKED:
        shares = 1.0 / np.arange(1, len(ranked) + 1)
        return ranked[int(rng.choice(len(ranked), p=shares / shares.sum()))]
    size = 1 + int(rng.choice(len(_SIZES), p=_SIZES))
    indices = rng.permutation(len(known))[: min(size, len(known))].tolist()
    return tuple(sorted(known[index] for index in indices))


def vary_neighbours(neighbours: Neighbours | None, space: DenseSpace, rng: np.random.Generator) -> Neighbours | None:
    """Varies neighbours: turns them on or off, or replaces, adds or removes a column or a bandwidth."""
    if neighbours is None:
        return sample_neighbours(space, rng)
    if rng.random() < 0.15:
        return None
    for place in rng.permutation(len(_VARIATIONS)).tolist():
        found: Neighbours | None = _VARIATIONS[place](neighbours, space, rng)
        if found is not None and found != neighbours:
            return found
    return None


def _with_column(neighbours: Neighbours, space: DenseSpace, rng: np.random.Generator) -> Neighbours | None:
    others = [name for name in space.neighbour_columns if name not in neighbours.columns]
    if not others or len(neighbours.columns) >= MOST_COLUMNS:
        return None
    more = others[int(rng.integers(len(others)))]
    return replace_fields(neighbours, columns=tuple(sorted((*neighbours.columns, more))))


def _without_column(neighbours: Neighbours, space: DenseSpace, rng: np.random.Generator) -> Neighbours | None:
    if len(neighbours.columns) < 2:
        return None
    return replace_fields(neighbours, columns=_replace_gene(neighbours.columns, rng))


def _other_column(neighbours: Neighbours, space: DenseSpace, rng: np.random.Generator) -> Neighbours | None:
    return _with_column(replace_fields(neighbours, columns=_replace_gene(neighbours.columns, rng)), space, rng)


def _other_columns(neighbours: Neighbours, space: DenseSpace, rng: np.random.Generator) -> Neighbours:
    return replace_fields(neighbours, columns=_sample_columns(space, rng))


def _other_bandwidth(neighbours: Neighbours, space: DenseSpace, rng: np.random.Generator) -> Neighbours | None:
    """Moves one of the bandwidths by one to three steps."""
    place = int(rng.integers(len(neighbours.bandwidths)))
    step = int(rng.integers(1, 4)) * (1 if rng.random() < 0.5 else -1)
    there = BANDWIDTHS.index(neighbours.bandwidths[place]) + step
    moved = BANDWIDTHS[min(max(there, 0), len(BANDWIDTHS) - 1)]
    if moved in neighbours.bandwidths:
        return None
    kept = [each for number, each in enumerate(neighbours.bandwidths) if number != place]
    return replace_fields(neighbours, bandwidths=tuple(sorted([*kept, moved])))


def _with_bandwidth(neighbours: Neighbours, space: DenseSpace, rng: np.random.Generator) -> Neighbours | None:
    if len(neighbours.bandwidths) >= MOST_BANDWIDTHS:
        return None
    others = [each for each in BANDWIDTHS if each not in neighbours.bandwidths]
    more = others[int(rng.integers(len(others)))]
    return replace_fields(neighbours, bandwidths=tuple(sorted((*neighbours.bandwidths, more))))


def _without_bandwidth(neighbours: Neighbours, space: DenseSpace, rng: np.random.Generator) -> Neighbours | None:
    if len(neighbours.bandwidths) < 2:
        return None
    return replace_fields(neighbours, bandwidths=_replace_gene(neighbours.bandwidths, rng))


def _replace_gene(values: tuple[Any, ...], rng: np.random.Generator) -> tuple[Any, ...]:
    place = int(rng.integers(len(values)))
    return values[:place] + values[place + 1 :]


#: A step of a bandwidth, the smallest change, is as likely as a change of the columns.
_VARIATIONS: tuple[Vary, ...] = (
    _with_column,
    _without_column,
    _other_column,
    _other_columns,
    _other_bandwidth,
    _other_bandwidth,
    _other_bandwidth,
    _with_bandwidth,
    _without_bandwidth,
)


def neighbours_genes(space: DenseSpace) -> tuple[Gene, ...]:
    """The flat genes: an overall switch, one switch per column, the number of bandwidths, and each bandwidth."""
    if not space.is_free(_SWITCH):
        return ()
    switch, on = Choice((False, True)), ((_SWITCH, Choice((True,))),)
    parts = [Gene(switch, (), _SWITCH)]
    parts += [Gene(switch, on, _column_gene(name)) for name in space.neighbour_columns]
    counts = tuple(range(1, MOST_BANDWIDTHS + 1))
    parts.append(Gene(Choice(counts), on, _COUNT))
    for number in counts:
        enough = (*on, (_COUNT, Choice(counts[number - 1 :]))) if number > 1 else on
        parts.append(Gene(Choice(BANDWIDTHS), enough, _bandwidth_gene(number)))
    return tuple(parts)


def neighbours_values(space: DenseSpace, neighbours: Neighbours | None) -> dict[str, Value]:
    """The value of each gene of `neighbours_genes`."""
    if neighbours is None:
        return {_SWITCH: False}
    found: dict[str, Value] = {_SWITCH: True, _COUNT: len(neighbours.bandwidths)}
    found |= {_column_gene(name): name in neighbours.columns for name in space.neighbour_columns}
    return found | {_bandwidth_gene(k): each for k, each in enumerate(neighbours.bandwidths, start=1)}


def neighbours_from_values(space: DenseSpace, values: Mapping[str, Value]) -> Neighbours | None:
    """The neighbours with these values. The first columns are taken if too many are on, the most promising ones if none
    is.
    """
    if not values.get(_SWITCH, False):
        return None
    columns = [name for name in space.neighbour_columns if values[_column_gene(name)]][:MOST_COLUMNS]
    if not columns:
        columns = list(space.neighbour_sets[0] if space.neighbour_sets else space.neighbour_columns[:1])
    bandwidths = {values[_bandwidth_gene(number)] for number in range(1, values[_COUNT] + 1)}
    return Neighbours(tuple(sorted(columns)), tuple(sorted(bandwidths)))


def _column_gene(name: str) -> str:
    return f"neighbours_in:{name}"


def _bandwidth_gene(number: int) -> str:
    return f"neighbour_bandwidth_{number}"


def neighbours_features(space: DenseSpace, neighbours: Neighbours | None) -> list[float]:
    """Features in [0, 1] for a surrogate model: on or off, centre and spread of the bandwidths, each column."""
    listed = space.neighbour_columns[:_MOST_COLUMN_FEATURES]
    if neighbours is None:
        return [0.0] * (3 + len(listed))
    places = [BANDWIDTHS.index(each) / (len(BANDWIDTHS) - 1) for each in neighbours.bandwidths]
    middle, spread = sum(places) / len(places), places[-1] - places[0]
    return [1.0, middle, spread, *(float(name in neighbours.columns) for name in listed)]


def read_sets(value: Any, columns: tuple[str, ...], most: int) -> tuple[tuple[str, ...], ...]:
    """Reads at most `most` sets of columns, each sorted by name."""
    place = "network.neighbour_sets"
    sets = [
        read_columns(each, f"{place}[{number}]", MOST_COLUMNS) for number, each in enumerate(items(value, place, most))
    ]
    for number, each in enumerate(sets):
        if not each or not set(each) <= set(columns):
            refuse(f"{place}[{number}]", "one or more of network.neighbour_columns", each)
    return tuple(tuple(sorted(each)) for each in sets)
