"""What a network costs: parameters and floating-point operations, from its architecture graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["count_flops", "count_parameters"]


def count_parameters(graph: nx.DiGraph, num_features: int, num_outputs: int) -> int:
    """Trainable parameters: kernels, biases, two a unit where normalised (moving averages are not trained), and one a
    feature where these are scaled.

    Layers with batch normalisation have no bias: the normalisation would take it away again.
    """
    vectors = {"none": 1, "batch": 2, "layer": 3}
    total = num_features if graph.nodes[0].get("scaling") else 0
    for node, fan_in, fan_out in _fans(graph, num_features, num_outputs):
        total += (fan_in + vectors[graph.nodes[node].get("normalization", "none")]) * fan_out
    return total


def count_flops(graph: nx.DiGraph, num_features: int, num_outputs: int) -> int:
    """Floating-point operations of the forward pass of one row, in matrix products and biases.

    A kernel takes `fan_in * fan_out` multiplications and, with the bias, as many additions. Work that is done once a
    unit (activation, normalisation) is not counted.
    """
    return sum(2 * fan_in * fan_out for _, fan_in, fan_out in _fans(graph, num_features, num_outputs))


def _fans(graph: nx.DiGraph, num_features: int, num_outputs: int) -> Iterable[tuple[int, int, int]]:
    """(node, fan in, fan out) of every node with a kernel."""
    output = len(graph) - 1
    widths = [num_features, *(graph.nodes[node]["units"] for node in range(1, output)), num_outputs]
    return [(v, sum(widths[u] for u in graph.predecessors(v)), widths[v]) for v in range(1, output + 1)]
