"""Biases initialised at training rows."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.networks.data_biases import with_data_biases
from evonas.networks.forward import forward
from evonas.networks.initial import initial_weights
from evonas.networks.transfer import first_weights
from tests.training.gene_table import LINEAR
from tests.training.networks import data, graph

FULL = {"members": 3, "adapters": "full"}
ROWS = data().splits[0].x_train


@pytest.mark.parametrize("inputs", [{}, LINEAR, FULL, LINEAR | FULL])
def test_each_unit_has_its_kink_at_a_row(inputs):
    network = graph((8, 6), activation="relu", inputs=inputs)
    weights = with_data_biases(network, initial_weights(network, 4, 2, 3), ROWS, 3)
    values = forward(network, weights, ROWS)
    for node in (1, 2):
        arguments = values.arguments[node]
        assert np.abs(arguments).min(axis=0).max() < 1e-5
    assert not weights["output/bias"].any()


def test_members_that_share_a_bias_have_their_kink_there_on_average():
    network = graph((8, 6), activation="relu", inputs={"members": 3})
    weights = with_data_biases(network, initial_weights(network, 4, 2, 3), ROWS, 3)
    assert np.abs(forward(network, weights, ROWS).arguments[2].mean(axis=1)).min(axis=0).max() < 1e-5


def test_other_seeds_take_other_rows_and_batch_normalisation_has_no_biases():
    network = graph((8, 6))
    one, other = (with_data_biases(network, initial_weights(network, 4, 2, 3), ROWS, seed) for seed in (1, 2))
    assert (one["layer_1/bias"] != other["layer_1/bias"]).any()
    normalized = graph((8, 6), normalization="batch")
    assert "layer_1/bias" not in with_data_biases(normalized, initial_weights(normalized, 4, 2, 3), ROWS, 1)


def test_networks_start_this_way_if_their_gene_says_so():
    problem = data().problem
    for how, begins in (("zeros", False), ("rows", True)):
        weights = first_weights(graph((8,), bias_initializer=how), problem, 3, None, ROWS)()
        assert bool(weights["layer_1/bias"].any()) is begins
