"""The architecture graph, the one thing that training sees of an encoding.

`graph` builds, checks and writes it as JSON, `canonical` gives networks that are the same one form, `drawing` writes it
for people. `layers` has a row for each kind of layer, `shapes` and `cost` say what comes of one for data of a shape,
`options` has the words and bounds of layers and training. Imports networkx when the first graph is made.
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
