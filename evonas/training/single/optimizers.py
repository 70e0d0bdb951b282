"""Keras optimizers by name, with the learning rate of each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.networks.schedule import learning_rates
from genomes.architecture.layers import OFF

__all__ = ["optimizer_of", "rate_of"]


class _Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Learning-rate schedule defined by an array with the rate of every step."""

    def __init__(self, rates: NDArray[np.float32]) -> None:
        self._rates = rates

    def __call__(self, step: Any) -> Any:
        return keras.ops.take(keras.ops.convert_to_tensor(self._rates), keras.ops.cast(step, "int32"))

    def get_config(self) -> dict[str, Any]:
        return {"rates": self._rates.tolist()}


def rate_of(training: Mapping[str, Any], num_steps: int) -> Any:
    """The learning rate: a number, or a schedule over the given number of steps."""
    peak = float(training["learning_rate"])
    if training["schedule"] != "constant" or training["warmup"]:
        return _Rates(learning_rates(peak, training["schedule"], training["warmup"], num_steps))
    return peak


def optimizer_of(training: Mapping[str, Any], rate: Any) -> keras.optimizers.Optimizer:
    """The optimizer of the training settings with the given learning rate or schedule."""
    beta2 = float(training.get("beta2", OFF["beta2"]))
    match training["optimizer"]:
        case "sgd":
            return keras.optimizers.SGD(rate)
        case "momentum" | "nesterov":
            return keras.optimizers.SGD(rate, momentum=0.9, nesterov=training["optimizer"] == "nesterov")
        case "rmsprop":
            return keras.optimizers.RMSprop(rate)
        case "adam":
            return keras.optimizers.Adam(rate, beta_2=beta2)
        case "adamw":
            return keras.optimizers.AdamW(rate, beta_2=beta2, weight_decay=float(training["weight_decay"]))
        case "nadam":
            return keras.optimizers.Nadam(rate, beta_2=beta2)
    raise ValueError(f"unknown optimizer {training['optimizer']!r}")
