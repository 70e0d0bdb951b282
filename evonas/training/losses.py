"""Training losses of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from evonas.data.prepared import Problem
from evonas.training_tasks import TrainingSettings

__all__ = ["Pinball", "default_loss", "mixes_classes", "training_loss"]


class Pinball(keras.losses.Loss):  # type: ignore[misc]
    """The pinball loss of outputs that are quantiles, the mean over them: Koenker and Bassett 1978.

    Used only in training; exported files do not contain it.
    """

    def __init__(self, quantiles: Sequence[float]) -> None:
        """`quantiles`: of the outputs, in order."""
        super().__init__(name="pinball")
        self._shares = np.array(quantiles, np.float32)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each row, shape `(num_rows,)`."""
        error = keras.ops.cast(y_true, y_pred.dtype) - y_pred
        # The sign gives a difference of 0 the gradient 0.
        sign = keras.ops.sign(error)
        return keras.ops.mean(error * (self._shares - 0.5 + 0.5 * sign) * keras.ops.abs(sign), axis=-1)


def mixes_classes(training: Mapping[str, Any]) -> bool:
    """Whether targets are class probabilities rather than class numbers."""
    return bool(training.get("label_smoothing") or training.get("mixup"))


def training_loss(problem: Problem, settings: TrainingSettings, training: Mapping[str, Any]) -> keras.losses.Loss:
    """The training loss: that of the task, with label smoothing as in the training settings.

    Smoothed labels of several classes are in one-hot form.
    """
    smoothing = float(training.get("label_smoothing", 0.0))
    if not mixes_classes(training) or problem.task == "regression":
        return default_loss(problem, settings)
    kinds = {"binary": keras.losses.BinaryCrossentropy, "multiclass": keras.losses.CategoricalCrossentropy}
    return kinds[problem.task](from_logits=True, label_smoothing=smoothing)


def default_loss(
    problem: Problem, settings: TrainingSettings, from_logits: bool = True, columns: int | None = None
) -> keras.losses.Loss:
    """The loss of the task.

    Args:
        problem, settings: what is predicted, and which loss a regression has.
        from_logits: whether a classifier's outputs are logits; else they are probabilities.
        columns: how many outputs; two of a binary classifier are one per class.
    """
    if problem.task == "multiclass" or (problem.task == "binary" and columns == 2):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    if problem.task == "binary":
        return keras.losses.BinaryCrossentropy(from_logits=from_logits)
    if problem.quantiles:
        return Pinball(problem.quantiles)
    match settings.loss:
        case "auto" | "mse":
            return keras.losses.MeanSquaredError()
        case "mae":
            return keras.losses.MeanAbsoluteError()
        case "huber":
            return keras.losses.Huber()
    raise ValueError(f"unknown loss {settings.loss!r}")
