"""Learning rates of single variables, and weight decay in each step. `gene_table.py` compares them with Keras."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.networks.initial import initial_weights
from evonas.networks.schedule import learning_rates
from evonas.training.native import NativeTrainer
from evonas.training.rates import decays, has_factors, rate_factor
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import digest
from tests.training.networks import data, graph, task, train_all


@pytest.mark.parametrize(
    ("settings", "name", "shape", "factor"),
    [
        ({}, "layer_1/bias", (8,), 1.0),
        ({"bias_rate": 0.1}, "layer_1/bias", (8,), 0.1),
        ({"bias_rate": 0.1}, "output/bias", (3, 1), 0.1),
        ({"bias_rate": 0.1}, "waves/bias", (2, 16), 1.0),
        ({"bias_rate": 0.1}, "layer_1/kernel", (4, 8), 1.0),
        ({"bias_rate": 0.1, "embedding_rate": 0.5}, "embedding/bias", (2, 4), 0.05),
        ({"embedding_rate": 0.1}, "waves/bias", (2, 16), 0.1),
        ({"embedding_rate": 0.1}, "layer_1/kernel", (4, 8), 1.0),
        ({"output_rate": 3.0}, "output/kernel", (4, 1), 3.0),
        ({"output_rate": 3.0}, "layer_1/kernel", (4, 8), 1.0),
        ({"output_rate": 2.0, "parametrization": "ntk"}, "output/kernel", (16, 1), 0.5),
        ({"parametrization": "ntk"}, "layer_12/kernel", (16, 8), 0.25),
        ({"parametrization": "ntk", "optimizer": "nesterov"}, "output/kernel", (3, 4, 2), 0.25),
        ({"parametrization": "ntk"}, "embedding/kernel", (2, 4, 2), 1.0),
        ({"parametrization": "ntk"}, "layer_1/bias", (8,), 1.0),
    ],
)
def test_factors(settings, name, shape, factor):
    training = {"optimizer": "adam"} | settings
    assert rate_factor(training, name, shape) == pytest.approx(factor)
    assert has_factors(training) == bool(settings)


def test_decay_is_one_number_unless_it_has_a_schedule():
    assert decays({"weight_decay": 0.1}, 8) == 0.1
    found = decays({"weight_decay": 0.1, "decay_schedule": "flat_cosine"}, 8)
    np.testing.assert_array_equal(found, learning_rates(0.1, "flat_cosine", 0.0, 8))


def test_settings_without_effect_are_in_no_digest():
    for how in ({"optimizer": "adam", "weight_decay": 0.1}, {"optimizer": "adamw", "weight_decay": 0.0}):
        assert digest(graph(decay_schedule="flat_cosine", **how)) == digest(graph(**how))
    how = {"optimizer": "adamw", "weight_decay": 0.1}
    assert digest(graph(decay_schedule="flat_cosine", **how)) != digest(graph(**how))


def test_a_step_of_adam_is_as_long_as_its_factor():
    """Adam's first step moves every weight that has a gradient by the rate."""
    rate, prepared = 1e-3, data()
    network = graph((8,), bias_rate=0.5, parametrization="ntk", learning_rate=rate, batch_size=150)
    (found,) = train_all(NativeTrainer(prepared, TrainingSettings(patience=None)), [task(network, 1)]).values()
    before = initial_weights(network, 4, 1, 0)
    moved = {name: np.median(np.abs(found.weights[name] - value)) / rate for name, value in before.items()}
    assert moved == pytest.approx(
        {"layer_1/kernel": 0.5, "layer_1/bias": 0.5, "output/kernel": 8**-0.5, "output/bias": 0.5}, rel=1e-2
    )
