"""Layer kinds over images, series and texts: shapes, counts, digests, JSON and drawings, computed by hand."""

from __future__ import annotations

import json

import pytest

from genomes import InputError
from genomes.architecture import (
    count_activations,
    count_flops,
    count_moving,
    count_parameters,
    digest,
    draw,
    graph_from_json,
    graph_to_json,
    kinds_of,
    make_graph,
    node_shapes,
    same_layers,
)
from genomes.architecture.cost import count_fixed
from genomes.architecture.layers import LAYERS

KERNEL = {"initializer": "he_normal", "l2": 0.0}
TRAINING = {
    "optimizer": "adam",
    "learning_rate": 0.001,
    "batch_size": 32,
    "schedule": "constant",
    "warmup": 0.0,
    "weight_decay": 0.0,
}


def layer(kind, **attributes):
    """A node of a kind; attributes that are not given come from `DEFAULTS`."""
    return {"kind": kind, **DEFAULTS[kind], **attributes}


DEFAULTS = {
    "dense": {"units": 5, "activation": "relu", "dropout": 0.0, "normalization": "none", **KERNEL},
    "conv": {
        "filters": 4,
        "kernel": [3],
        "stride": 1,
        "dilation": 1,
        "separable": False,
        "activation": "relu",
        "normalization": "none",
        "dropout": 0.0,
        **KERNEL,
    },
    "pool": {"pooling": "max", "size": 2},
    "global_pool": {"pooling": "average"},
    "flatten": {},
    "add": {"activation": "relu"},
    "squeeze_excite": {"ratio": 2},
    "normalize": {"normalization": "batch", "activation": "relu", "dropout": 0.0},
    "recurrent": {
        "cell": "gru",
        "units": 3,
        "bidirectional": False,
        "sequences": True,
        "dropout": 0.0,
        "initializer": "glorot_uniform",
    },
    "attention": {"heads": 2, "key_units": 4, "dropout": 0.0},
    "positions": {"positions": "learned"},
    "random_convolutions": {"features": 10},
    "bag_of_words": {"vocabulary": 50, "length": 6, "buckets": 8, "units": 4, "dropout": 0.0},
    "tokens": {"vocabulary": 50, "length": 6, "units": 4, "dropout": 0.0},
}


def chain(*nodes, edges=(), training=TRAINING):
    """A chain of these hidden nodes, with extra edges."""
    path = [(node, node + 1) for node in range(len(nodes) + 1)]
    return make_graph([{"kind": "input"}, *nodes, {"kind": "output", **KERNEL}], [*path, *edges], training)


def test_every_kind_is_covered_here():
    assert set(DEFAULTS) == set(LAYERS)
    assert all(set(DEFAULTS[kind]) == set(LAYERS[kind].attributes) - set(LAYERS[kind].off) for kind in LAYERS)


IMAGE, SERIES, TEXT = (5, 4, 3), (7, 3), (9,)
LAST = layer("global_pool")
#: Network, sample shape -> shapes of the hidden nodes, parameters and FLOPs of those before the output.
CASES = {
    "conv": (chain(layer("conv"), LAST), IMAGE, [(5, 4, 4), (4,)], 9 * 3 * 4 + 4, 2 * 20 * 9 * 12),
    "conv of a series": (chain(layer("conv"), LAST), SERIES, [(7, 4), (4,)], 3 * 3 * 4 + 4, 2 * 7 * 3 * 12),
    "stride": (chain(layer("conv", stride=2), LAST), IMAGE, [(3, 2, 4), (4,)], 112, 2 * 6 * 108),
    "two widths": (chain(layer("conv", kernel=[5, 1]), LAST), IMAGE, [(5, 4, 4), (4,)], 64, 2 * 20 * 60),
    "batch": (chain(layer("conv", normalization="batch"), LAST), IMAGE, [(5, 4, 4), (4,)], 108 + 8, 2 * 20 * 108),
    "separable": (chain(layer("conv", separable=True), LAST), IMAGE, [(5, 4, 4), (4,)], 27 + 12 + 4, 2 * 20 * 39),
    "pool": (chain(layer("pool"), LAST), IMAGE, [(3, 2, 3), (3,)], 0, 0),
    "flatten": (chain(layer("flatten"), layer("dense")), IMAGE, [(60,), (5,)], 61 * 5, 600),
    "squeeze_excite": (chain(layer("squeeze_excite"), LAST), IMAGE, [IMAGE, (3,)], 3 + 1 + 3 + 3, 4 * 3),
    "normalize": (chain(layer("normalize"), LAST), SERIES, [SERIES, (3,)], 6, 0),
    "gru": (chain(layer("recurrent"), LAST), SERIES, [(7, 3), (3,)], 3 * (9 + 9 + 6), 2 * 7 * 54),
    "lstm": (
        chain(layer("recurrent", cell="lstm", bidirectional=True, sequences=False)),
        SERIES,
        [(6,)],
        2 * 4 * (9 + 9 + 3),
        2 * 7 * 2 * 72,
    ),
    "attention": (
        chain(layer("attention"), LAST),
        SERIES,
        [SERIES, (3,)],
        6 + 3 * 4 * 4 + 5 * 3,
        2 * 7 * 48 + 4 * 49 * 4,
    ),
    "learned": (chain(layer("positions"), LAST), SERIES, [SERIES, (3,)], 21, 0),
    "sine": (chain(layer("positions", positions="sine"), LAST), SERIES, [SERIES, (3,)], 0, 0),
    "random_convolutions": (chain(layer("random_convolutions")), SERIES, [(10,)], 0, 2 * 7 * 9 * 3 * 10),
    "bag_of_words": (chain(layer("bag_of_words")), TEXT, [(4,)], 59 * 4, 2 * 2 * 6 * 4),
    "bag of words": (chain(layer("bag_of_words", buckets=0)), TEXT, [(4,)], 50 * 4, 2 * 6 * 4),
    "tokens": (chain(layer("tokens"), LAST), TEXT, [(6, 4), (4,)], 200, 0),
    "short texts": (chain(layer("tokens", length=20), LAST), TEXT, [(9, 4), (4,)], 200, 0),
}


@pytest.mark.parametrize(("network", "sample", "shapes", "parameters", "flops"), CASES.values(), ids=CASES)
def test_shapes_and_counts_by_hand(network, sample, shapes, parameters, flops):
    found = node_shapes(network, sample, 2)
    assert [found[node] for node in range(1, len(network) - 1)] == shapes
    assert found[0] == sample
    assert found[len(network) - 1] == (2,)
    width, features = shapes[-1][0], 1
    for size in sample:
        features *= size
    assert count_parameters(network, features, 2, sample) == parameters + 2 * (width + 1)
    assert count_flops(network, features, 2, sample) == flops + 2 * 2 * width


def test_fixed_values_are_those_of_frozen_layers():
    series = chain(layer("random_convolutions"))
    assert count_fixed(series, 21, 2, SERIES) == 10 * (9 * 3 + 1 + 4)
    assert count_fixed(chain(layer("conv", normalization="batch"), LAST), 60, 2, IMAGE) == 0


def test_a_residual_block():
    block = chain(layer("conv", filters=3, normalization="batch"), layer("add"), LAST, edges=[(0, 2)])
    assert node_shapes(block, IMAGE, 2)[2] == IMAGE
    assert count_moving(block, 60, 2, IMAGE) == 6
    assert count_activations(block, 60, 2, IMAGE) == 60 + 60 + 60 + 3 + 2
    with pytest.raises(InputError, match=r"graph.nodes\[2\] \(add\) must be given outputs of one shape"):
        node_shapes(chain(layer("conv"), layer("add"), LAST, edges=[(0, 2)]), IMAGE, 2)


def test_sources_are_concatenated():
    assert node_shapes(chain(layer("conv"), layer("pool"), LAST, edges=[(0, 2)]), IMAGE, 2)[2] == (3, 2, 7)
    with pytest.raises(InputError, match=r"graph.nodes\[2\] \(conv\) must be given .* \(5, 4, 3\) and \(3, 2, 3\)"):
        node_shapes(chain(layer("pool"), layer("conv"), LAST, edges=[(0, 2)]), IMAGE, 2)


@pytest.mark.parametrize(
    ("network", "sample", "message"),
    [
        (chain(layer("dense")), (5,), None),
        (chain(layer("dense")), IMAGE, None),  # a network of flat layers flattens images
        (chain(layer("conv"), LAST), (5,), r"\[1\] \(conv\) must be given \(steps, channels\) or .*, not \(5\)"),
        (chain(layer("conv"), layer("dense")), IMAGE, r"\[2\] \(dense\) must be given \(units\), not \(5, 4, 4\)"),
        (chain(layer("conv", kernel=[3, 5]), LAST), SERIES, r"\[1\] \(conv\) must be given as many axes as its kernel"),
        (chain(layer("recurrent"), LAST), IMAGE, r"\[1\] \(recurrent\) must be given \(steps, channels\)"),
        (chain(layer("conv")), IMAGE, r"\[2\] \(output\) must be given \(units\)"),
    ],
)
def test_layers_that_cannot_take_a_shape_are_named(network, sample, message):
    if message is None:
        assert node_shapes(network, sample, 2)[1] == (5,)
    else:
        with pytest.raises(InputError, match=message):
            node_shapes(network, sample, 2)


@pytest.mark.parametrize("kind", LAYERS)
def test_each_kind_survives_json_and_each_attribute_is_needed(kind):
    network = chain(layer(kind))
    back = graph_from_json(json.loads(json.dumps(graph_to_json(network))))
    assert graph_to_json(back) == graph_to_json(network)
    assert digest(back) == digest(network)
    assert same_layers(back, network)
    assert kinds_of(back) == {kind}
    for name in DEFAULTS[kind]:
        value = json.loads(json.dumps(graph_to_json(network)))
        del value["nodes"][1][name]
        with pytest.raises(InputError, match=rf"graph.nodes\[1\].{name} must be given"):
            graph_from_json(value)


OTHERS = {
    "buckets": 9,
    "filters": 8,
    "kernel": [5],
    "stride": 2,
    "dilation": 2,
    "separable": True,
    "size": 3,
    "pooling": "max",
    "ratio": 4,
    "cell": "lstm",
    "units": 7,
    "bidirectional": True,
    "sequences": False,
    "heads": 4,
    "key_units": 8,
    "positions": "sine",
    "features": 20,
    "vocabulary": 60,
    "length": 5,
    "activation": "tanh",
    "normalization": "layer",
    "dropout": 0.5,
    "initializer": "lecun_normal",
    "l2": 0.1,
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in DEFAULTS for name in DEFAULTS[kind]])
def test_each_attribute_changes_the_digest(kind, name):
    """It always changes the digest; it changes the outputs for given weights if it acts outside training."""
    value = "average" if (kind, name) == ("pool", "pooling") else OTHERS[name]
    one, other = chain(layer(kind)), chain(layer(kind, **{name: value}))
    assert digest(one) != digest(other)
    assert same_layers(one, other) == (name in ("dropout", "initializer", "l2"))


def test_a_kernel_of_one_width_is_written_once_and_whole_numbers_stay_whole():
    one, other = chain(layer("conv", kernel=[3])), chain(layer("conv", kernel=[3, 3]))
    assert digest(one) == digest(other)
    assert same_layers(one, other)
    assert not same_layers(one, chain(layer("conv", kernel=[3, 5])))
    assert digest(one) == "996704ce3c51c115d18544e89806ba8bc61b33f84f78e425e19afdbeaeca4ba6"


BAD = {
    "kernel": ({"kernel": []}, r"graph.nodes\[1\].kernel must be a list of 1 to 2 whole numbers, not \[\]"),
    "kernel of a width": ({"kernel": [3, 65]}, r"graph.nodes\[1\].kernel\[1\] must be .* from 1 to 64, not 65"),
    "no list": ({"kernel": 3}, r"graph.nodes\[1\].kernel must be a list"),
    "dilated stride": ({"stride": 2, "dilation": 2}, r"graph.nodes\[1\].dilation must be 1 with a stride above 1"),
    "separable": ({"separable": 1}, r"graph.nodes\[1\].separable must be true or false"),
}


@pytest.mark.parametrize(("attributes", "message"), BAD.values(), ids=BAD)
def test_bad_layers_are_refused(attributes, message):
    with pytest.raises(InputError, match=message):
        graph_from_json(graph_to_json(chain(layer("conv", **attributes))))
    with pytest.raises(InputError, match=r"graph.nodes\[1\].key_units must be a multiple of its 3 heads, not 4"):
        graph_from_json(graph_to_json(chain(layer("attention", heads=3))))


def test_only_dense_networks_have_members():
    value = graph_to_json(chain(layer("conv"), LAST))
    value["nodes"][0] |= {"members": 4, "adapters": "mini"}
    with pytest.raises(InputError, match=r"graph.nodes\[0\].members must be 1 with a conv layer"):
        graph_from_json(value)


def test_augmentation_is_omitted_if_it_is_off():
    value = graph_to_json(chain(layer("conv"), LAST, training={**TRAINING, "flip": False, "mixup": 0.0, "shift": 0.1}))
    assert graph_from_json(value).graph["training"] == {**TRAINING, "shift": 0.1}


def test_drawing():
    network = chain(
        layer("conv", kernel=[3, 5], stride=2, normalization="batch", dropout=0.1),
        layer("conv", filters=4, separable=True, dilation=2),
        layer("add"),
        layer("squeeze_excite"),
        layer("pool"),
        LAST,
        edges=[(1, 3)],
        training={**TRAINING, "flip": True, "cutout": 0.25},
    )
    assert draw(network).splitlines()[::2] == [
        "●    input",
        "●─╮  conv 4 of 3x5 relu, stride 2, batch normalization, dropout 0.1",
        "● │  separable conv 4 of 3 relu, dilation 2",
        "●─╯  add, relu",
        "●    squeeze and excite by 2",
        "●    max pooling by 2",
        "●    global average pooling",
        "●    output",
    ]
    assert draw(network).splitlines()[-1] == "adam at 0.001, batches of 32, flip, cutout 0.25"
    words = draw(chain(*map(layer, ("tokens", "positions", "attention", "recurrent", "flatten", "normalize"))))
    for text in (
        "embedding of 50 tokens to 4, first 6",
        "learned positions",
        "attention of 2 heads, 4 units",
        "GRU 3",
        "flatten",
        "relu, batch normalization",
    ):
        assert f"●  {text}" in words
