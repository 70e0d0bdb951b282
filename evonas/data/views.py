"""`Views`: the data as networks with different numeric encodings and neighbours see them, each computed once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import networkx as nx

from evonas.data.inputs import named_arrays
from evonas.data.memo import Memo
from evonas.data.neighbours import NeighbourFeatures, marks_of, num_visible_columns
from evonas.data.prepared import PreparedData, visible_columns
from genomes.architecture.graph import views_of

__all__ = ["View", "Views", "features_seen"]

#: Memory limit for views with neighbours, of which there may be as many as candidates.
_MOST_BYTES = 256 << 20

#: Numeric encoding and neighbour marks.
View = tuple[str, ...]


class Views:
    """A thread-safe cache of the data of each view, see `PreparedData.for_views`."""

    def __init__(self, data: PreparedData) -> None:
        self._data, self._neighbours = data, NeighbourFeatures(data)
        self._cut = Memo[View, PreparedData](self._view_data, _size, _MOST_BYTES)

    def __call__(self, *views: str) -> PreparedData:
        """The data of a view."""
        return self._cut(self._data.problem.view(*views))

    def for_graph(self, graph: nx.DiGraph) -> PreparedData:
        """The data as the network of an architecture graph sees them."""
        return self(*views_of(graph))

    def _view_data(self, view: View) -> PreparedData:
        return self._data.for_views(*view, neighbours=self._neighbours)


def features_seen(
    graph: nx.DiGraph, views: Sequence[str], num_features: int, num_outputs: int
) -> tuple[list[int], int]:
    """Indices of the existing features that the network of a graph sees, and its number of new neighbour features.

    Args:
        graph: the architecture.
        views, num_features, num_outputs: see `evonas.data.prepared.Problem`.
    """
    seen = views_of(graph)
    places = visible_columns(views, num_features, *seen)
    return places, num_visible_columns(views, num_features, num_outputs, *seen) - len(places)


def _size(data: PreparedData) -> int:
    """Size of the features in bytes if there are neighbours; else 0, since there are few such views."""
    if not marks_of(data.problem.views):
        return 0
    parts = [x for split in data.splits for x in (split.x_train, split.x_validation)]
    return sum(array.nbytes for x in _drop_none([*parts, data.x_test]) for array in named_arrays(x).values())


def _drop_none(parts: Iterable[Any]) -> list[Any]:
    return [part for part in parts if part is not None]
