"""What an embedding of numbers does to the features of a network: which it takes, and what it gives.

A network's embedding stands in its graph, the columns of the data do not: `with_columns` tells them. Every trainer,
and what counts parameters, then asks `embedding_of`.

Sources: Gorishniy, Rubachev and Babenko 2022, On embeddings for numerical features in tabular deep learning (arXiv
2203.05556), section 3; Holzmüller, Grinsztajn and Steinwart 2024, Better by default (arXiv 2407.04491), PBLD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genomes.architecture.layers import EMBEDDED_NUMBERS
from genomes.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["FREQUENCIES", "Embedding", "embedding_of", "input_columns", "with_columns"]

#: Frequencies of each column in a periodic embedding.
FREQUENCIES = 16


@dataclass(frozen=True)
class Embedding:
    """A trained embedding of columns of numbers.

    Attributes:
        kind: "linear" (each column's features by one linear map, then relu) or "periodic" (each column's rank x as `W2
            cos(2 pi (w1 x + b1)) + b2`).
        units: what each column gives.
        sigma: standard deviation of the initial frequencies of "periodic".
        groups: features that each column's map takes, positions in ascending order.
        rest: features that go on as they are.
    """

    kind: str
    units: int
    sigma: float
    groups: tuple[tuple[int, ...], ...]
    rest: tuple[int, ...]

    @property
    def fan_in(self) -> int:
        """The most numbers that a column's linear map takes; it has weights for as many."""
        return FREQUENCIES if self.kind == "periodic" else max(len(group) for group in self.groups)

    @property
    def width(self) -> int:
        """Numbers that the first layer takes: what the columns give, then the features that go on as they are."""
        return len(self.groups) * self.units + len(self.rest)

    @property
    def parameters(self) -> int:
        """Trained numbers."""
        waves = 2 * FREQUENCIES if self.kind == "periodic" else 0
        return len(self.groups) * (waves + (self.fan_in + 1) * self.units)

    @property
    def flops(self) -> int:
        """Floating-point operations for one row, in products and biases."""
        waves = 2 * FREQUENCIES if self.kind == "periodic" else 0
        return len(self.groups) * (waves + 2 * self.fan_in * self.units)


def with_columns(graph: nx.DiGraph, columns: Sequence[int], views: Sequence[str] = ()) -> nx.DiGraph:
    """The graph itself, told which of its network's features are of which column of numbers.

    Args:
        graph: an architecture graph; one without an embedding need not be told, and is left as it is.
        columns: of each feature, the number of its column; -1 where it is of no column of numbers.
        views: of each feature, whose it is, see `evonas.data.prepared.Problem.views`; empty where all are everybody's.

    Raises:
        InputError: there is an embedding, and no column of numbers.
    """
    if "embedding" not in graph.nodes[0]:
        return graph
    if all(column < 0 for column in columns):
        raise InputError(
            f"embedding must be none for data without known columns of numbers, not {graph.nodes[0]['embedding']}: "
            "choose another network"
        )
    graph.graph["columns"] = (tuple(columns), tuple(views))
    return graph


def embedding_of(graph: nx.DiGraph) -> Embedding | None:
    """The embedding of a graph that was told the columns; None where there is none.

    Raises:
        InputError: it was not told.
    """
    about = graph.nodes[0]
    if "embedding" not in about:
        return None
    if "columns" not in graph.graph:
        raise InputError(
            "columns of numbers must be known for a network with an embedding, and are not: build it from a run "
            "directory, which knows them"
        )
    columns, views = graph.graph["columns"]
    # Both kinds of intervals are embedded alike.
    kind = "linear" if about["embedding"] == "tree" else about["embedding"]
    units, sigma = about.get("embedding_units", 8), about.get("embedding_sigma", 0.1)
    features: dict[int, list[int]] = {}
    for place, column in enumerate(columns):
        if column >= 0:
            features.setdefault(column, []).append(place)
    groups = [tuple(features[column]) for column in sorted(features)]
    rest = tuple(place for place, column in enumerate(columns) if column < 0 or kind == "periodic")
    if kind == "periodic":
        units, groups = units - 1, [(_number(group, views),) for group in groups]
    return Embedding(kind, units, sigma, tuple(groups), rest)


def input_columns(graph: nx.DiGraph, num_features: int) -> int:
    """Numbers that layers take from the input: as many as there are features, but for an embedding."""
    embedding = embedding_of(graph)
    return num_features if embedding is None else embedding.width


def _number(group: Sequence[int], views: Sequence[str]) -> int:
    """The feature of a column that waves are of: its rank where there is one, else the first."""
    own = [place for place in group if views and views[place] == EMBEDDED_NUMBERS["periodic"]]
    return (own or list(group))[0]
