"""Activation functions in plain numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTIVATIONS", "EPSILON", "logistic"]

Array = NDArray[Any]

#: Keras's default epsilon of BatchNormalization and LayerNormalization.
EPSILON = 1e-3
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _negative_exp(z: Array) -> Array:
    return np.expm1(np.minimum(z, 0.0))


def logistic(z: Array) -> Array:
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(z > 0.0, 1.0, e) / (1.0 + e))


def _mish(z: Array) -> Array:
    e = np.exp(-np.abs(z))  # at most 1; tanh(softplus(z)) is computed from it
    squares = np.where(z > 0.0, 1.0 + 2.0 * e, e * (e + 2.0))
    return np.asarray(z * squares / (squares + np.where(z > 0.0, 2.0 * e * e, 2.0)))


def _gelu(z: Array) -> Array:
    from scipy.special import erf  # imported lazily, since SciPy takes long to import

    return np.asarray(0.5 * z * (1.0 + erf(z / math.sqrt(2.0))))


#: Name -> function; those of the compiled population program are in `evonas.training.population.activations`.
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "linear": lambda z: z,
        "relu": lambda z: np.maximum(z, 0.0),
        "leaky_relu": lambda z: np.where(z > 0.0, z, 0.2 * z),
        "elu": lambda z: np.where(z > 0.0, z, _negative_exp(z)),
        "selu": lambda z: _SELU_SCALE * np.where(z > 0.0, z, _SELU_ALPHA * _negative_exp(z)),
        "gelu": _gelu,
        "silu": lambda z: z * logistic(z),
        "mish": _mish,
        "tanh": np.tanh,
        "sigmoid": logistic,
    }
)
