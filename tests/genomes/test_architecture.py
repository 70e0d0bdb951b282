"""The architecture graph: digests, counts, JSON, drawing."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from genomes import InputError
from genomes.architecture.canonical import canonical_form
from genomes.architecture.cost import count_flops, count_parameters
from genomes.architecture.graph import canonical_order, check_graph, digest, draw, graph_from_json, graph_to_json
from genomes.dense import to_graph
from tests.genomes.dense_spaces import network


def digest_of(genome):
    return digest(to_graph(genome))


# -------------------------------------------------------------------- digests


def test_a_digest_is_the_same_in_every_release():
    genome = network(64, 32, learning_rate=0.01)
    assert digest_of(genome) == "be14601733533993e376cb966751dcf37afeac92481f9a00bda4bc1292dcb373"


def test_parallel_branches_in_another_order_are_one_network():
    one = network(4, 8, 16, 2, sources=[[0], [0], [1], [2], [3, 4]])
    other = network(8, 4, 2, 16, sources=[[0], [0], [1], [2], [3, 4]])
    assert digest_of(one) == digest_of(other)
    crossed = network(4, 8, 16, 2, sources=[[0], [0], [2], [1], [3, 4]])
    assert digest_of(one) != digest_of(crossed)


EQUAL = {
    "weight decay without adamw": (network(8, weight_decay=0.1), network(8)),
    "adamw without weight decay": (network(8, optimizer="adamw"), network(8, optimizer="adam", weight_decay=0.3)),
    "settings of layers that are not there": (network(dropout=0.5, normalization="batch"), network()),
    "integers and floats": (network(8, dropout=0, l2=0, learning_rate=1), network(8, l2=-0.0, learning_rate=1.0)),
}


@pytest.mark.parametrize(("a", "b"), EQUAL.values(), ids=EQUAL.keys())
def test_attributes_without_effect_do_not_change_the_digest(a, b):
    assert digest_of(a) == digest_of(b)


DIFFERENT = [
    network(8),
    network(),
    network(9),
    network(8, 8),
    network(8, activation="tanh"),
    network(8, sources=[[0], [0, 1]]),
    network(8, dropout=0.1),
    network(8, normalization="batch"),
    network(8, normalization="layer"),
    network(8, initializer="he_normal"),
    network(initializer="he_normal"),
    network(l2=0.1),
    network(8, l2=0.1),
    network(8, optimizer="adamw", weight_decay=0.1),
    network(8, optimizer="adamw", weight_decay=0.2),
    network(8, optimizer="nadam"),
    network(8, learning_rate=0.0011),
    network(8, batch_size=33),
    network(8, schedule="cosine"),
    network(8, warmup=0.1),
]


def test_attributes_with_an_effect_change_the_digest():
    assert len({digest_of(genome) for genome in DIFFERENT}) == len(DIFFERENT)


def bipartite(*cycles):
    """A bipartite graph of branches; those of the second rank take two of the first, along cycles of these lengths."""
    width, sources, start = sum(cycles), [], 0
    for length in cycles:
        sources += [sorted({1 + start + k, 1 + start + (k + 1) % length}) for k in range(length)]
        start += length
    return network(*[8] * 2 * width, sources=[*[[0]] * width, *sources, list(range(width + 1, 2 * width + 1))])


def test_networks_that_refinement_cannot_distinguish_differ():
    assert digest_of(bipartite(6)) != digest_of(bipartite(3, 3))
    assert digest_of(bipartite(3, 3)) == digest_of(renumber(bipartite(3, 3), np.random.default_rng(0)))
    assert digest_of(bipartite(3, 5)) == digest_of(bipartite(5, 3))


def renumber(genome, rng):
    """The same network with its layers listed in another topological order."""
    wiring = [set(layer.sources) for layer in genome.layers]
    order, waiting = [0], set(range(1, len(wiring) + 1))
    while waiting:
        ready = sorted(node for node in waiting if wiring[node - 1] <= set(order))
        order.append(ready[int(rng.integers(len(ready)))])
        waiting.remove(order[-1])
    number = {node: index for index, node in enumerate(order)}
    layers = tuple(
        replace(genome.layers[node - 1], sources=tuple(sorted(number[s] for s in wiring[node - 1])))
        for node in order[1:]
    )
    return replace(genome, layers=layers, output_sources=tuple(sorted(number[s] for s in genome.output_sources)))


def random_network(rng, count, widths):
    wires = [{int(u) for u in range(v) if rng.random() < 0.4} or {int(rng.integers(v))} for v in range(1, count + 2)]
    for node in range(1, count + 1):
        if not any(node in wire for wire in wires[node:]):
            wires[-1].add(node)
    return network(*(int(rng.choice(widths)) for _ in range(count)), sources=[sorted(wire) for wire in wires])


def test_digests_agree_with_graph_isomorphism():
    rng = np.random.default_rng(0)
    by_digest, alike = {}, 0
    for _ in range(250):
        genome = random_network(rng, int(rng.integers(5)), [4, 8])
        graph = to_graph(genome)
        assert digest(graph) == digest_of(renumber(genome, rng))
        for key, other in by_digest.items():
            same = nx.is_isomorphic(graph, other, node_match=lambda a, b: a == b)
            assert same == (key == digest(graph))
            alike += same
        by_digest.setdefault(digest(graph), graph)
    assert alike > 20


def test_canonical_order_maps_one_numbering_to_the_other():
    rng = np.random.default_rng(1)
    for _ in range(50):
        genome = random_network(rng, 6, [4])
        a, b = to_graph(genome), to_graph(renumber(genome, rng))
        to_b = dict(zip(canonical_order(a), canonical_order(b), strict=True))
        assert canonical_form(a) == canonical_form(b)
        assert {(to_b[u], to_b[v]) for u, v in a.edges} == set(b.edges)


@pytest.mark.parametrize(
    ("genome", "calls"),
    [
        (network(64, 32, 16), 1000),
        (network(*range(1, 65)), 10_000),
        (network(*[8] * 64, sources=[*[[0]] * 64, list(range(1, 65))]), 10_000),
        (network(*[8] * 16, sources=[*[[0]] * 8, *[[k] for k in range(1, 9)], list(range(9, 17))]), 300_000),
    ],
    ids=["small chain", "chain of 64", "64 twins", "8 branches of two"],
)
def test_digests_are_fast(genome, calls):
    """Counts function calls, a microsecond each: trying all orders of twins would never end."""
    graph, made = to_graph(genome), 0

    def count(_frame, event, _argument):
        nonlocal made
        made += event in ("call", "c_call")
        assert made <= calls

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        digest(graph)
    finally:
        sys.setprofile(before)


# -------------------------------------------------------------------- counts


@pytest.mark.parametrize(
    ("genome", "parameters", "flops"),
    [
        (network(), 9 * 2, 2 * 8 * 2),
        (network(10), 9 * 10 + 11 * 2, 2 * (80 + 20)),
        (network(10, 5), 9 * 10 + 11 * 5 + 6 * 2, 2 * (80 + 50 + 10)),
        (network(10, normalization="batch"), 8 * 10 + 20 + 11 * 2, 2 * (80 + 20)),
        (network(10, normalization="layer", dropout=0.5), 9 * 10 + 20 + 11 * 2, 2 * (80 + 20)),
        (network(10, 5, sources=[[0], [0, 1], [0, 1, 2]]), 90 + 19 * 5 + 24 * 2, 2 * (80 + 90 + 46)),
    ],
)
def test_counts_by_hand(genome, parameters, flops):
    graph = to_graph(genome)
    assert count_parameters(graph, num_features=8, num_outputs=2) == parameters
    assert count_flops(graph, num_features=8, num_outputs=2) == flops


# -------------------------------------------------------------------- JSON


def test_graphs_survive_json():
    graph = to_graph(network(10, 5, sources=[[0], [0, 1], [0, 1, 2]], optimizer="adamw", weight_decay=0.1))
    back = graph_from_json(json.loads(json.dumps(graph_to_json(graph))))
    assert nx.utils.graphs_equal(back, graph)
    assert digest(back) == digest(graph)


def break_graph(change):
    value = json.loads(json.dumps(graph_to_json(to_graph(network(10, 5)))))
    return change(value) or value


BAD_GRAPHS = {
    "no table": (lambda g: [1], r"graph must be a table .*, not \[1\]"),
    "missing part": (lambda g: g.pop("edges") and None, r"graph.edges must be given"),
    "unknown part": (lambda g: g.update(node=[]), r"graph.node is not a setting .*did you mean 'nodes'"),
    "too few nodes": (lambda g: g.update(nodes=g["nodes"][:1]), r"graph.nodes must have an input and an output"),
    "too many nodes": (lambda g: g.update(nodes=g["nodes"] * 70), r"graph.nodes must have at most 258 items, not 280"),
    "kind": (
        lambda g: g["nodes"][1].update(kind="conf"),
        r"graph.nodes\[1\].kind must be a kind .*, not 'conf'.*'conv'",
    ),
    "kind of the first": (lambda g: g["nodes"][0].update(kind="conv"), r"graph.nodes\[0\].kind must be 'input'"),
    "attributes of another kind": (
        lambda g: g["nodes"][1].update(kind="conv"),
        r"graph.nodes\[1\].units is not a setting",
    ),
    "units": (lambda g: g["nodes"][2].update(units=0), r"graph.nodes\[2\].units must be .* from 1 to 65536, not 0"),
    "activation": (lambda g: g["nodes"][2].update(activation="rélu"), r"graph.nodes\[2\].activation must be one of"),
    "training": (lambda g: g["training"].pop("warmup") and None, r"graph.training.warmup must be given"),
    "nan": (lambda g: g["training"].update(learning_rate=float("nan")), r"learning_rate must be .*, not nan"),
    "edge of three": (lambda g: g["edges"].append([0, 1, 2]), r"graph.edges\[3\] must have at most 2 items"),
    "edge of one": (lambda g: g["edges"].append([0]), r"graph.edges\[3\] must be a pair"),
    "edge to nowhere": (lambda g: g["edges"].append([0, 9]), r"graph.edges\[3\] must be .* from 0 to 3, not 9"),
    "edge back": (lambda g: g["edges"].append([2, 1]), r"must lead to a later node, not from 2 to 1"),
    "self loop": (lambda g: g["edges"].append([2, 2]), r"must lead to a later node, not from 2 to 2"),
    "no source": (
        lambda g: g["edges"].remove([0, 1]) or g["edges"].append([0, 2]),
        r"graph.nodes\[1\] must have a source",
    ),
    "unused": (
        lambda g: g["edges"].extend([[0, 3], [0, 2]]) or g["edges"].remove([1, 2]),
        r"graph.nodes\[1\] must be used",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD_GRAPHS.values(), ids=BAD_GRAPHS.keys())
def test_bad_graphs_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        graph_from_json(break_graph(change))


def test_check_graph_sees_wrong_node_numbers():
    graph = nx.relabel_nodes(to_graph(network(10, 5)), {2: "two"})
    with pytest.raises(InputError, match="graph nodes must be 0 to 3"):
        check_graph(graph)


# -------------------------------------------------------------------- drawing


def test_draw_shows_skips_as_rails():
    genome = network(64, 32, 16, sources=[[0], [0], [1, 2], [0, 3]], dropout=0.2, normalization="batch", warmup=0.1)
    assert draw(to_graph(genome)).splitlines() == [
        "●─┬─╮    input",
        "│ │ │",
        "●─┼─┼─╮  64 relu, batch normalization, dropout 0.2",
        "  │ │ │",
        "●─╯ │ │  32 relu, batch normalization, dropout 0.2",
        "│   │ │",
        "●───┼─╯  16 relu, batch normalization, dropout 0.2",
        "│   │",
        "●───╯    output",
        "adam at 0.001, batches of 32, warm-up 0.1",
    ]
