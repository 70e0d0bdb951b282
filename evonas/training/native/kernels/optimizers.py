"""Updates of the flat weights. The coefficients `c` are documented in `evonas.training.optimizers`."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.instructions import OPTIMIZERS
from evonas.training.native.kernels.memory import kernel, part

__all__ = ["clip", "update"]

F = np.float32
_SGD, _MOMENTUM, _NESTEROV, _RMSPROP = range(4)
assert OPTIMIZERS[:4] == ("sgd", "momentum", "nesterov", "rmsprop")


@kernel
def _plain(c, factor, size, w, g):
    decay, rate = c[6], factor * c[5]
    for i in range(size):
        w[i] = decay * w[i] - rate * g[i]


@kernel
def _momentum(c, factor, size, w, g, m):
    c0, c1, c4, c5, decay = c[0], c[1], factor * c[4], factor * c[5], c[6]
    for i in range(size):
        first = c0 * m[i] + c1 * g[i]
        m[i] = first
        w[i] = decay * w[i] - (c4 * first + c5 * g[i])


@kernel
def _rmsprop(c, factor, size, w, g, v):
    c2, c3, c5, decay, c8 = c[2], c[3], factor * c[5], c[6], c[8]
    for i in range(size):
        second = c2 * v[i] + c3 * g[i] * g[i]
        v[i] = second
        w[i] = decay * w[i] - c5 * g[i] / np.sqrt(second + c8)


@kernel
def _adam(c, factor, size, w, g, m, v):
    c0, c1, c2, c3, decay, c7, c9 = c[0], c[1], c[2], c[3], c[6], c[7], c[9]
    c4, c5 = factor * c[4], factor * c[5]
    for i in range(size):
        first = c0 * m[i] + c1 * g[i]
        second = c2 * v[i] + c3 * g[i] * g[i]
        m[i] = first
        v[i] = second
        w[i] = decay * w[i] - (c4 * first + c5 * g[i]) / (c7 * np.sqrt(second) + c9)


@kernel
def clip(kind, limit, count, segments, gradients):
    """Clips gradients in place.

    Args:
        kind: 1 clips each value to +-limit, 2 limits the norm of each segment.
        count: number of segments, whose bounds are `segments`, shape `(count + 1,)`.
    """
    for at in range(count):
        first, size = segments[at], segments[at + 1] - segments[at]
        g = part(gradients, first)
        factor = F(1.0)
        if kind == 2:
            squares = F(0.0)
            for i in range(size):
                squares += g[i] * g[i]
            norm = np.sqrt(squares)
            # A norm of NaN makes all gradients NaN.
            factor = limit / norm if not norm <= limit else F(1.0)
        for i in range(size):
            x = g[i] * factor
            if kind == 1:
                x = -limit if x < -limit else x
                x = limit if x > limit else x
            g[i] = x


@kernel
def update(kind, c, factor, size, weights, gradients, first, second):
    """One step: `c` holds its coefficients, shape `(10,)`, `first` and `second` the moments if the optimizer has any.

    Everything except weight decay is multiplied by `factor`.
    """
    if kind == _SGD:
        _plain(c, factor, size, weights, gradients)
    elif kind in (_MOMENTUM, _NESTEROV):
        _momentum(c, factor, size, weights, gradients, first)
    elif kind == _RMSPROP:
        _rmsprop(c, factor, size, weights, gradients, second)
    else:
        _adam(c, factor, size, weights, gradients, first, second)
