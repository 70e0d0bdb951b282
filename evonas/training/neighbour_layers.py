"""Predictions from learned neighbours in Keras; see `evonas.networks.neighbours`.

Layers of a predicting network are built in, so that plain Keras opens the models: a dense layer computes products with
the reference rows, whose squared norms are its bias, and the kernel of another one contains their targets. The loss for
training compares the rows of a batch with each other; exported files do not contain it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from evonas.evaluation import Weights
from evonas.networks.neighbours import CLASSES, FLOOR, LEAST_SHARE, REFERENCES, TARGETS

__all__ = ["LeaveOneOut", "ReferenceShape", "mean_targets", "references_from_keras", "references_to_keras"]

#: Distance of a row from itself in training.
_FAR = 3e38
_KERNEL, _BIAS = f"{REFERENCES.replace('/', '_')}/kernel", f"{REFERENCES.replace('/', '_')}/bias"
_MEANS = {TARGETS: f"{TARGETS.replace('/', '_')}/kernel", CLASSES: f"{CLASSES.replace('/', '_')}/kernel"}


@dataclass(frozen=True)
class ReferenceShape:
    """Number of reference rows, columns of their targets, and whether these are classes."""

    count: int
    columns: int
    classes: bool

    @classmethod
    def from_weights(cls, weights: Weights) -> ReferenceShape | None:
        """That of a network's weights; None if they contain no reference rows."""
        name = next((name for name in (TARGETS, CLASSES) if name in weights), None)
        if name is None:
            return None
        count, columns = np.shape(weights[name])
        return cls(count, columns, name == CLASSES)


def mean_targets(z: Any, shape: ReferenceShape) -> Any:
    """Raw outputs of rows with representations `z`."""
    products = layers.Dense(shape.count, name="output_references", trainable=False, dtype="float32")(z)
    squares = ops.sum(ops.multiply(z, z), axis=1, keepdims=True) - 2.0 * products
    # An explicit shape lets the check of a file count the weights of the last layer.
    squares = layers.Reshape((shape.count,), name="output_distances")(squares)
    distances = ops.sqrt(ops.maximum(squares, 0.0) + FLOOR)
    weights = layers.Activation("softmax", name="output_weights", dtype="float32")(-1.0 * distances)
    name = "output_classes" if shape.classes else "output_targets"
    means = layers.Dense(shape.columns, use_bias=False, name=name, trainable=False, dtype="float32")(weights)
    return _raw_outputs(means, shape) if shape.classes else means


def _raw_outputs(shares: Any, shape: ReferenceShape) -> Any:
    logs = ops.log(shares + LEAST_SHARE)
    return logs if shape.columns > 2 else ops.take(logs, [1], axis=1) - ops.take(logs, [0], axis=1)


def references_to_keras(weights: Weights) -> dict[str, Any]:
    """The weights by the names of Keras variables."""
    found = dict(weights)
    if (references := found.pop(REFERENCES, None)) is not None:
        squares = (np.asarray(references, np.float64) ** 2).sum(axis=1)
        found |= {_KERNEL: np.asarray(references, np.float32).T, _BIAS: (-0.5 * squares).astype(np.float32)}
    return {_MEANS.get(name, name): value for name, value in found.items()}


def references_from_keras(weights: Weights) -> dict[str, Any]:
    """The weights by the names of networks; the inverse of `references_to_keras`."""
    found = {name: value for name, value in weights.items() if name != _BIAS}
    if (references := found.pop(_KERNEL, None)) is not None:
        found[REFERENCES] = references.T.copy()
    names = {there: here for here, there in _MEANS.items()}
    return {names.get(name, name): value for name, value in found.items()}


class LeaveOneOut(keras.losses.Loss):  # type: ignore[misc]
    """The loss of rows that are predicted from the other rows of their batch, given all their representations.

    Used only in training; exported files do not contain it.
    """

    def __init__(self, inner: keras.losses.Loss, task: str, num_outputs: int) -> None:
        """Takes the loss of raw outputs, the task and the number of raw outputs."""
        super().__init__(name="leave_one_out")
        classes = task != "regression"
        self._inner, self._sparse = inner, task == "multiclass"
        self._shape = ReferenceShape(0, max(2, num_outputs) if classes else num_outputs, classes)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each row, shape `(num_rows,)`."""
        z, columns = ops.cast(y_pred, "float32"), self._shape.columns
        y = ops.reshape(y_true, (-1, 1 if self._shape.classes else columns))
        known = ops.one_hot(ops.cast(y[:, 0], "int32"), columns) if self._shape.classes else y
        squares = ops.sum(z * z, axis=1)
        squares = squares[:, None] + squares[None] - 2.0 * ops.matmul(z, ops.transpose(z))
        numbers = ops.arange(ops.shape(z)[0])
        others = ops.not_equal(numbers[:, None], numbers[None])
        distances = ops.where(others, ops.sqrt(ops.maximum(squares, 0.0) + FLOOR), _FAR)
        nearest = ops.stop_gradient(ops.min(distances, axis=1, keepdims=True))
        weights = ops.where(others, ops.exp(nearest - distances), 0.0)
        totals = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1e-30)
        means = ops.matmul(weights / totals, ops.cast(known, "float32"))
        raw = _raw_outputs(means, self._shape) if self._shape.classes else means
        return self._inner.call(y[:, 0] if self._sparse else y, raw)
