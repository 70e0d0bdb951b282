"""The canonical form of an architecture graph: two graphs have the same form exactly when they build and train the same
network.

Colours are refined until stable (Weisfeiler and Leman 1968, on a directed graph). Nodes that still share a colour are
distinguished by individualising one of them and refining again; the smallest encoding over all choices is canonical. A
choice is pruned when a known automorphism maps it to one that was already tried (McKay and Piperno 2014).

The initial colours order nodes by depth, so that chains, and thus most networks, need no refinement.

References:
    Weisfeiler and Leman, "The reduction of a graph to canonical form", 1968.
    McKay and Piperno, "Practical graph isomorphism, II", Journal of Symbolic Computation 60, 2014.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from genomes.architecture.layers import TRAINING_KINDS, row_of
from genomes.checks import Readable, Real, Whole, Wholes
from genomes.codec import canonical_json

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["canonical_form", "canonical_order", "plain"]

Colours = tuple[int, ...]  #: one per node; nodes of equal colour may be interchangeable
Encoding = list[tuple[int, int]]  #: sorted edges, in canonical numbers


def canonical_form(graph: nx.DiGraph) -> dict[str, Any]:
    """The graph as JSON values, with nodes in canonical order and without settings that have no effect."""
    nodes = _plain_nodes(graph)
    order = _order(graph, nodes)
    number = {node: index for index, node in enumerate(order)}
    return {
        "nodes": [nodes[node] for node in order],
        "edges": sorted([number[u], number[v]] for u, v in graph.edges),
        "training": _active(graph.graph["training"]),
    }


def canonical_order(graph: nx.DiGraph) -> tuple[int, ...]:
    """The nodes in canonical order, which is topological; isomorphic graphs are equal in this order."""
    return _order(graph, _plain_nodes(graph))


def _plain_nodes(graph: nx.DiGraph) -> list[dict[str, Any]]:
    return [plain(graph.nodes[node]) for node in range(len(graph))]


def _order(graph: nx.DiGraph, nodes: list[dict[str, Any]]) -> tuple[int, ...]:
    links = _Links(graph)
    colours, _ = _smallest(links, _refine(links, _first_colours(nodes, links)))
    return tuple(sorted(range(len(graph)), key=colours.__getitem__))


class _Links:
    """Predecessors and successors by node number."""

    def __init__(self, graph: nx.DiGraph) -> None:
        self.sources = [sorted(graph.predecessors(node)) for node in range(len(graph))]
        self.users = [sorted(graph.successors(node)) for node in range(len(graph))]

    def encoding(self, colours: Colours) -> Encoding:
        return sorted((colours[u], colours[v]) for v, sources in enumerate(self.sources) for u in sources)


def _active(training: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that have an effect."""
    settings = {name: _TRAINING[name](value) for name, value in training.items()}
    decay = settings.pop("weight_decay")
    if settings["optimizer"] not in ("adam", "adamw", "nadam"):
        settings.pop("beta2", None)
    if settings["optimizer"] != "adamw" or not decay:
        settings.pop("decay_schedule", None)
    if settings["optimizer"] == "adamw":
        if decay:
            settings["weight_decay"] = decay
        else:
            settings["optimizer"] = "adam"
    return settings


def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A node's attributes in normal form, without those that are off.

    0, 0.0 and -0.0 become 0.0; integers stay integers unless the row's `written_as_real` lists them; a kernel of equal
    width along all axes becomes that number.
    """
    writers, off = _writers(attributes["kind"])
    return {name: writers[name](value) for name, value in attributes.items() if name not in off or value != off[name]}


@cache
def _writers(kind: str) -> tuple[Mapping[str, Callable[[Any], Any]], Mapping[str, Any]]:
    """The function that normalises each attribute of a kind, and the row's `off`."""
    row = row_of({"kind": kind})
    writers = {
        name: _real if name in row.written_as_real else _writer(of_name) for name, of_name in row.attributes.items()
    }
    return {"kind": str, **writers}, row.off


def _writer(kind: Readable) -> Callable[[Any], Any]:
    match kind:
        case Whole():
            return int
        case Real():
            return _real
        case Wholes():
            return _widths
    return _identity


def _real(value: Any) -> float:
    return float(value) + 0.0


def _widths(value: Any) -> list[int]:
    return [int(value[0])] if len(set(value)) == 1 else [int(each) for each in value]


def _identity(value: Any) -> Any:
    return value


_TRAINING = {name: _writer(kind) for name, kind in TRAINING_KINDS.items()}


def _first_colours(nodes: list[dict[str, Any]], links: _Links) -> Colours:
    """Nodes by depth (longest path from the input), then by attributes; twins are numbered.

    Twins have equal attributes, sources and users, so swapping them changes nothing. Numbering them here in any order
    avoids trying all of them.
    """
    depth: list[int] = []
    for sources in links.sources:
        depth.append(1 + max((depth[source] for source in sources), default=-1))
    texts = [canonical_json(node) for node in nodes]
    twins = Counter[tuple[Any, ...]]()
    keys = []
    for node, text in enumerate(texts):
        twin = (text, *links.sources[node], None, *links.users[node])
        keys.append((depth[node], text, twins[twin]))
        twins[twin] += 1
    return _ranks(keys)


def _ranks(keys: list[Any]) -> Colours:
    """The number of keys smaller than each key, which leaves room to distinguish the members of a cell."""
    rank: dict[Any, int] = {}
    for index, key in enumerate(sorted(keys)):
        rank.setdefault(key, index)
    return tuple(rank[key] for key in keys)


def _refine(links: _Links, colours: Colours) -> Colours:
    """The coarsest stable colouring that is finer than `colours`."""

    def seen(nodes: Iterable[int]) -> list[int]:
        return sorted(colours[node] for node in nodes)

    cells = len(set(colours))
    while cells < len(colours):
        keys = [
            (colours[node], tuple(seen(links.sources[node])), tuple(seen(links.users[node])))
            for node in range(len(colours))
        ]
        colours = _ranks(keys)
        if len(set(colours)) == cells:
            break
        cells = len(set(colours))
    return colours


def _choices(colours: Colours) -> list[int]:
    """The nodes of the first colour that is shared; empty if all colours are distinct."""
    shared = {colour for colour in colours if colours.count(colour) > 1}
    return [node for node, colour in enumerate(colours) if shared and colour == min(shared)]


def _individualize(links: _Links, colours: Colours, node: int) -> Colours:
    """The refined colouring with `node` before the others of its colour."""
    others = (c + (c == colours[node] and other != node) for other, c in enumerate(colours))
    return _refine(links, tuple(others))


def _smallest(links: _Links, colours: Colours) -> tuple[Colours, Encoding]:
    """The discrete colouring with the smallest encoding."""
    choices = _choices(colours)
    if not choices:
        return colours, links.encoding(colours)
    tried: list[Encoding] = []
    results: list[tuple[Encoding, Colours]] = []
    for node in choices:
        chosen = _individualize(links, colours, node)
        # Choices that lead to the same encoding are images of each other under an automorphism; one of them suffices.
        sample = links.encoding(_any_leaf(links, chosen))
        if sample not in tried:
            tried.append(sample)
            best, encoding = _smallest(links, chosen)
            results.append((encoding, best))
    encoding, best = min(results)
    return best, encoding


def _any_leaf(links: _Links, colours: Colours) -> Colours:
    while choices := _choices(colours):
        colours = _individualize(links, colours, choices[0])
    return colours
