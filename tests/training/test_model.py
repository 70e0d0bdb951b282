"""The Keras model matches the graph."""

from __future__ import annotations

import numpy as np
import pytest

from genomes import DenseSpace
from genomes.architecture.cost import count_parameters
from genomes.architecture.embedding import with_columns
from genomes.errors import InputError
from tests.training.networks import data, graph

pytestmark = pytest.mark.keras
SKIPS = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def test_parameters_match_the_graph_s_count():
    from evonas.training.model import build_model

    space, rng = DenseSpace(), np.random.default_rng(0)
    for _ in range(12):
        network = with_columns(space.architecture(space.sample(rng)), (0, 0, 1, 2, 2, 2, -1))
        model = build_model(network, 7, 3)
        assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count_parameters(network, 7, 3)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_weights_have_the_names_and_shapes_of_the_initial_ones(normalization):
    from evonas.networks.initial import initial_weights
    from evonas.training.model import build_model, get_weights, set_weights

    network = graph((5, 6), SKIPS, normalization=normalization, dropout=0.2)
    model = build_model(network, 4, 2)
    weights = initial_weights(network, 4, 2, seed=3)
    set_weights(model, weights)
    found = get_weights(model)
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(found[name], value)
    with pytest.raises(ValueError, match="output/kernel"):
        set_weights(model, {name: value for name, value in weights.items() if name != "output/kernel"})


def test_a_layer_takes_its_sources_in_ascending_order():
    from evonas.networks.initial import initial_weights
    from evonas.training.model import build_model, set_weights
    from evonas.training.single.graph_model import raw_outputs

    network = graph((5, 6), list(reversed(SKIPS)))
    w = initial_weights(network, 4, 2, seed=3)
    model = build_model(network, np.int64(4), np.int64(2))
    set_weights(model, w)
    x = data().splits[0].x_validation
    h1 = np.tanh(x @ w["layer_1/kernel"])
    h2 = np.tanh(np.hstack([x, h1]) @ w["layer_2/kernel"])
    np.testing.assert_allclose(raw_outputs(model, x), np.hstack([x, h1, h2]) @ w["output/kernel"], rtol=1e-4, atol=1e-5)


def test_a_network_without_hidden_layers():
    from evonas.training.model import build_model, get_weights

    assert get_weights(build_model(graph(()), 4, 2))["output/kernel"].shape == (4, 2)


def test_weights_of_another_network_are_refused():
    from evonas.training.model import build_model, get_weights, set_weights
    from evonas.training.single.fitting import assign_recorded

    model = build_model(graph(), 3, 1)
    weights = get_weights(model)
    name = next(iter(weights))
    for others in ({}, weights | {"more": np.zeros(1)}, weights | {name: np.zeros((9, 9))}):
        with pytest.raises(InputError, match="restore the run from a copy"):
            set_weights(model, others)
    with pytest.raises(InputError, match="restore the run from a copy"):
        assign_recorded(model.weights, {"0": np.zeros((9, 9))})
