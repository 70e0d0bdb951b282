"""How a training starts: initial weights and data order, derived from a seed."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.networks.initial import epoch_order, epoch_part, initial_weights, input_width, rows_of_epoch
from genomes.architecture.layers import INITIALIZERS, NORMALIZATIONS
from tests.training.networks import graph

IN, OUT = 200, 300


def kernel(initializer, seed=0):
    return initial_weights(graph((OUT,), initializer=initializer), IN, 1, seed)["layer_1/kernel"]


@pytest.mark.keras
@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_kernels_are_distributed_as_keras_draws_them(initializer):
    import keras

    mine = kernel(initializer)
    theirs = keras.ops.convert_to_numpy(type(keras.initializers.get(initializer))(seed=1)((IN, OUT)))
    assert mine.shape == theirs.shape
    assert mine.dtype == np.float32
    count = mine.size
    # The standard error of a standard deviation is at most 1 / sqrt(2 * count), that of a mean std / sqrt(count).
    assert mine.std() == pytest.approx(theirs.std(), rel=6 / np.sqrt(count))
    assert abs(mine.mean()) < 5 * mine.std() / np.sqrt(count)
    # Bounds: exact for uniform values, two standard deviations before truncation for normal ones.
    assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=2e-3)
    for q in (0.05, 0.25, 0.75, 0.95):
        assert np.quantile(mine, q) == pytest.approx(np.quantile(theirs, q), abs=0.03 * float(mine.std()))


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_kernels_have_the_variance_of_their_initialiser(initializer):
    variance = {"glorot": 2 / (IN + OUT), "he": 2 / IN, "lecun": 1 / IN}[initializer.split("_")[0]]
    mine = kernel(initializer)
    assert mine.var() == pytest.approx(variance, rel=0.02)
    bound = np.sqrt(3 * variance) if "uniform" in initializer else 2 * np.sqrt(variance) / 0.87962566
    assert np.abs(mine).max() <= bound * (1 + 1e-6)


def test_the_output_has_its_own_fans():
    weights = initial_weights(graph((OUT,), initializer="glorot_uniform"), IN, 100, 0)
    assert weights["output/kernel"].shape == (OUT, 100)
    assert weights["output/kernel"].var() == pytest.approx(2 / (OUT + 100), rel=0.03)


def test_skips_widen_the_input_of_a_node():
    network = graph((6, 5), edges=[(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)])
    assert [input_width(network, node, 4) for node in (1, 2, 3)] == [4, 10, 15]
    weights = initial_weights(network, 4, 2, 0)
    shapes = {name: value.shape for name, value in weights.items() if name.endswith("kernel")}
    assert shapes == {"layer_1/kernel": (4, 6), "layer_2/kernel": (10, 5), "output/kernel": (15, 2)}


@pytest.mark.keras
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_names_and_shapes_are_those_of_the_keras_model(normalization):
    from evonas.training.model import build_model, get_weights

    network = graph((6, 5), edges=[(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)], normalization=normalization)
    mine, theirs = initial_weights(network, 4, 2, 0), get_weights(build_model(network, 4, 2))
    assert {name: value.shape for name, value in mine.items()} == {name: v.shape for name, v in theirs.items()}
    for name, value in mine.items():
        assert value.dtype == np.float32
        if not name.endswith("kernel"):
            np.testing.assert_array_equal(value, theirs[name])


def test_weights_depend_on_the_seed_and_the_layer_and_on_nothing_else():
    network = graph((7, 7, 7))
    one, again, other = (initial_weights(network, 7, 7, seed) for seed in (3, 3, 4))
    kernels = ["layer_1/kernel", "layer_2/kernel", "layer_3/kernel", "output/kernel"]
    for name in kernels:
        np.testing.assert_array_equal(one[name], again[name])
        assert abs(np.corrcoef(one[name].ravel(), other[name].ravel())[0, 1]) < 0.5
        assert (one[name] != other[name]).all()
    for name in kernels[1:]:
        assert (one[name] != one["layer_1/kernel"]).all()
    # Training genes use no random numbers.
    trained_otherwise = initial_weights(graph((7, 7, 7), optimizer="sgd", activation="relu", dropout=0.5), 7, 7, 3)
    for name in kernels:
        np.testing.assert_array_equal(one[name], trained_otherwise[name])


@pytest.mark.parametrize("num_samples", [1, 2, 489])
def test_an_order_is_a_permutation(num_samples):
    order = epoch_order(5, 0, num_samples)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(num_samples))


def test_orders_of_seeds_and_epochs_are_independent():
    orders = {(seed, epoch): epoch_order(seed, epoch, 2000) for seed in range(4) for epoch in range(4)}
    keys = list(orders)
    for k, a in enumerate(keys):
        np.testing.assert_array_equal(orders[a], epoch_order(*a, 2000))
        for b in keys[k + 1 :]:
            assert abs(np.corrcoef(orders[a], orders[b])[0, 1]) < 0.12
            assert (orders[a] == orders[b]).sum() < 10


def test_every_row_can_be_anywhere_in_the_order():
    places = np.stack([epoch_order(9, epoch, 8) for epoch in range(800)])
    counts = np.stack([(places == row).sum(axis=0) for row in range(8)])
    # Each has 100 expected hits, standard deviation 9.4.
    assert np.abs(counts - 100).max() < 48


@pytest.mark.parametrize(("rows", "most"), [(10, 3), (12, 4), (7, 7), (5, 9), (9, None)])
def test_epochs_of_parts_take_each_row_once_in_a_pass(rows: int, most: int | None) -> None:
    parts = 1 if most is None else -(-rows // most)
    for first in (0, parts):
        order = np.concatenate([epoch_part(3, first + part, rows, most) for part in range(parts)])
        np.testing.assert_array_equal(order, epoch_order(3, first // parts, rows))
    assert max(len(epoch_part(3, part, rows, most)) for part in range(parts)) == rows_of_epoch(rows, most)
