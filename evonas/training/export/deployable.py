"""The network as a user gets it: a model from raw columns to the target's own units, or to probabilities and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from evonas.data.encoding.preprocessor import Preparation
from evonas.data.neighbours import NeighbourPreparation
from evonas.data.prepared import Problem
from evonas.training.export.neighbours import with_neighbours
from evonas.training.export.preprocessing import encoder, with_label

__all__ = ["deployable"]


def deployable(
    network: Callable[[Any], Any], problem: Problem, preparation: Preparation | None = None, coded: bool = False
) -> keras.Model:
    """The network as a user gets it: from raw columns to the target's own units, or to probabilities and labels.

    A regression gives `(num_samples, num_outputs)`. A classifier gives the outputs "probability" (binary: of the
    second class, `(num_samples, 1)`; multiclass: `(num_samples, num_classes)`) and "label", see
    `preprocessing.with_label`.

    Args:
        network: from features to raw outputs; a model, or what puts several together.
        problem: what is predicted.
        preparation: of the raw columns; None for a model that takes features, and gives probabilities alone.
        coded: whether columns of text come as numbers, see `evonas.data.encoding.codes`.
    """
    last: keras.layers.Layer
    if problem.task == "regression":
        last = keras.layers.Rescaling(list(problem.target_std), list(problem.target_mean), name="target_units")
    else:
        last = keras.layers.Activation("sigmoid" if problem.task == "binary" else "softmax", name="probability")
    if preparation is None:
        inputs = features = keras.Input((problem.num_features,), name="features")
    else:
        inputs, features = encoder(preparation, coded)
        if isinstance(preparation, NeighbourPreparation):
            features = with_neighbours(features, preparation)
    outputs = last(network(features))
    if preparation is not None and problem.task != "regression":
        outputs = with_label(outputs, problem)
    return keras.Model(inputs, outputs, name="evonas")
