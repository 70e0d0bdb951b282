"""The `keras.Model` of an architecture graph: compiled, trained epoch by epoch, and its outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem, Split
from evonas.evaluation import Weights
from evonas.networks.initial import epoch_order, initial_weights, rows_of_epoch
from evonas.networks.layered import is_layered
from evonas.networks.neighbours import reference_rows, reference_weights, target_columns
from evonas.training.losses import mixes_classes, training_loss
from evonas.training.model import build_model, members_model, set_weights, weights_behind
from evonas.training.neighbour_layers import LeaveOneOut
from evonas.training.single.fused import FusedBatchNormalization
from evonas.training.single.optimizers import optimizer_of, rate_of
from evonas.training.single.rated import with_own_rates
from evonas.training.single.resident import predictions_of, train_epochs
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import finds_neighbours
from genomes.architecture.options import MAX_REFERENCES

__all__ = ["CHUNK_ROWS", "fit_epochs", "of_members", "predict_with", "prepare_model", "raw_outputs"]
__all__ += ["represent_references", "whole_model"]

#: Rows predicted at a time; bounds memory, not results.
CHUNK_ROWS = 8192


def prepare_model(
    graph: nx.DiGraph,
    problem: Problem,
    settings: TrainingSettings,
    seed: int,
    num_rows: int,
    horizon: int,
    jit_compile: bool = False,
    behind: int = 0,
    total_steps: int | None = None,
) -> keras.Model:
    """The compiled network with its initial weights; outputs of members are side by side, see `whole_model`.

    Args:
        graph: what to build and how to train it.
        problem, settings: common to all networks.
        seed: seed of weights and dropout.
        num_rows: number of training rows.
        horizon: epochs that the learning-rate schedule spans.
        jit_compile: see `SingleTrainer`.
        behind: last of the frozen first layers, which are left out; 0 builds the whole network.
        total_steps: steps that the learning-rate schedule spans, if epochs differ in their number of rows.
    """
    width, outputs = problem.num_features, problem.num_outputs
    rows = rows_of_epoch(num_rows, settings.epoch_rows if is_layered(graph) else None)
    steps = -(-rows // graph.graph["training"]["batch_size"])
    total = horizon * steps if total_steps is None else total_steps
    fused = is_layered(graph) and settings.precision == "float32" and keras.backend.backend() == "tensorflow"
    normalization = FusedBatchNormalization if fused else keras.layers.BatchNormalization
    whole = build_model(
        graph, width, outputs, seed, settings.precision, batch_normalization=normalization, behind=behind
    )
    model = members_model(whole)
    set_weights(model, weights_behind(initial_weights(graph, width, outputs, seed), behind))
    loss = training_loss(problem, settings, graph.graph["training"])
    if finds_neighbours(graph):
        loss = LeaveOneOut(loss, problem.task, outputs)
    model.compile(
        optimizer=optimizer_of(graph.graph["training"], rate_of(graph.graph["training"], total)),
        loss=loss,
        # One call per epoch: the steps are the same at a third of the overhead.
        steps_per_execution=steps,
        jit_compile=jit_compile or keras.backend.backend() == "jax",
    )
    with_own_rates(model, graph.graph["training"], total)
    return model


def fit_epochs(
    model: keras.Model,
    graph: nx.DiGraph,
    split: Split,
    seed: int,
    epochs: int,
    first: int = 0,
    epoch_rows: int | None = None,
) -> Iterator[float]:
    """Trains epoch by epoch in the order of `epoch_order` and yields each epoch's training loss, penalties included.

    For `epoch_rows`, which does not apply to dense networks, see `TrainingSettings`.
    """
    y = split.y_train
    if y.ndim == 1 and mixes_classes(graph.graph["training"]):
        y = np.eye(model.output_shape[-1], dtype=np.float32)[y]  # Keras cannot smooth class numbers
    if is_layered(graph):
        yield from train_epochs(model, graph, split, seed, epochs, first, y, epoch_rows)
        return
    y = of_members(y, model)
    weight = None if split.weight_train is None else of_members(split.weight_train, model)
    for epoch in range(first, epochs):
        order = epoch_order(seed, epoch, len(split.x_train))
        history = model.fit(
            split.x_train[order],
            y[order],
            sample_weight=None if weight is None else weight[order],
            batch_size=int(graph.graph["training"]["batch_size"]),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
        )
        yield float(history.history["loss"][0])


def whole_model(model: keras.Model) -> keras.Model:
    """The predicting network of a model from `prepare_model`: averages members, and has the same weights."""
    if len(model.outputs[0].shape) < 3:
        return model
    mean = keras.layers.GlobalAveragePooling1D(name="mean")(model.outputs[0])
    return keras.Model(model.inputs[0], mean, name="network")


def of_members(values: NDArray[Any], model: keras.Model) -> NDArray[Any]:
    """Targets or weights of rows, repeated for each member if the model has several."""
    shape = model.outputs[0].shape
    return values if len(shape) < 3 else np.repeat(values[:, None], shape[1], axis=1)


def predict_with(model: keras.Model, graph: nx.DiGraph) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Returns a function that computes the outputs of the graph's model, as `raw_outputs`; it is traced once."""
    return predictions_of(model, graph) if is_layered(graph) else partial(raw_outputs, model)


def represent_references(
    predict: Callable[[NDArray[Any]], NDArray[np.float32]],
    problem: Problem,
    split: Split,
    seed: int,
    most: int = MAX_REFERENCES,
) -> Weights:
    """The weights of the reference rows of a network that predicts from learned neighbours.

    Args:
        predict: computes representations.
        problem: the prediction problem.
        split: provides the training rows.
        seed: seed of the training run.
        most: see `reference_rows`.
    """
    rows = reference_rows(seed, len(split.x_train), most)
    targets = target_columns(split.y_train[rows], problem.task, problem.num_outputs)
    return reference_weights(predict(np.asarray(split.x_train)[rows]), targets, problem.task != "regression")


def raw_outputs(model: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The model's outputs for all rows, float32, shape `(num_samples, num_outputs)`."""
    starts = range(0, len(x), CHUNK_ROWS)
    return np.concatenate([np.asarray(model.predict_on_batch(x[k : k + CHUNK_ROWS]), np.float32) for k in starts])
