"""A common update formula of all optimizers, so that networks with different optimizers share one program. Pure numpy.

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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DEFAULT",
    "FROZEN",
    "NUM_COEFFICIENTS",
    "Constants",
    "constants_of",
    "moments",
    "nadam_decay",
    "step_coefficients",
]

NUM_COEFFICIENTS = 10
FROZEN = np.array([1, 0, 1, 0, 0, 0, 1, 0, 0, 1], np.float32)

_ONE = np.float32(1.0)


@dataclass(frozen=True)
class Constants:
    """The constants of optimizers besides the learning rate, with the defaults of Keras.

    Attributes:
        momentum: of sgd with momentum.
        rho: decay of rmsprop's second moment.
        beta1, beta2: decay of the moments of adam, adamw and nadam.
        epsilon: added to the denominator.
    """

    momentum: float = 0.9
    rho: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-7


DEFAULT = Constants()


def constants_of(training: Mapping[str, Any]) -> Constants:
    """The constants of the training settings of an architecture graph."""
    return Constants(beta2=float(training.get("beta2", DEFAULT.beta2)))


def moments(optimizer: str) -> tuple[bool, bool]:
    """Whether the optimizer keeps a first and a second moment."""
    return optimizer not in ("sgd", "rmsprop"), optimizer not in ("sgd", "momentum", "nesterov")


def step_coefficients(
    optimizer: str,
    rates: NDArray[np.float32],
    weight_decay: float | NDArray[np.float32],
    first_step: int = 0,
    constants: Constants = DEFAULT,
) -> NDArray[np.float32]:
    """Coefficients of successive steps of a training.

    Args:
        optimizer: one of `genomes.dense.genome.OPTIMIZERS`, or "adagrad", which rmsprop's formula includes.
        rates: learning rate of each of these steps, shape `(num_steps,)`.
        weight_decay: decoupled decay, used by adamw; one number, or one per step.
        first_step: number of earlier steps of the training.
        constants: of the optimizer.

    Returns:
        float32, shape `(num_steps, NUM_COEFFICIENTS)`.
    """
    c = np.tile(FROZEN, (len(rates), 1))
    momentum, epsilon = np.float32(constants.momentum), np.float32(constants.epsilon)
    beta1, beta2 = np.float32(constants.beta1), np.float32(constants.beta2)
    step = np.arange(first_step + 1, first_step + len(rates) + 1, dtype=np.float32)
    match optimizer:
        case "sgd":
            c[:, 5] = rates
        case "momentum" | "nesterov":
            # Keras keeps velocity = momentum * velocity - rate * g and adds it.
            c[:, 0], c[:, 1] = momentum, -rates
            c[:, 4], c[:, 5] = (-momentum, rates) if optimizer == "nesterov" else (-_ONE, 0.0)
        case "rmsprop":
            c[:, 2], c[:, 3] = constants.rho, np.float32(1 - constants.rho)
            c[:, 5], c[:, 7], c[:, 8], c[:, 9] = rates, 1.0, epsilon, 0.0
        case "adagrad":
            c[:, 2], c[:, 3] = 1.0, 1.0
            c[:, 5], c[:, 7], c[:, 8], c[:, 9] = rates, 1.0, epsilon, 0.0
        case "adam" | "adamw":
            # Keras computes 1 - beta in float64 here and in float32 in Nadam: 0.001 and 0.00100005.
            _moments(c, constants, np.float32(1 - constants.beta1), np.float32(1 - constants.beta2))
            c[:, 4] = rates * np.sqrt(_ONE - beta2**step) / (_ONE - beta1**step)
            if optimizer == "adamw":
                c[:, 6] = _ONE - np.asarray(weight_decay, np.float32) * rates
        case "nadam":
            _moments(c, constants, _ONE - beta1, _ONE - beta2)
            u, u_next = nadam_decay(step, beta1), nadam_decay(step + _ONE, beta1)
            before = np.arange(1, first_step + 1, dtype=np.float32)
            product = np.cumprod(np.concatenate([nadam_decay(before, beta1), u]), dtype=np.float32)[first_step:]
            c[:, 4] = rates * u_next / (_ONE - product * u_next)
            c[:, 5] = rates * (_ONE - u) / (_ONE - product)
            c[:, 7] = _ONE / np.sqrt(_ONE - beta2**step)
        case _:
            raise ValueError(f"unknown optimizer {optimizer!r}")
    return c


def _moments(c: NDArray[np.float32], constants: Constants, new1: np.floating[Any], new2: np.floating[Any]) -> None:
    c[:, 0], c[:, 1] = constants.beta1, new1
    c[:, 2], c[:, 3] = constants.beta2, new2
    c[:, 7], c[:, 9] = 1.0, constants.epsilon


def nadam_decay(step: NDArray[np.float32], beta1: np.float32) -> NDArray[Any]:
    """Nadam's momentum coefficient at a step, counted from 1."""
    return beta1 * (_ONE - np.float32(0.5) * np.float32(0.96) ** step)
