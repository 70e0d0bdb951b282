"""Each kind of layer computes the same in numpy and in Keras, and matches its rows in the tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evonas.networks.forward import raw_outputs
from evonas.networks.initial import initial_weights
from evonas.networks.layers import LAYERS as NETWORK_ROWS
from evonas.networks.perturbation import perturb
from genomes.architecture.cost import count_parameters
from genomes.architecture.graph import graph_from_json, graph_to_json
from genomes.architecture.layers import LAYERS
from tests.training.layered import NETWORKS, rows

pytestmark = pytest.mark.keras


def weights_of(network, width, seed=0):
    """Weights without any 0 or 1."""
    found = perturb(initial_weights(network, width, 3, seed), 5)
    return {name: np.abs(value) + 0.5 if "variance" in name else value for name, value in found.items()}


def test_every_kind_has_a_row_in_each_table_and_a_network_here():
    from evonas.training.layers import ROWS

    kinds = {*LAYERS, "output"}
    assert NETWORK_ROWS.keys() == ROWS.keys() == kinds
    assert {network.nodes[node]["kind"] for network in NETWORKS.values() for node in network} == kinds | {"input"}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_keras_and_numpy_compute_the_same(network):
    from evonas.training.model import build_model, get_weights, set_weights

    graph_from_json(graph_to_json(network))
    sample, masked = network.graph["sample"]
    width = math.prod(sample)
    model, weights = build_model(network, width, 3), weights_of(network, width)
    set_weights(model, weights)
    x = rows(sample, masked, 12)
    found = np.asarray(model(x, training=False))
    np.testing.assert_allclose(found, raw_outputs(network, weights, x), rtol=1e-4, atol=2e-6)
    assert np.ptp(found, axis=0).max() > 1e-4
    for name, value in get_weights(model).items():
        np.testing.assert_array_equal(value, weights[name])
    trained = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    assert trained == count_parameters(network, width, 3, sample)


def test_how_many_rows_are_predicted_at_a_time_changes_nothing(monkeypatch):
    network = NETWORKS["images"]
    x, weights = rows(network.graph["sample"][0]), weights_of(network, 192)
    whole = raw_outputs(network, weights, x, np.float64)
    monkeypatch.setattr("evonas.networks.layered._NUMBERS", 9000)
    np.testing.assert_allclose(raw_outputs(network, weights, x, np.float64), whole, rtol=1e-12)
