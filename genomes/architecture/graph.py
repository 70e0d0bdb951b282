"""The architecture graph, which is all that training sees of a genome, independent of encodings. Imports networkx
lazily.

An `nx.DiGraph` with nodes 0 (input), 1..L (hidden, in topological order) and L + 1 (output); an edge u -> v means that
v takes the output of u. The input of a node is the concatenation of its predecessors in ascending order. Attributes:

=========  ========================================================================================================
node       attributes
=========  ========================================================================================================
0          kind="input"; those of `options.INPUT_KINDS` that are not off (settings of embeddings and members only if
           there are any), neighbours if there are any (`neighbours`)
1..L       kind, and the attributes in its row of `layers.LAYERS`; for "dense": units, activation, dropout,
           normalization, initializer, l2
L + 1      kind="output", initializer, l2, output if it is not "dense"
=========  ========================================================================================================

The predecessors of "add" are summed instead. `graph.graph["training"]` holds the training settings
(`genomes.architecture.options.TRAINING_KINDS`). Settings that have their value in `options.OFF` are left out.

For images, series and texts, layers take shaped inputs (`genomes.architecture.shapes`). The shape is a property of the
data and not part of the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from genomes.architecture.canonical import canonical_form, canonical_order, plain
from genomes.architecture.drawing import draw
from genomes.architecture.layers import (
    EMBEDDED_NUMERIC_ENCODINGS,
    LAYERS,
    MAX_NODES,
    OFF,
    TRAINING_KINDS,
    is_kind,
    row_of,
)
from genomes.architecture.members import members_of
from genomes.architecture.neighbours import neighbours_from_json
from genomes.architecture.shapes import kinds_of
from genomes.checks import Readable, Whole, items, record, refuse, suggestion, table
from genomes.codec import sha256
from genomes.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

__all__ = [
    "canonical_order",
    "check_graph",
    "digest",
    "draw",
    "finds_neighbours",
    "graph_from_json",
    "graph_to_json",
    "kinds_of",
    "make_graph",
    "numbers_of",
    "same_layers",
    "scales_inputs",
    "views_of",
]


def make_graph(
    nodes: Iterable[Mapping[str, Any]], edges: Iterable[tuple[int, int]], training: Mapping[str, Any]
) -> nx.DiGraph:
    """Builds the graph with nodes 0, 1, ... and these attributes, without validation."""
    import networkx as nx  # imported late: it takes longer than everything else here

    graph = nx.DiGraph(training=dict(training))
    graph.add_nodes_from((number, dict(attributes)) for number, attributes in enumerate(nodes))
    graph.add_edges_from(edges)
    return graph


def graph_to_json(graph: nx.DiGraph) -> dict[str, Any]:
    """The graph as JSON values: {"nodes": [attributes], "edges": [[u, v]], "training": {...}}."""
    return {
        "nodes": [dict(graph.nodes[node]) for node in range(len(graph))],
        "edges": sorted([u, v] for u, v in graph.edges),
        "training": dict(graph.graph.get("training", {})),
    }


def graph_from_json(value: Any) -> nx.DiGraph:
    """Reads a graph from JSON values.

    Raises:
        InputError: the value is not an architecture graph; the message names the location.
    """
    parts = table(value, "graph", ("nodes", "edges", "training"), required=("nodes", "edges", "training"))
    nodes = items(parts["nodes"], "graph.nodes", MAX_NODES + 2)
    if len(nodes) < 2:
        raise InputError(f"graph.nodes must have an input and an output, not {len(nodes)} nodes: add them")
    checked = [_read_node(node, number, len(nodes) - 1) for number, node in enumerate(nodes)]
    number_of_node = Whole(0, len(nodes) - 1)
    edges: list[tuple[int, int]] = []
    for index, edge in enumerate(items(parts["edges"], "graph.edges", len(nodes) ** 2)):
        ends = items(edge, f"graph.edges[{index}]", 2)
        if len(ends) != 2:
            refuse(f"graph.edges[{index}]", "a pair of node numbers", edge)
        u, v = (number_of_node.read(end, f"graph.edges[{index}]") for end in ends)
        edges.append((u, v))
    needed = [name for name in TRAINING_KINDS if name not in OFF]
    settings = table(parts["training"], "graph.training", TRAINING_KINDS, required=needed)
    graph = make_graph(checked, edges, _read(settings, "graph.training", TRAINING_KINDS, OFF))
    _check_edges(graph)
    _check_members(graph)
    return graph


def check_graph(graph: nx.DiGraph) -> None:
    """Raises InputError, naming the location, unless the graph is an architecture graph."""
    if sorted(graph.nodes, key=repr) != sorted(range(len(graph)), key=repr):
        raise InputError(f"graph nodes must be 0 to {len(graph) - 1}, not {list(graph.nodes)}: number them so")
    graph_from_json(graph_to_json(graph))


def numbers_of(graph: nx.DiGraph) -> str:
    """Encoding of numeric columns, one of `genomes.architecture.layers.NUMERIC_ENCODINGS`."""
    about = graph.nodes[0]
    return str(EMBEDDED_NUMERIC_ENCODINGS.get(about.get("embedding", "none"), about.get("numbers", "standard")))


def scales_inputs(graph: nx.DiGraph) -> bool:
    """Whether each feature is multiplied by a trained factor before the first layer."""
    return bool(graph.nodes[0].get("scaling", False))


def finds_neighbours(graph: nx.DiGraph) -> bool:
    """Whether predictions are mean targets of training rows, weighted by learned distances."""
    return bool(graph.nodes[len(graph) - 1].get("output") == "neighbours")


def views_of(graph: nx.DiGraph) -> tuple[str, ...]:
    """Views of the table that the network uses: its numeric encoding, and one view per bandwidth of its neighbours
    (`genomes.architecture.neighbours.neighbours_view`).
    """
    neighbours = graph.nodes[0].get("neighbours")
    marks = () if neighbours is None else neighbours_from_json(neighbours, "graph.nodes[0].neighbours").views
    return (numbers_of(graph), *marks)


def same_layers(a: nx.DiGraph, b: nx.DiGraph) -> bool:
    """Whether two networks have the same layers, so that each computes the same function with the other's weights."""

    def layers(graph: nx.DiGraph) -> list[dict[str, Any]]:
        nodes = [graph.nodes[node] for node in range(len(graph))]
        builds = [("kind", *row_of(node).builds) for node in nodes]
        return [
            {name: value for name, value in plain(node).items() if name in kept}
            for node, kept in zip(nodes, builds, strict=True)
        ]

    return layers(a) == layers(b) and set(a.edges) == set(b.edges)


def digest(graph: nx.DiGraph) -> str:
    """SHA-256 (hexadecimal) of the network that the graph builds and of its training settings.

    Exact: equal for graphs that differ only in the numbering of their nodes or in settings without effect (weight decay
    without adamw; adamw without weight decay is adam), and different for all others.
    """
    return sha256(canonical_form(graph))


def _read_node(value: Any, number: int, output: int) -> dict[str, Any]:
    place = f"graph.nodes[{number}]"
    kinds = ("input",) if number == 0 else ("output",) if number == output else tuple(LAYERS)
    kind = value.get("kind", kinds[0]) if isinstance(value, Mapping) else kinds[0]
    if kind not in kinds and not (len(kinds) > 1 and is_kind(kind)):
        fix = suggestion(kind, kinds) if len(kinds) > 1 else "the first node is the input, the last one the output"
        refuse(f"{place}.kind", repr(kinds[0]) if len(kinds) == 1 else "a kind of layer", kind, fix)
    row = row_of({"kind": kind})
    needed = [name for name in row.attributes if name not in row.off]
    attributes = table(value, place, ("kind", *row.attributes), required=("kind", *needed))
    found = row.settle(_read(attributes, place, row.attributes, row.off))
    fault = row.check(found)
    if fault is not None:
        raise InputError(f"{place}.{fault}")
    return {"kind": kind, **found}


def _read(
    values: Mapping[str, Any], place: str, kinds: Mapping[str, Readable], off: Mapping[str, Any]
) -> dict[str, Any]:
    """The given attributes, validated, without those that are off."""
    found = record(values, place, {name: kinds[name] for name in kinds if name in values})
    return {name: value for name, value in found.items() if name not in off or value != off[name]}


def _check_members(graph: nx.DiGraph) -> None:
    """Raises InputError if a network with members has layers that do not support members, or if a network with
    non-dense layers has parametric activations.
    """
    if kinds_of(graph) - {"dense"} and any(graph.nodes[node].get("parametric_activation") for node in graph):
        raise InputError("graph.nodes must have no parametric_activation with layers other than dense: leave it out")
    if finds_neighbours(graph) and (kinds_of(graph) - {"dense"} or members_of(graph) is not None):
        raise InputError(
            "graph.nodes must be dense layers, without members, with an output of neighbours: leave the output out"
        )
    if finds_neighbours(graph) and graph.graph["training"].get("label_smoothing"):
        raise InputError("graph.training.label_smoothing must be 0 with an output of neighbours: leave it out")
    if members_of(graph) is not None:
        for node in range(1, len(graph)):
            if row_of(graph.nodes[node]).member_parameters is None:
                kind = graph.nodes[node]["kind"]
                raise InputError(f"graph.nodes[0].members must be 1 with a {kind} layer: leave it out")


def _check_edges(graph: nx.DiGraph) -> None:
    for u, v in graph.edges:
        if u >= v:
            raise InputError(f"graph.edges must lead to a later node, not from {u} to {v}: reverse the edge")
    for node in range(len(graph)):
        if node > 0 and not graph.in_degree(node):
            raise InputError(f"graph.nodes[{node}] must have a source, but has none: add an edge to it")
        if node < len(graph) - 1 and not graph.out_degree(node):
            raise InputError(f"graph.nodes[{node}] must be used by a later node, but is not: add an edge from it")
