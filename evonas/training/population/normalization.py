"""Batch, layer or no normalisation in one formula that takes each network's kind as data; gradients in closed form.

Automatic differentiation would pass over the activations several times more (Ioffe & Szegedy 2015 and Ba et al. 2016
have the closed forms). Programs in which only one kind occurs compute only that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import keras

from evonas.networks.forward import EPSILON
from evonas.training.population.shape import ProgramShape

__all__ = ["EPSILON", "MOVING_MOMENTUM", "Rows", "batch_moments", "layer_moments", "make_normalize", "rows_of"]

#: Keras's default for BatchNormalization.
MOVING_MOMENTUM = 0.99
# XLA turns a product with one row into a reduction fused with the computation of its operand, which it does not
# vectorise on CPUs: several times slower than a real product with a few equal rows, one of which is used.
_SUM_ROWS = 8


@dataclass(frozen=True)
class Rows:
    """The rows of a batch in the form that normalisation needs.

    Attributes:
        sums: ones, (slots, 8, rows): a product with it sums over rows.
        means: share of each row in the mean, 0 for missing rows, (slots, 8, rows).
        share: the same, (slots, rows, 1).
        trained: whether the slot trains in this step, (slots, 1, 1).
    """

    sums: Any
    means: Any
    share: Any
    trained: Any


def rows_of(row_mask: Any) -> Rows:
    """The rows of a batch whose mask is 1 for existing rows, (slots, rows)."""
    ops = keras.ops
    count = ops.sum(row_mask, axis=1, keepdims=True)
    share = row_mask / ops.maximum(count, 1.0)
    wide = ops.broadcast_to(share[:, None, :], (share.shape[0], _SUM_ROWS, share.shape[1]))
    return Rows(ops.ones_like(wide), wide, share[:, :, None], (count > 0.0)[:, :, None])


def batch_moments(z: Any, rows: Rows) -> tuple[Any, Any]:
    """Mean and variance over rows, each (slots, 1, units)."""
    mean = keras.ops.matmul(rows.means, z)[:, :1]
    return mean, keras.ops.matmul(rows.means, keras.ops.square(z - mean))[:, :1]


def layer_moments(z: Any, share: Any) -> tuple[Any, Any]:
    """Mean and variance over units, each (slots, rows, 1); `share` is 1 / units for real units, 0 for padding."""
    mean = keras.ops.sum(z * share, axis=2, keepdims=True)
    return mean, keras.ops.sum(keras.ops.square(z - mean) * share, axis=2, keepdims=True)


def make_normalize(shape: ProgramShape, backend: ModuleType) -> Any:
    """The function `(z, bias, gamma, beta, ...) -> normalised z`, with gradients by these four.

    Other arguments: `batch` and `layer`, 1 if a network has that kind, (slots, 1, 1); `unbatched` and `plain`, 1 if it
    does not have the former, or neither; `share` as in `layer_moments`; `sums` and `rows`, `Rows.sums` and
    `Rows.share`; `mean` and `variance` of `batch_moments`. Batch normalisation cancels any bias, so such networks have
    none.
    """
    ops = keras.ops

    def function(
        z: Any,
        bias: Any,
        gamma: Any,
        beta: Any,
        batch: Any,
        layer: Any,
        unbatched: Any,
        plain: Any,
        share: Any,
        sums: Any,
        rows: Any,
        mean: Any,
        variance: Any,
    ) -> tuple[Any, Any]:
        z = z + unbatched * bias
        center: Any = 0.0
        spread: Any = 0.0
        if shape.batch_norm:
            center, spread = batch * mean, batch * variance
        if shape.layer_norm:
            row_mean, row_variance = layer_moments(z, share)
            center, spread = center + layer * row_mean, spread + layer * row_variance
        either = 1.0 - plain
        scale = plain + either * ops.rsqrt(spread + EPSILON)
        gain = plain + either * gamma
        standard = (z - center) * scale
        kept = (standard, scale, gain, either, batch, layer, unbatched, share, sums, rows)
        return standard * gain + either * beta, kept

    def pullback(upstream: Any, kept: Any) -> tuple[Any, ...]:
        standard, scale, gain, either, batch, layer, unbatched, share, sums, rows = kept
        total, along = ops.matmul(sums, upstream)[:, :1], ops.matmul(sums, upstream * standard)[:, :1]
        gradient = upstream * gain
        if shape.layer_norm:
            mean = ops.sum(gradient, axis=2, keepdims=True)
            slope = ops.sum(gradient * standard, axis=2, keepdims=True)
            gradient = gradient - layer * share * (mean + standard * slope)
        if shape.batch_norm:
            gradient = gradient - batch * gain * rows * (total + standard * along)
        gradient = gradient * scale
        return gradient, unbatched * ops.matmul(sums, gradient)[:, :1], either * along, either * total

    return backend.custom_gradient(function, pullback)
