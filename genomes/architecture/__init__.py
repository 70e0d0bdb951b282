"""The architecture graph: the interface between encodings and training.

`graph` builds, checks and serialises graphs, `canonical` computes their canonical form, and `drawing` renders them as
text. `layers` has one row per layer kind, `shapes` and `cost` compute output shapes and costs for data of a given
shape, and `options` defines the names and bounds of layer and training settings. networkx is imported when the first
graph is built.
"""

from genomes.architecture.cost import count_activations, count_flops, count_frozen_flops, count_moving, count_parameters
from genomes.architecture.graph import (
    canonical_order,
    check_graph,
    digest,
    draw,
    graph_from_json,
    graph_to_json,
    make_graph,
    numbers_of,
    same_layers,
)
from genomes.architecture.layer_kind import LayerKind
from genomes.architecture.layer_row import LayerRow
from genomes.architecture.shapes import input_shape, kinds_of, node_shapes

__all__ = [
    "LayerKind",
    "LayerRow",
    "canonical_order",
    "check_graph",
    "count_activations",
    "count_flops",
    "count_frozen_flops",
    "count_moving",
    "count_parameters",
    "digest",
    "draw",
    "graph_from_json",
    "graph_to_json",
    "input_shape",
    "kinds_of",
    "make_graph",
    "node_shapes",
    "numbers_of",
    "same_layers",
]
