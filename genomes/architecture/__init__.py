"""The architecture graph, the one thing that training sees of an encoding.

`graph` builds, checks and writes it as JSON, `canonical` gives networks that are the same one form, `drawing` writes it
for people, `layers` has the words and bounds of layers and training. Imports networkx when the first graph is made.
"""

from genomes.architecture.cost import count_flops, count_parameters
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

__all__ = [
    "canonical_order",
    "check_graph",
    "count_flops",
    "count_parameters",
    "digest",
    "draw",
    "graph_from_json",
    "graph_to_json",
    "make_graph",
    "numbers_of",
    "same_layers",
]
