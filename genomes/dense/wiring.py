"""The connections of a dense network as editable sets: `wires[k - 1]` holds the sources of node k.

Node 0 is the input, 1..L are the hidden layers, L + 1 is the output. Wires are valid if each node has at least one
source, all sources are earlier nodes, and each hidden layer is used. All functions here preserve validity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from genomes.dense.genome import DenseGenome, Layer, replace_fields

__all__ = [
    "Wires",
    "bypass",
    "chain",
    "edges",
    "insert_behind",
    "insert_on_edge",
    "missing_edges",
    "rewire",
    "spare_edges",
    "wires_of",
    "wiring_faults",
]

Wires = list[set[int]]


def wires_of(genome: DenseGenome) -> Wires:
    """The genome's wires."""
    return [*(set(layer.sources) for layer in genome.layers), set(genome.output_sources)]


def rewire(genome: DenseGenome, layers: Sequence[Layer], wires: Wires) -> DenseGenome:
    """The genome with these layers and wires."""
    sources = [tuple(sorted(wire)) for wire in wires]
    wired = tuple(replace_fields(layer, sources=wire) for layer, wire in zip(layers, sources[:-1], strict=True))
    return replace_fields(genome, layers=wired, output_sources=sources[-1])


def chain(num_layers: int) -> Wires:
    """Wires of a chain."""
    return [{node} for node in range(num_layers + 1)]


def edges(wires: Wires) -> list[tuple[int, int]]:
    """(source, node) pairs, sorted by node."""
    return [(source, node) for node, wire in enumerate(wires, start=1) for source in sorted(wire)]


def missing_edges(wires: Wires) -> list[tuple[int, int]]:
    """Edges that can be added."""
    return [(u, v) for v, wire in enumerate(wires, start=1) for u in range(v) if u not in wire]


def spare_edges(wires: Wires) -> list[tuple[int, int]]:
    """Edges that can be removed: the node has another source and the source another user."""
    present = edges(wires)
    users = [u for u, _ in present]
    return [(u, v) for u, v in present if len(wires[v - 1]) > 1 and users.count(u) > 1]


def insert_on_edge(wires: Wires, source: int, node: int) -> Wires:
    """Inserts a node on the edge; it gets the index `node`, and later nodes shift up by one."""
    moved = [{u + (u >= node) for u in wire} for wire in wires]
    moved[node - 1] = (moved[node - 1] - {source}) | {node}
    return [*moved[: node - 1], {source}, *moved[node - 1 :]]


def insert_behind(wires: Wires, node: int) -> Wires:
    """Inserts node `node + 1`, whose source is `node` and whose users are all former users of `node`."""
    moved = [{u + (u >= node) for u in wire} for wire in wires]
    return [*moved[:node], {node}, *moved[node:]]


def bypass(wires: Wires, node: int) -> Wires:
    """Removes a hidden node and connects its users to its sources."""
    joined = [(wire - {node}) | wires[node - 1] if node in wire else wire for wire in wires]
    return [{u - (u > node) for u in wire} for wire in (*joined[: node - 1], *joined[node:])]


def wiring_faults(genome: DenseGenome) -> Iterator[tuple[str, str]]:
    """Problems of a genome's wires: (location inside the genome, what must be repaired)."""
    wiring = [*(layer.sources for layer in genome.layers), genome.output_sources]
    for node, sources in enumerate(wiring, start=1):
        place = "output_sources" if node == len(wiring) else f"layers[{node - 1}].sources"
        if not sources:
            yield place, "must name at least one source, not []: name the layer before"
        elif list(sources) != sorted(set(sources)):
            yield place, f"must ascend, not {list(sources)}: sort them and name each once"
        elif not 0 <= sources[0] <= sources[-1] < node:
            yield place, f"must be from 0 (the input) to {node - 1}, not {list(sources)}: name earlier layers only"
    used = {source for sources in wiring for source in sources}
    for node in range(1, len(wiring)):
        if node not in used:
            yield f"layers[{node - 1}]", f"must be used: add {node} to the sources of a later layer or of the output"
