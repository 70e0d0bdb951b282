"""Batch, layer or no normalisation in one formula, each network's kind being data; with the gradient in closed form.

The gradient by automatic differentiation passes over the activations several times more (Ioffe & Szegedy 2015 and
Ba et al. 2016 have the closed forms). Networks in a program that has only one of the kinds pay for that one only.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import keras

from evonas.training.shape import ProgramShape

__all__ = ["EPSILON", "MOVING_MOMENTUM", "batch_moments", "layer_moments", "make_normalize"]

#: Keras' defaults for BatchNormalization (momentum, epsilon) and LayerNormalization (epsilon).
MOVING_MOMENTUM = 0.99
_SUM_ROWS = 8
EPSILON = 1e-3


def batch_moments(z: Any, weights: Any) -> tuple[Any, Any]:
    """Mean and variance over rows, (slots, 1, units).

    Args:
        z: (slots, rows, units).
        weights: share of each row in the mean, (slots, 1, rows); 0 for rows that are not there.
    """
    mean = weighted_sum(weights, z)
    return mean, weighted_sum(weights, keras.ops.square(z - mean))


def weighted_sum(weights: Any, z: Any) -> Any:
    """Sum over rows as a matrix product, (slots, 1, units).

    XLA turns a product with one row into a reduction fused with whatever made z, which it does not vectorise on CPUs:
    several times slower than a true product with a few equal rows, of which one is taken.
    """
    return keras.ops.matmul(keras.ops.repeat(weights, _SUM_ROWS, axis=1), z)[:, :1]


def make_normalize(shape: ProgramShape, backend: ModuleType) -> Any:
    """The function `(z, bias, gamma, beta, batch, layer, weights, share) -> normalised z`; gradients by the first four.

    batch, layer: 1 where a network has that kind, (slots, 1, 1). Batch normalisation takes any bias away again, so
        networks that have it are trained without.
    weights: as in `batch_moments`.
    share: 1 / units for each real unit, 0 for pads, (slots, 1, units).
    """
    ops = keras.ops

    def function(
        z: Any, bias: Any, gamma: Any, beta: Any, batch: Any, layer: Any, weights: Any, share: Any
    ) -> tuple[Any, Any]:
        z = z + (1.0 - batch) * bias
        center: Any = 0.0
        spread: Any = 0.0
        if shape.batch_norm:
            mean, variance = batch_moments(z, weights)
            center, spread = batch * mean, batch * variance
        if shape.layer_norm:
            mean, variance = layer_moments(z, share)
            center, spread = center + layer * mean, spread + layer * variance
        either = batch + layer
        scale = (1.0 - either) + either * ops.rsqrt(spread + EPSILON)
        gain = (1.0 - either) + either * gamma
        standard = (z - center) * scale
        return standard * gain + either * beta, (standard, scale, gain, batch, layer, weights, share)

    def pullback(upstream: Any, kept: Any) -> tuple[Any, ...]:
        standard, scale, gain, batch, layer, weights, share = kept
        ones, either = ops.ones_like(weights), batch + layer
        total, along = weighted_sum(ones, upstream), weighted_sum(ones, upstream * standard)
        gradient = upstream * gain
        if shape.layer_norm:
            mean = ops.sum(gradient, axis=2, keepdims=True)
            slope = ops.sum(gradient * standard, axis=2, keepdims=True)
            gradient = gradient - layer * share * (mean + standard * slope)
        if shape.batch_norm:
            rows = ops.transpose(weights, (0, 2, 1))
            gradient = gradient - batch * gain * rows * (total + standard * along)
        gradient = gradient * scale
        return gradient, (1.0 - batch) * weighted_sum(ones, gradient), either * along, either * total

    return backend.custom_gradient(function, pullback)


def layer_moments(z: Any, share: Any) -> tuple[Any, Any]:
    """Mean and variance over units, (slots, rows, 1)."""
    mean = keras.ops.sum(z * share, axis=2, keepdims=True)
    return mean, keras.ops.sum(keras.ops.square(z - mean) * share, axis=2, keepdims=True)
