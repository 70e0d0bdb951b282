"""Predictions in numpy are those of the Keras model."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.data.prepare import prepare_arrays
from evonas.deploy.fitted_network import FittedNetwork
from genomes.architecture.graph import graph_to_json, make_graph
from genomes.architecture.layers import ACTIVATIONS, NORMALIZATIONS
from tests.training.networks import TRAINING

X = np.random.default_rng(0).normal(size=(40, 3))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
@pytest.mark.sampled(2)
def test_predictions_are_those_of_keras(normalization, task):
    from evonas.data.arrays import feature_columns
    from evonas.training.model import build_model, get_weights

    y = {"regression": X[:, 0] * 9 + 40, "binary": X[:, 0] > 0, "multiclass": np.digitize(X[:, 0], [-0.4, 0.4])}[task]
    data = prepare_arrays(X, y, seed=0, test_share=0.0, task=task)
    ends = {"initializer": "he_normal", "l2": 0.0}
    layer = {"kind": "dense", "units": 4, "dropout": 0.1, "normalization": normalization, **ends}
    hidden = [{**layer, "activation": activation} for activation in ACTIVATIONS]
    edges = [(k, k + 1) for k in range(len(hidden) + 1)] + [(0, 5), (2, len(hidden) + 1)]
    graph = make_graph([{"kind": "input"}, *hidden, {"kind": "output", **ends}], edges, TRAINING)
    model = build_model(graph, data.problem.num_features, data.problem.num_outputs)
    rng = np.random.default_rng(1)
    weights = {
        name: rng.uniform(0.2, 1.5, value.shape) if "var" in name or "gamma" in name else rng.normal(size=value.shape)
        for name, value in get_weights(model).items()
    }
    network = FittedNetwork(graph_to_json(graph), weights, data.problem, data.preparation)
    found = network.predictions(feature_columns(X, "X"))
    given = network.model()(data.preparation.inputs(feature_columns(X, "X")))
    given = np.asarray(given if task == "regression" else given["probability"])
    assert found[:, -given.shape[1] :] == pytest.approx(given, rel=2e-4, abs=2e-5)
    assert network.predictions(feature_columns(X[7:8], "X"))[0] == pytest.approx(found[7], rel=1e-12)
