"""Embeddings of numeric and categorical columns: which features they take and how wide their output is.

Embeddings are part of a network's graph, but the columns of the data are not; `with_columns` attaches them. Trainers
and cost functions then read them with `embedding_of` and `categories_of`.

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

#: Number of frequencies per column of a periodic embedding.
FREQUENCIES = 16


@dataclass(frozen=True)
class Embedding:
    """A trained embedding of numeric or categorical columns.

    Attributes:
        kind: "linear" (linear map of each column's features, then relu), "periodic" (each column's rank x as `W2 cos(2
            pi (w1 x + b1)) + b2`) or "categories" (a linear map of each column's one-hot features).
        units: output size per column.
        sigma: standard deviation of the initial frequencies of "periodic".
        groups: for each column, the indices of the features that its map takes, ascending.
        rest: indices of the features that pass through unchanged; empty for categories, whose outputs are appended to
            all features.
    """

    kind: str
    units: int
    sigma: float
    groups: tuple[tuple[int, ...], ...]
    rest: tuple[int, ...]

    @property
    def fan_in(self) -> int:
        """Largest input size of a column's linear map, for which weights are allocated."""
        return FREQUENCIES if self.kind == "periodic" else max(len(group) for group in self.groups)

    @property
    def width(self) -> int:
        """Input width of the first layer: the embedded columns, then the features that pass through unchanged."""
        return len(self.groups) * self.units + len(self.rest)

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        waves = 2 * FREQUENCIES if self.kind == "periodic" else 0
        return len(self.groups) * (waves + (self.fan_in + 1) * self.units)

    @property
    def flops(self) -> int:
        """Floating-point operations of matrix products and biases for one row."""
        waves = 2 * FREQUENCIES if self.kind == "periodic" else 0
        return len(self.groups) * (waves + 2 * self.fan_in * self.units)


def embeds(graph: nx.DiGraph) -> bool:
    """Whether the network has an embedding, of numbers or of categories."""
    return bool({"embedding", "category_units"} & graph.nodes[0].keys())


def with_columns(
    graph: nx.DiGraph, columns: Sequence[int], views: Sequence[str] = (), categories: Sequence[int] = ()
) -> nx.DiGraph:
    """Annotates the graph with the numeric or categorical column of each feature, and returns it.

    Args:
        graph: an architecture graph; one without embeddings is left unchanged.
        columns: numeric column of each feature; -1 for features of other columns.
        views: view of each feature, see `evonas.data.prepared.Problem.views`; empty if all networks see all features.
        categories: categorical column of each feature; -1 for features of other columns.

    Raises:
        InputError: the graph has an embedding, but the data have no column for it.
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
    # Quantile and tree intervals are embedded in the same way.
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
    """Width of the input as layers see it: the number of features unless there are embeddings.

    The order is: outputs of numeric columns, features that pass through unchanged, outputs of categorical columns.
    """
    numbers, categories = embedding_of(graph), categories_of(graph)
    width = num_features if numbers is None else numbers.width
    return width + (0 if categories is None else categories.width)


def _unknown_columns(what: str) -> InputError:
    return InputError(
        f"columns of {what} must be known for a network with an embedding, but are not: build it from a run "
        "directory, which knows them"
    )


def _group(columns: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Indices of the features of each column."""
    features: dict[int, list[int]] = {}
    for index, column in enumerate(columns):
        if column >= 0:
            features.setdefault(column, []).append(index)
    return tuple(tuple(features[column]) for column in sorted(features))


def _number(group: Sequence[int], views: Sequence[str]) -> int:
    """The feature of a column that a periodic embedding uses: its rank if there is one, else the first."""
    own = [place for place in group if views and views[place] == EMBEDDED_NUMERIC_ENCODINGS["periodic"]]
    return (own or list(group))[0]
