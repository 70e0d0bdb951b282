"""Learning-rate multipliers of variables and schedules of weight decay for Keras's optimizers, which support neither.

See `evonas.training.rates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from evonas.training.model import trainable_names
from evonas.training.rates import decays, has_factors, rate_factor

__all__ = ["with_own_rates"]


def with_own_rates(model: keras.Model, training: Mapping[str, Any], num_steps: int) -> None:
    """Adds multipliers and schedules of the training settings to the optimizer of a compiled model.

    Args:
        model: a model from `evonas.training.model`, compiled with its own optimizer.
        training: settings of its architecture graph.
        num_steps: length of schedules.
    """
    if has_factors(training):
        _with_factors(model, training)
    found = decays(training, num_steps)
    if isinstance(found, np.ndarray) and training["optimizer"] == "adamw":
        _with_decays(model.optimizer, found)


def _with_factors(model: keras.Model, training: Mapping[str, Any]) -> None:
    optimizer, variables = model.optimizer, model.trainable_variables
    optimizer.build(variables)
    names = zip(trainable_names(model), variables, strict=True)
    factors: dict[int, float] = {}
    for name, variable in names:
        factor = rate_factor(training, name, tuple(variable.shape))
        # TensorFlow passes its own variables to `update_step`, other backends pass Keras's.
        factors[id(variable)] = factors[id(variable.value)] = factor
    update = optimizer.update_step

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> Any:
        factor = factors[id(variable)]
        return update(gradient, variable, learning_rate * factor if factor != 1.0 else learning_rate)

    optimizer.update_step = update_step


def _with_decays(optimizer: keras.optimizers.Optimizer, found: np.ndarray[Any, Any]) -> None:
    # Private, since there is no public hook: Keras has no schedules of weight decay, and reads the attribute
    # `weight_decay` here only. A property in its place would also change the optimizer's configuration.
    usual, apply = optimizer.weight_decay, optimizer._apply_weight_decay

    def apply_weight_decay(variables: Any) -> None:
        step = keras.ops.minimum(keras.ops.cast(optimizer.iterations, "int32"), len(found) - 1)
        optimizer.weight_decay = keras.ops.take(keras.ops.convert_to_tensor(found), step)
        try:
            apply(variables)
        finally:
            optimizer.weight_decay = usual

    optimizer._apply_weight_decay = apply_weight_decay
