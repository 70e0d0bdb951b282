"""Learning-rate multipliers of individual variables, and schedules of weight decay.

Sources: Holzmüller, Grinsztajn and Steinwart 2024, Better by default (arXiv 2407.04491), whose biases learn at a tenth
of the rate, as their periodic embeddings do; Jacot, Gabriel and Hongler 2018, Neural tangent kernel (arXiv 1806.07572).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.networks.schedule import learning_rates

__all__ = ["decays", "has_factors", "rate_factor"]

#: Optimizers whose step size depends on the size of the gradient.
_OF_GRADIENTS = ("sgd", "momentum", "nesterov")
#: Layer -> the setting with its learning rate, relative to that of hidden layers; the first two are the embedding.
_RATES = {"embedding": "embedding_rate", "waves": "embedding_rate", "output": "output_rate"}


def has_factors(training: Mapping[str, Any]) -> bool:
    """Whether any variable has another rate than the step's."""
    rates = any(training.get(name, 1.0) != 1.0 for name in ("bias_rate", *_RATES.values()))
    return rates or training.get("parametrization", "standard") != "standard"


def decays(training: Mapping[str, Any], num_steps: int) -> float | NDArray[np.float32]:
    """The decoupled weight decay, or that of each step, shape `(num_steps,)`, if it has a schedule."""
    decay, schedule = float(training["weight_decay"]), training.get("decay_schedule", "constant")
    return decay if schedule == "constant" else learning_rates(decay, schedule, 0.0, num_steps)


def rate_factor(training: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> float:
    """The learning-rate multiplier of a variable.

    For a kernel that is s times a standard normal one, a step of the latter moves it s times as far, and its gradient
    is 1 / s of the latter's: the factor is s ** 2 for plain gradient descent and s for other optimizers. It is
    multiplied by the factors of biases, of the numeric embedding and of the output layer.

    Args:
        training: settings of an architecture graph.
        name: of the variable, such as "layer_1/kernel".
        shape: of the variable.

    Example:
        >>> rate_factor({"optimizer": "adam", "parametrization": "ntk"}, "layer_1/kernel", (16, 8))
        0.25
    """
    layer, _, part = name.partition("/")
    factor = float(training.get(_RATES[layer], 1.0)) if layer in _RATES else 1.0
    if part == "bias" and layer != "waves":
        return factor * float(training.get("bias_rate", 1.0))
    if part == "kernel" and training.get("parametrization") == "ntk" and (layer == "output" or "layer_" in layer):
        scale = 1.0 / math.sqrt(shape[-2])
        return factor * (scale**2 if training["optimizer"] in _OF_GRADIENTS else scale)
    return factor
