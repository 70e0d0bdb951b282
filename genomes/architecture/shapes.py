"""Output shapes of the nodes of an architecture graph, for data of a given shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from genomes.architecture.embedding import input_columns
from genomes.architecture.layers import Shape, row_of
from genomes.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["input_shape", "input_shape_of", "kinds_of", "least_shape", "node_shapes"]


def kinds_of(graph: nx.DiGraph) -> frozenset[str]:
    """The kinds of the hidden nodes."""
    return frozenset(graph.nodes[node]["kind"] for node in range(1, len(graph) - 1))


def input_shape(graph: nx.DiGraph, num_features: int, sample_shape: Shape = ()) -> Shape:
    """The shape of the network's input, which is flat unless one of its layers takes several axes.

    Args:
        graph: architecture of the network.
        num_features: length of a flat sample.
        sample_shape: shape of a sample before flattening; empty for tables.
    """
    shaped = any(row_of(graph.nodes[node]).shaped for node in range(1, len(graph) - 1))
    return tuple(sample_shape) if shaped and sample_shape else (input_columns(graph, num_features),)


def node_shapes(graph: nx.DiGraph, sample_shape: Shape, num_outputs: int) -> dict[int, Shape]:
    """The output shape of each node, without the batch.

    Args:
        graph: the network's architecture graph.
        sample_shape: shape of a sample, such as `(height, width, channels)`; `(num_features,)` for a table.
        num_outputs: number of outputs of the network.

    Raises:
        InputError: a layer does not accept the shapes of its sources; the message names the node.

    Example:
        >>> from genomes.architecture import make_graph
        >>> kernel = {"initializer": "he_normal", "l2": 0.0}
        >>> pool, flat = {"kind": "pool", "pooling": "max", "size": 2}, {"kind": "flatten"}
        >>> nodes = [{"kind": "input"}, pool, flat, {"kind": "output", **kernel}]
        >>> graph = make_graph(nodes, [(0, 1), (1, 2), (2, 3)], {})
        >>> node_shapes(graph, (5, 4, 3), 10)
        {0: (5, 4, 3), 1: (3, 2, 3), 2: (18,), 3: (10,)}
    """
    shapes = {0: input_shape(graph, math.prod(sample_shape), tuple(sample_shape))}
    for node in range(1, len(graph)):
        attributes = graph.nodes[node]
        given = attributes if node < len(graph) - 1 else {**attributes, "units": num_outputs}
        try:
            shapes[node] = row_of(attributes).shape(given, input_shape_of(graph, node, shapes))
        except InputError as error:
            raise InputError(f"graph.nodes[{node}] ({attributes['kind']}) {error}: change it or its sources") from None
    return shapes


def least_shape(graph: nx.DiGraph) -> Shape:
    """The smallest valid input shape, for comparing networks without data.

    Raises:
        InputError: the network does not accept samples of one to three axes.
    """
    for axes in (1, 2, 3):
        try:
            node_shapes(graph, (1,) * axes, 1)
        except InputError as error:
            refused = error
        else:
            return (1,) * axes
    raise refused


def input_shape_of(graph: nx.DiGraph, node: int, shapes: dict[int, Shape]) -> Shape:
    """The input shape of a node, from the shapes of its sources.

    Raises:
        InputError: the shapes of the sources are incompatible.
    """
    return row_of(graph.nodes[node]).merge([shapes[source] for source in sorted(graph.predecessors(node))])
