"""`Views`: the data as networks with one or another form of numbers see them, each cut out once."""

from __future__ import annotations

import networkx as nx

from evonas.data.prepared import PreparedData
from genomes.architecture.graph import numbers_of

__all__ = ["Views"]


class Views:
    """Gives the data of a view, see `PreparedData.seen`."""

    def __init__(self, data: PreparedData) -> None:
        self._data = data
        self._cut: dict[str, PreparedData] = {}

    def __call__(self, view: str) -> PreparedData:
        """The data of a view."""
        view = self._data.problem.view(view)
        if view not in self._cut:
            self._cut[view] = self._data.seen(view)
        return self._cut[view]

    def of(self, graph: nx.DiGraph) -> PreparedData:
        """The data as the network of an architecture graph sees them."""
        return self(numbers_of(graph))
