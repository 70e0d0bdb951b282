"""One formula for every optimizer, so that networks with different optimizers share one program. Pure numpy.

With gradient g, first and second moments m and v, parameter p:

    m <- c0 * m + c1 * g
    v <- c2 * v + c3 * g ** 2
    p <- c6 * p - (c4 * m + c5 * g) / (c7 * sqrt(v + c8) + c9)

The coefficients of a step hold its learning rate, bias corrections and decoupled decay; they are what Keras 3's
optimizers compute, in the same float32 arithmetic. `FROZEN` leaves everything as it is.

Sources: Sutskever et al. 2013 (Nesterov), Hinton 2012 (RMSprop), Kingma & Ba 2015 (Adam), Dozat 2016 (Nadam),
Loshchilov & Hutter 2019 (AdamW).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FROZEN", "NUM_COEFFICIENTS", "moments", "step_coefficients"]

NUM_COEFFICIENTS = 10
FROZEN = np.array([1, 0, 1, 0, 0, 0, 1, 0, 0, 1], np.float32)

_MOMENTUM, _RHO = np.float32(0.9), np.float32(0.9)
_BETA1, _BETA2, _EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-7)
_ONE = np.float32(1.0)


def moments(optimizer: str) -> tuple[bool, bool]:
    """Whether the optimizer keeps a first and a second moment."""
    return optimizer not in ("sgd", "rmsprop"), optimizer not in ("sgd", "momentum", "nesterov")


def step_coefficients(
    optimizer: str, rates: NDArray[np.float32], weight_decay: float, first_step: int = 0
) -> NDArray[np.float32]:
    """Coefficients of successive steps of a training.

    Args:
        optimizer: one of `genomes.dense.genome.OPTIMIZERS`.
        rates: learning rate of each of these steps, shape `(num_steps,)`.
        weight_decay: decoupled decay, used by adamw.
        first_step: steps of the training before these.

    Returns:
        float32, shape `(num_steps, NUM_COEFFICIENTS)`.
    """
    c = np.tile(FROZEN, (len(rates), 1))
    step = np.arange(first_step + 1, first_step + len(rates) + 1, dtype=np.float32)
    match optimizer:
        case "sgd":
            c[:, 5] = rates
        case "momentum" | "nesterov":
            # Keras keeps velocity = momentum * velocity - rate * g and adds it.
            c[:, 0], c[:, 1] = _MOMENTUM, -rates
            c[:, 4], c[:, 5] = (-_MOMENTUM, rates) if optimizer == "nesterov" else (-_ONE, 0.0)
        case "rmsprop":
            c[:, 2], c[:, 3] = _RHO, np.float32(1 - 0.9)
            c[:, 5], c[:, 7], c[:, 8], c[:, 9] = rates, 1.0, _EPSILON, 0.0
        case "adam" | "adamw":
            # Keras takes 1 - beta in float64 here and in float32 in Nadam: 0.001 and 0.00100005.
            _moments(c, np.float32(1 - 0.9), np.float32(1 - 0.999))
            c[:, 4] = rates * np.sqrt(_ONE - _BETA2**step) / (_ONE - _BETA1**step)
            if optimizer == "adamw":
                c[:, 6] = _ONE - np.float32(weight_decay) * rates
        case "nadam":
            _moments(c, _ONE - _BETA1, _ONE - _BETA2)
            u, u_next = _nadam_decay(step), _nadam_decay(step + _ONE)
            before = np.arange(1, first_step + 1, dtype=np.float32)
            product = np.cumprod(np.concatenate([_nadam_decay(before), u]), dtype=np.float32)[first_step:]
            c[:, 4] = rates * u_next / (_ONE - product * u_next)
            c[:, 5] = rates * (_ONE - u) / (_ONE - product)
            c[:, 7] = _ONE / np.sqrt(_ONE - _BETA2**step)
        case _:
            raise ValueError(f"unknown optimizer {optimizer!r}")
    return c


def _moments(c: NDArray[np.float32], new1: np.floating[Any], new2: np.floating[Any]) -> None:
    c[:, 0], c[:, 1] = _BETA1, new1
    c[:, 2], c[:, 3] = _BETA2, new2
    c[:, 7], c[:, 9] = 1.0, _EPSILON


def _nadam_decay(step: NDArray[np.float32]) -> NDArray[Any]:
    return _BETA1 * (_ONE - np.float32(0.5) * np.float32(0.96) ** step)
