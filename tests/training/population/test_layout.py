"""Between a network and its padded slot, in numpy: round trips, and equal outputs with and without padding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.networks.initial import initial_weights
from evonas.training.population.cost import CPU
from evonas.training.population.network import Network
from evonas.training.population.planner import Planner, Workload
from evonas.training.population.shape import ProgramShape
from genomes.architecture.graph import check_graph
from tests.training.networks import graph

pytestmark = pytest.mark.keras

FEATURES, OUTPUTS = 3, 2
WORKLOAD = Workload(FEATURES, OUTPUTS, "mse", train_rows=100, validation_rows=30)


@st.composite
def graphs(draw):
    """Any wiring of up to four layers in which every node has a source and is used."""
    depth = draw(st.integers(0, 4))
    widths = draw(st.lists(st.integers(1, 7), min_size=depth, max_size=depth))
    edges = set()
    for node in range(1, depth + 2):
        edges |= {(u, node) for u in draw(st.sets(st.integers(0, node - 1), min_size=1, max_size=node))}
    for node in range(depth + 1):
        if not any(u == node for u, _ in edges):
            edges.add((node, draw(st.integers(node + 1, depth + 1))))
    made = graph(widths, sorted(edges), batch_size=draw(st.sampled_from([7, 32])))
    for node in range(1, depth + 1):
        made.nodes[node]["normalization"] = draw(st.sampled_from(["none", "batch", "layer"]))
    check_graph(made)
    return made


def shape_of(networks):
    """A shape that holds all the networks, as the planner makes it."""
    # Compilation never pays off, so all share a program.
    (shape,) = {
        part.shape for part in Planner(replace(CPU, compile_seconds=1e9)).plan(networks, [1] * len(networks), WORKLOAD)
    }
    return shape


def weights_of(made, rng):
    """Like initial weights, but no entry is 0 or 1."""
    drawn = initial_weights(made, FEATURES, OUTPUTS, 0)
    return {name: rng.uniform(0.5, 2.0, value.shape).astype(np.float32) for name, value in drawn.items()}


def normalise(z, kind, weights, name, rows=slice(None)):
    """Inference with moving statistics, or layer normalisation over the real units."""
    if kind == "batch":
        z = (z - weights[f"{name}/moving_mean"]) / np.sqrt(weights[f"{name}/moving_variance"] + 1e-3)
    elif kind == "layer":
        real = z[:, rows]
        z = (z - real.mean(1, keepdims=True)) / np.sqrt(real.var(1, keepdims=True) + 1e-3)
    return z if kind == "none" else z * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def forward(made, weights, x):
    """The network without padding, with tanh."""
    held = [x]
    for node in range(1, len(made)):
        last = node == len(made) - 1
        name = "output" if last else f"layer_{node}"
        h = np.concatenate([held[u] for u in sorted(made.predecessors(node))], axis=1)
        z = h @ weights[f"{name}/kernel"] + weights.get(f"{name}/bias", 0.0)
        held.append(z if last else np.tanh(normalise(z, made.nodes[node]["normalization"], weights, name)))
    return held[-1]


def padded_forward(made, packed, constants, shape, x):
    """The network in its slot: masks of units and edges, and the padding."""
    held = [x]
    for node in range(1, shape.output + 1):
        name = "output" if node == shape.output else f"layer_{node}"
        inputs = []
        for source in shape.sources(node):
            edge = constants[f"edge_{source}_{node}"] if shape.mixed_edges else 1.0
            inputs.append(held[source] * edge)
        z = np.concatenate(inputs, axis=1) @ packed[f"{name}/kernel"] + packed[f"{name}/bias"]
        if node == shape.output:
            return z
        kind = "none"
        if shape.normalized:
            kind = "batch" if constants[f"batch_norm_{node}"] else "layer" if constants[f"layer_norm_{node}"] else kind
        z = normalise(z, kind, packed, name, slice(np.count_nonzero(constants[f"mask_{node}"])))
        held.append(np.tanh(z) * constants[f"mask_{node}"])
    raise AssertionError


def member(network, **changes):
    from evonas.training.population.layout import Fold, PopulationMember

    values = {"network": network, "initial": dict, "seed": 1, "epochs": 4, "horizon": 4, "fold": Fold(0, 100, 0, 30)}
    return PopulationMember(**values | changes)


@settings(max_examples=60)
@given(st.lists(graphs(), min_size=1, max_size=3))
def test_packed_weights_come_back_and_compute_the_same(mades):
    from evonas.training.population.layout import constants, pack, unpack

    rng = np.random.default_rng(0)
    networks = [Network.from_graph(made) for made in mades]
    shape = shape_of(networks)
    x = rng.normal(size=(6, FEATURES)).astype(np.float32)
    for made, network in zip(mades, networks, strict=True):
        weights = weights_of(made, rng)
        packed = pack(weights, network, shape)
        back = unpack(packed, weights, network, shape)
        assert back.keys() == weights.keys()
        for name, value in weights.items():
            np.testing.assert_array_equal(back[name], value)
        # Padding only adds zeros.
        for name, value in weights.items():
            if name.endswith("kernel"):
                assert packed[name].sum(dtype=float) == pytest.approx(value.sum(dtype=float), rel=1e-6)
                assert np.count_nonzero(packed[name]) == value.size
        expected = forward(made, weights, x)
        found = padded_forward(made, packed, constants(member(network), shape, 1, 0.0), shape, x)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=30)
@given(st.lists(graphs(), min_size=1, max_size=3))
def test_every_slot_of_a_shape_has_arrays_of_equal_names_and_shapes(mades):
    """Otherwise they could not be stacked."""
    from evonas.training.population.layout import constants, pack

    networks = [Network.from_graph(made) for made in mades]
    shape = shape_of(networks)
    forms = []
    for made, network in zip(mades, networks, strict=True):
        packed = pack(initial_weights(made, FEATURES, OUTPUTS, 0), network, shape)
        arrays = packed | constants(member(network), shape, 3, 0.1)
        forms.append({name: (value.shape, value.dtype) for name, value in arrays.items()})
    assert all(form == forms[0] for form in forms)


@settings(max_examples=30)
@given(st.lists(graphs(), min_size=1, max_size=3))
def test_moments_are_padded_with_zeros(mades):
    from evonas.training.population.layout import pack, unpack

    networks = [Network.from_graph(made) for made in mades]
    shape, rng = shape_of(networks), np.random.default_rng(0)
    for made, network in zip(mades, networks, strict=True):
        moments = weights_of(made, rng)
        packed = pack(moments, network, shape, identity=False)
        assert sum(np.count_nonzero(value) for value in packed.values()) == sum(v.size for v in moments.values())
        for name, value in unpack(packed, moments, network, shape).items():
            np.testing.assert_array_equal(value, moments[name])


def test_a_padded_kernel_has_a_block_for_each_source():
    """One case in full: edges 0-1, 1-out, 0-out in a shape that also has a second layer."""
    from evonas.training.population.layout import pack

    network = Network.from_graph(graph((2,), [(0, 1), (0, 2), (1, 2)]))
    shape = ProgramShape(
        1, 1, 1, "mse", (3, 3), ((0, 1), (1, 2), (0, 3), (1, 3), (2, 3)), 4, 1, 1, 1, 1, mixed_edges=True
    )
    weights = {
        "layer_1/kernel": np.array([[1, 2]]),
        "layer_1/bias": np.array([3, 4]),
        "output/kernel": np.array([[5], [6], [7]]),
        "output/bias": np.array([8]),
    }
    packed = pack(weights, network, shape)
    np.testing.assert_array_equal(packed["layer_1/kernel"], [[1, 2, 0]])
    np.testing.assert_array_equal(packed["layer_1/bias"], [[3, 4, 0]])
    np.testing.assert_array_equal(packed["output/kernel"][:, 0], [5, 6, 7, 0, 0, 0, 0])
    np.testing.assert_array_equal(packed["layer_2/kernel"], np.zeros((3, 3)))


def test_constants_describe_the_network():
    from evonas.training.population.activations import coefficients
    from evonas.training.population.layout import Fold, constants

    made = graph((2, 3), activation="gelu", dropout=0.25, normalization="layer", l2=0.5)
    network = Network.from_graph(made)
    shape = replace(shape_of([network]), widths=(4, 4, 4), edges=((0, 1), (1, 2), (2, 3), (2, 4), (3, 4)))
    shape = replace(shape, mixed_edges=True)
    found = constants(member(network, seed=2**32 - 1, fold=Fold(5, 100, 7, 30)), shape, 9, 0.125)
    assert {k: found[k] for k in ("patience", "train_rows", "validation_rows", "validation_start")} == {
        "patience": 9,
        "train_rows": 100,
        "validation_rows": 30,
        "validation_start": 7,
    }
    assert (found["seed"], found["min_delta"]) == (-1, 0.125)
    np.testing.assert_array_equal(found["mask_1"], [[1, 1, 0, 0]])
    np.testing.assert_array_equal(found["mask_3"], [[0, 0, 0, 0]])
    np.testing.assert_array_equal(found["share_1"], [[0.5, 0.5, 0, 0]])
    np.testing.assert_array_equal(found["activation_2"], coefficients("gelu"))
    assert [found[f"drop_{k}"].item() for k in (1, 2, 3)] == [0.25, 0.25, 0.0]
    assert [found[f"l2_{k}"].item() for k in (1, 2, 3, 4)] == [0.5, 0.5, 0.0, 0.5]
    assert [found[f"layer_norm_{k}"].item() for k in (1, 2, 3)] == [1.0, 1.0, 0.0]
    assert [found[f"edge_{u}_{v}"].item() for u, v in shape.edges] == [1.0, 1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize("optimizer", ["nadam", "adam", "momentum"])
def test_schedules_of_successive_calls_are_slices_of_the_whole(optimizer):
    from evonas.training.population.layout import schedule

    genes = {"optimizer": optimizer, "schedule": "cosine", "warmup": 0.2, "batch_size": 30}
    one = member(Network.from_graph(graph(**genes)), epochs=6, horizon=8)
    assert one.steps == 4
    whole = schedule(one, 0, 6)
    assert whole.shape[:2] == (6, 4)
    np.testing.assert_array_equal(np.concatenate([schedule(one, 0, 2), schedule(one, 2, 4)]), whole)
    assert (schedule(replace(one, horizon=6), 0, 6) != whole).any()
