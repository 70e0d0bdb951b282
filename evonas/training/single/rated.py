"""A Keras optimizer whose variables learn at several multiples of its rate, see `evonas.training.rates`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from evonas.training.model import trainable_names
from evonas.training.rates import has_factors, rate_factor

__all__ = ["with_rate_factors"]


def with_rate_factors(model: keras.Model, training: Mapping[str, Any]) -> None:
    """Makes the optimizer of a compiled model keep to the factors of these training settings, if they have some.

    Args:
        model: of `evonas.training.model`, compiled with an optimizer of its own.
        training: settings of its architecture graph.
    """
    if not has_factors(training):
        return
    optimizer, variables = model.optimizer, model.trainable_variables
    optimizer.build(variables)
    names = zip(trainable_names(model), variables, strict=True)
    factors = [rate_factor(training, name, tuple(variable.shape)) for name, variable in names]
    update = optimizer.update_step

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> Any:
        # Backends hand over variables of their own, which the optimizer knows by number.
        factor = factors[optimizer._get_variable_index(variable)]
        return update(gradient, variable, learning_rate * factor if factor != 1.0 else learning_rate)

    optimizer.update_step = update_step
