"""What embeddings of numbers and of categories do to the features of a network: which they take, and what they give.

Embeddings are part of a network's graph, the columns of the data are not: `with_columns` attaches them. Every trainer,
and what counts parameters, then asks `embedding_of` and `categories_of`.

Sources: Gorishniy, Rubachev and Babenko 2022, On embeddings for numerical features in tabular deep learning (arXiv
2203.05556), section 3; Holzmüller, Grinsztajn and Steinwart 2024, Better by default (arXiv 2407.04491), PBLD; Guo and
Berkhahn 2016, Entity embeddings of categorical variables (arXiv 1604.06737).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genomes.architecture.options import EMBEDDED_NUMERIC_ENCODINGS
from genomes.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["FREQUENCIES", "Embedding", "categories_of", "embedding_of", "embeds", "input_columns", "with_columns"]

#: Frequencies of each column in a periodic embedding.
FREQUENCIES = 16


@dataclass(frozen=True)
class Embedding:
    """A trained embedding of columns of numbers, or of categories.

    Attributes:
        kind: "linear" (each column's features by one linear map, then relu), "periodic" (each column's rank x as `W2
            cos(2 pi (w1 x + b1)) + b2`) or "categories" (each column's one-hot features by one linear map).
        units: what each column gives.
        sigma: standard deviation of the initial frequencies of "periodic".
        groups: features that each column's map takes, positions in ascending order.
        rest: features that pass through unchanged; empty for categories, whose outputs are appended to all features.
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
        """Numbers that the first layer takes: what the columns give, then the features that pass through unchanged."""
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


def embeds(graph: nx.DiGraph) -> bool:
    """Whether the network has an embedding, of numbers or of categories."""
    return bool({"embedding", "category_units"} & graph.nodes[0].keys())


def with_columns(
    graph: nx.DiGraph, columns: Sequence[int], views: Sequence[str] = (), categories: Sequence[int] = ()
) -> nx.DiGraph:
    """Attaches to the graph which numeric or categorical column each feature belongs to, and returns it.

    Args:
        graph: an architecture graph; one without embeddings is left unchanged.
        columns: of each feature, the number of its column; -1 where it is of no column of numbers.
        views: of each feature, whose it is, see `evonas.data.prepared.Problem.views`; empty where all are everybody's.
        categories: of each feature, the number of its column of categories; -1 where it is of none.

    Raises:
        InputError: there is an embedding, and no column that it takes.
    """
    about = graph.nodes[0]
    if "embedding" in about:
        if all(column < 0 for column in columns):
            raise InputError(
                f"embedding must be none for data without known columns of numbers, not {about['embedding']}: "
                "choose another network"
            )
        graph.graph["columns"] = (tuple(columns), tuple(views))
    if "category_units" in about:
        if all(column < 0 for column in categories):
            raise InputError(
                f"category_units must be 0 for data without known columns of categories, not "
                f"{about['category_units']}: choose another network"
            )
        graph.graph["categories"] = tuple(categories)
    return graph


def embedding_of(graph: nx.DiGraph) -> Embedding | None:
    """The numeric embedding of a graph with attached columns; None if it has none.

    Raises:
        InputError: no columns were attached.
    """
    about = graph.nodes[0]
    if "embedding" not in about:
        return None
    if "columns" not in graph.graph:
        raise _unknown_columns("numbers")
    columns, views = graph.graph["columns"]
    # Both kinds of intervals are embedded alike.
    kind = "linear" if about["embedding"] == "tree" else about["embedding"]
    units, sigma = about.get("embedding_units", 8), about.get("embedding_sigma", 0.1)
    groups = _group(columns)
    rest = tuple(index for index, column in enumerate(columns) if column < 0 or kind == "periodic")
    if kind == "periodic":
        units, groups = units - 1, tuple((_number(group, views),) for group in groups)
    return Embedding(kind, units, sigma, groups, rest)


def categories_of(graph: nx.DiGraph) -> Embedding | None:
    """The categorical embedding of a graph with attached columns; None if it has none.

    Raises:
        InputError: no columns were attached.
    """
    units = graph.nodes[0].get("category_units", 0)
    if not units:
        return None
    if "categories" not in graph.graph:
        raise _unknown_columns("categories")
    return Embedding("categories", units, 0.0, _group(graph.graph["categories"]), ())


def input_columns(graph: nx.DiGraph, num_features: int) -> int:
    """Numbers that layers take from the input: as many as there are features, but for embeddings.

    The order is: outputs of numeric columns, features that pass through unchanged, outputs of categorical columns.
    """
    numbers, categories = embedding_of(graph), categories_of(graph)
    width = num_features if numbers is None else numbers.width
    return width + (0 if categories is None else categories.width)


def _unknown_columns(what: str) -> InputError:
    return InputError(
        f"columns of {what} must be known for a network with an embedding, and are not: build it from a run "
        "directory, which knows them"
    )


def _group(columns: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Places of the features of each column."""
    features: dict[int, list[int]] = {}
    for index, column in enumerate(columns):
        if column >= 0:
            features.setdefault(column, []).append(index)
    return tuple(tuple(features[column]) for column in sorted(features))


def _number(group: Sequence[int], views: Sequence[str]) -> int:
    """The feature of a column that waves are of: its rank where there is one, else the first."""
    own = [place for place in group if views and views[place] == EMBEDDED_NUMERIC_ENCODINGS["periodic"]]
    return (own or list(group))[0]
