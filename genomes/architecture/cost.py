"""What a network costs: parameters and floating-point operations, from its architecture graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genomes.architecture.embedding import embedding_of, input_columns
from genomes.architecture.members import members_of

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["count_flops", "count_parameters", "input_width"]


def input_width(graph: nx.DiGraph, node: int, num_features: int) -> int:
    """Columns of the concatenation that `node` takes."""
    return sum(
        input_columns(graph, num_features) if source == 0 else int(graph.nodes[source]["units"])
        for source in graph.predecessors(node)
    )


def count_parameters(graph: nx.DiGraph, num_features: int, num_outputs: int) -> int:
    """Trainable parameters: kernels, biases, two a unit where normalised (moving averages are not trained), and one a
    feature where these are scaled.

    Layers with batch normalisation have no bias: the normalisation would take it away again. Those of an embedding and
    what members have of their own are counted.
    """
    vectors = {"none": 1, "batch": 2, "layer": 3}
    embedding = embedding_of(graph)
    total = num_features if graph.nodes[0].get("scaling") else 0
    total += 0 if embedding is None else embedding.parameters
    for node in _nodes(graph, num_features, num_outputs):
        kind = graph.nodes[node.number].get("normalization", "none")
        if node.own_kernels:
            total += node.members * (node.fan_in + 1) * node.fan_out
            continue
        total += (node.fan_in + vectors[kind]) * node.fan_out
        if node.adapted:
            total += node.members * node.fan_in
        if node.scaled:  # whose bias takes the place of everybody's
            total += (2 * node.members - (kind != "batch")) * node.fan_out
    return total


def count_flops(graph: nx.DiGraph, num_features: int, num_outputs: int) -> int:
    """Floating-point operations of the forward pass of one row, in matrix products and biases.

    A kernel takes `fan_in * fan_out` multiplications and, with the bias, as many additions, for each member. Work that
    is done once a unit (activation, normalisation, members' factors) is not counted.
    """
    embedding = embedding_of(graph)
    total = 0 if embedding is None else embedding.flops
    return total + sum(
        2 * node.members * node.fan_in * node.fan_out for node in _nodes(graph, num_features, num_outputs)
    )


@dataclass(frozen=True)
class _Node:
    """A node with a kernel: `members` times it is applied; `own_kernels` says that each time it is another."""

    number: int
    fan_in: int
    fan_out: int
    members: int = 1
    own_kernels: bool = False
    adapted: bool = False
    scaled: bool = False


def _nodes(graph: nx.DiGraph, num_features: int, num_outputs: int) -> Iterator[_Node]:
    output, members = len(graph) - 1, members_of(graph)
    for node in range(1, output + 1):
        fan_in = input_width(graph, node, num_features)
        fan_out = num_outputs if node == output else int(graph.nodes[node]["units"])
        if members is None or node in members.shared:
            yield _Node(node, fan_in, fan_out)
        else:
            adapted, scaled = node in members.adapted, node in members.scaled
            yield _Node(node, fan_in, fan_out, members.count, node == output, adapted, scaled)
