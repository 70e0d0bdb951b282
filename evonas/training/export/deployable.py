"""The deployable model: from raw columns to predictions in the target's units, or to probabilities and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import networkx as nx
from keras import ops

from evonas.data.encoding.preprocessor import Preparation
from evonas.data.neighbours import NeighbourPreparation
from evonas.data.prepared import Problem
from evonas.data.quantiles import quantile_names
from evonas.evaluation import Weights
from evonas.training.export.neighbours import with_neighbours
from evonas.training.export.preprocessing import encoder, with_label
from evonas.training.model import trained_model

__all__ = ["deployable", "deployable_network"]


def deployable(
    network: Callable[[Any], Any],
    problem: Problem,
    preparation: Preparation | None = None,
    coded: bool = False,
    temperature: float = 1.0,
    resize: bool = False,
) -> keras.Model:
    """Builds the model from raw columns to predictions in the target's units, or to probabilities and labels.

    A regression returns `(num_samples, num_outputs)`; with quantiles, the outputs are "quantile_0.1", ..., each
    `(num_samples, 1)`, sorted so that they never cross. A classifier returns the outputs "probability" (binary: of the
    second class, `(num_samples, 1)`; multiclass: `(num_samples, num_classes)`) and "label", see
    `preprocessing.with_label`.

    Args:
        network: maps features to raw outputs; a model or a combination of several.
        problem: the prediction problem.
        preparation: preparation of the raw columns; None for a model that takes features and outputs only
            probabilities.
        coded: whether text columns are given as integer codes, see `evonas.data.encoding.codes`.
        temperature: divides a classifier's logits.
        resize: whether images may be of any size.
    """
    last: keras.layers.Layer
    if problem.task == "regression":
        last = keras.layers.Rescaling(list(problem.target_std), list(problem.target_mean), name="target_units")
    else:
        last = keras.layers.Activation("sigmoid" if problem.task == "binary" else "softmax", name="probability")
    if preparation is None:
        inputs = features = keras.Input((problem.num_features,), name="features")
    else:
        inputs, features = encoder(preparation, coded, resize)
        if isinstance(preparation, NeighbourPreparation):
            features = with_neighbours(features, preparation)
    raw = network(features)
    if temperature != 1.0:
        raw = keras.layers.Rescaling(1.0 / temperature, name="logit_scale")(raw)
    outputs = last(ops.sort(raw, axis=1) if problem.quantiles else raw)
    if problem.quantiles:
        places = enumerate(quantile_names(problem))
        outputs = {name: ops.take(outputs, [place], axis=1) for place, name in places}
    if preparation is not None and problem.task != "regression":
        outputs = with_label(outputs, problem)
    return keras.Model(inputs, outputs, name="evonas")


def deployable_network(
    graph: nx.DiGraph, weights: Weights, problem: Problem, preparation: Preparation, temperature: float = 1.0
) -> keras.Model:
    """Builds the deployable model of one network.

    Args:
        graph: its architecture, with the columns of the problem attached.
        weights: its weights.
        problem, preparation, temperature: see `deployable`.
    """
    network = trained_model(graph, problem.num_features, problem.num_outputs, weights)
    return deployable(network, problem, preparation, temperature=temperature)
