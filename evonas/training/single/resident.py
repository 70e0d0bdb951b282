"""Trains an epoch in few calls: its steps are compiled into one program that takes many batches at a time.

Samples are in memory. Those of a chunk of batches are shuffled and augmented together in numpy, and the program steps
through them. A network is traced once for training and once for predicting, whatever the size of the last batch. With
TensorFlow the steps are a loop within the program; other backends use `fit`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Split
from evonas.networks.initial import epoch_part
from evonas.networks.layered import rows_at_a_time, sample_of
from evonas.seeds import RandomStream, stream_rng
from evonas.training.augmentation import augmentation_of

__all__ = ["predictions_of", "train_epochs"]

Array = NDArray[Any]
#: (samples, targets, weights, batch size) -> sum of the losses, weighted by the number of rows of each batch.
Program = Callable[[Array, Array, Array, int], float]

#: Number of values shuffled and augmented at a time; limits memory.
_CHUNK_NUMBERS = 1 << 23
#: Maximum number of rows predicted at a time.
_MOST_ROWS = 1024


def train_epochs(
    model: keras.Model,
    graph: nx.DiGraph,
    split: Split,
    seed: int,
    epochs: int,
    first: int,
    y: Array,
    epoch_rows: int | None = None,
) -> Iterator[float]:
    """Trains epoch by epoch, as `graph_model.fit_epochs`; `y` is the target as the loss takes it.

    For `epoch_rows`, see `TrainingSettings.epoch_rows`.
    """
    x, weight = np.asarray(split.x_train), split.weight_train
    size, sample = int(graph.graph["training"]["batch_size"]), sample_of(graph, x.shape[1])
    augmentation = augmentation_of(graph.graph["training"], sample.shape, sample.masked)
    program = _program(model, weighted=weight is not None)
    chunk = max(1, _CHUNK_NUMBERS // (size * x.shape[1])) * size
    for epoch in range(first, epochs):
        order, rng = epoch_part(seed, epoch, len(x), epoch_rows), stream_rng(RandomStream.AUGMENTATION, seed, epoch)
        total = 0.0
        for start in range(0, len(order), chunk):
            rows = order[start : start + chunk]
            some, target = x[rows], y[rows]
            weights: Array = np.ones(len(rows), np.float32) if weight is None else weight[rows]
            if augmentation is not None:
                some = augmentation.apply(some, rng)
                if augmentation.mixup:
                    some, target, weights = augmentation.mix(some, target, weights, rng)
            total += program(some, target, weights, size)
        yield total / len(order)


def predictions_of(model: keras.Model, graph: nx.DiGraph) -> Callable[[Array], NDArray[np.float32]]:
    """Returns a function that predicts all rows, float32, shape `(num_samples, num_outputs)`."""
    predict = _predict(model)

    def predict_all(x: Array) -> NDArray[np.float32]:
        whole = math.prod(sample_of(graph, x.shape[1]).shape) == x.shape[1]  # else outputs of a frozen layer
        size = rows_at_a_time(graph, x.shape[1], model.output_shape[-1], _MOST_ROWS) if whole else _MOST_ROWS
        return np.concatenate([predict(x[k : k + size]) for k in range(0, len(x), size)])

    return predict_all


def _predict(model: keras.Model) -> Callable[[Array], NDArray[np.float32]]:
    if keras.backend.backend() != "tensorflow":
        return lambda x: np.asarray(model.predict_on_batch(x), np.float32)
    import tensorflow as tf

    def outputs(x: Any) -> Any:
        return tf.cast(model(x, training=False), tf.float32)

    spec = tf.TensorSpec((None, model.input_shape[-1]), tf.float32)
    predict = tf.function(outputs, autograph=False).get_concrete_function(spec)
    return lambda x: np.asarray(predict(tf.convert_to_tensor(x, tf.float32)))


def _program(model: keras.Model, weighted: bool) -> Program:
    return _in_tensorflow(model, weighted) if keras.backend.backend() == "tensorflow" else _by_fit(model)


def _by_fit(model: keras.Model) -> Program:
    def run(x: Array, y: Array, weight: Array, size: int) -> float:
        history = model.fit(x, y, sample_weight=weight, batch_size=size, shuffle=False, verbose=0)
        return float(history.history["loss"][0]) * len(x)

    return run


def _in_tensorflow(model: keras.Model, weighted: bool) -> Program:
    """The steps of a chunk in one program."""
    import tensorflow as tf

    optimizer, loss_of, variables = model.optimizer, model.loss, model.trainable_variables
    optimizer.build(variables)

    def step(x: Any, y: Any, weight: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            loss = loss_of(y, model(x, training=True), sample_weight=weight if weighted else None)
            if model.losses:
                loss = loss + tf.add_n([tf.cast(each, loss.dtype) for each in model.losses])
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        return tf.cast(loss, tf.float32)

    def steps(x: Any, y: Any, weight: Any, size: Any) -> Any:
        count = tf.shape(x)[0]

        def body(start: Any, total: Any) -> tuple[Any, Any]:
            end = tf.minimum(start + size, count)
            loss = step(x[start:end], y[start:end], weight[start:end])
            return end, total + loss * tf.cast(end - start, tf.float32)

        loop = tf.while_loop(lambda start, _: start < count, body, (0, 0.0), parallel_iterations=1)
        return loop[1]

    traced: Any = None

    def run(x: Array, y: Array, weight: Array, size: int) -> float:
        nonlocal traced
        given = [tf.convert_to_tensor(each) for each in (x, y, weight)]
        if traced is None:  # here, where the type and the shape of a target are known
            specs = [tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in given]
            traced = tf.function(steps, autograph=False).get_concrete_function(*specs, tf.TensorSpec((), tf.int32))
        return float(traced(*given, tf.constant(size, tf.int32)))

    return run
