"""Activations. In training, the forward pass stores the derivative in `slopes`, at the target's offset."""

from __future__ import annotations

import math

import numpy as np

from evonas.training.native.kernels.functions import cosine, erf_tail, exp, logistic, tanh
from evonas.training.native.kernels.instructions import ACTIVATIONS
from evonas.training.native.kernels.memory import INTEGERS, REALS, columns, kernel, part
from evonas.training.native.kernels.pointwise import multiply_errors

__all__ = ["backward", "forward"]

F = np.float32
SOURCE, TARGET, WIDTH, ADD_ERROR, KIND, SLOPE = columns("activation")
(
    _LINEAR, _RELU, _LEAKY, _ELU, _SELU, _SIGMOID, _TANH, _SILU, _GELU,
    _RELU6, _HARD_TANH, _HARD_SIGMOID, _SOFTPLUS, _SOFTSIGN, _EXPONENTIAL, _MISH, _GELU_TANH, _COSINE,
) = range(len(ACTIVATIONS))  # fmt: skip
_SELU_SCALE, _SELU_ALPHA = F(1.0507009873554805), F(1.6732632423543772)
_DENSITY = F(1.0 / np.sqrt(2.0 * np.pi))
_TURN = F(2.0 * np.pi)
_GELU_SCALE, _GELU_CUBE = F(np.sqrt(2.0 / np.pi)), F(0.044715)


@kernel
def _kink(size, z, h, d, right, left, saturation):
    """`right * z` above 0, else `left * z + saturation * (exp(z) - 1)`."""
    if saturation == F(0.0):
        for i in range(size):
            slope = right if z[i] > F(0.0) else left
            h[i] = slope * z[i]
            d[i] = slope
    else:
        for i in range(size):
            x = z[i]
            e = saturation * exp(F(0.0) if x > F(0.0) else x)
            h[i] = right * x if x > F(0.0) else e - saturation
            d[i] = right if x > F(0.0) else e


@kernel
def _relu(size, z, h, d):
    for i in range(size):
        x = z[i]
        # NaN stays NaN.
        h[i] = F(0.0) if x <= F(0.0) else x
        d[i] = F(0.0) if x <= F(0.0) else F(1.0)


@kernel
def _clip(size, z, h, d, slope, shift, low, high):
    """`slope * z + shift`, clipped to [low, high]."""
    for i in range(size):
        y = slope * z[i] + shift
        inside = (y > low) & (y < high)
        d[i] = slope if inside else F(0.0)
        y = low if y <= low else y
        h[i] = high if y >= high else y


@kernel
def _rare(kind, size, z, h, d):
    """Smooth functions that are seldom used, elementwise."""
    for i in range(size):
        x = z[i]
        if kind == _SOFTSIGN:
            share = F(1.0) / (F(1.0) + abs(x))
            h[i], d[i] = x * share, share * share
        elif kind == _EXPONENTIAL:
            h[i] = d[i] = exp(x)
        elif kind == _GELU_TANH:
            t = tanh(_GELU_SCALE * (x + _GELU_CUBE * x * x * x))
            h[i] = F(0.5) * x * (F(1.0) + t)
            inner = _GELU_SCALE * (F(1.0) + F(3.0) * _GELU_CUBE * x * x)
            d[i] = F(0.5) * (F(1.0) + t + x * (F(1.0) - t * t) * inner)
        else:  # softplus
            e = F(0.0) if abs(x) > F(87.0) else exp(-abs(x))
            h[i] = max(x, F(0.0)) + F(math.log1p(e)) + x * F(0.0)
            d[i] = F(1.0) / (F(1.0) + e) if x > F(0.0) else e / (F(1.0) + e)


@kernel
def _mish(size, z, h, d):
    """x * tanh(softplus(x))."""
    for i in range(size):
        x = z[i]
        # 0 if the exponential is at its bound, since it is multiplied by x.
        e = F(0.0) if abs(x) > F(87.0) else exp(-abs(x))
        step = F(1.0) / (F(1.0) + e) if x > F(0.0) else e / (F(1.0) + e)
        # tanh(log(1 + y)) = y * (y + 2) / (y * (y + 2) + 2), divided by y * y above 0
        part = F(1.0) + F(2.0) * e if x > F(0.0) else e * (e + F(2.0))
        t = part / (part + (F(2.0) * e * e if x > F(0.0) else F(2.0)))
        h[i] = x * t
        d[i] = t + x * (F(1.0) - t * t) * step


@kernel
def _waves(size, z, h, d):
    for i in range(size):
        h[i] = cosine(z[i])
        d[i] = -_TURN * cosine(z[i] - F(0.25))


@kernel
def _smooth(kind, size, z, h, d):
    if kind == _SIGMOID:
        for i in range(size):
            s = logistic(z[i])
            h[i] = s
            d[i] = s * (F(1.0) - s)
    elif kind == _TANH:
        for i in range(size):
            t = tanh(z[i])
            h[i] = t
            d[i] = F(1.0) - t * t
    elif kind == _SILU:
        for i in range(size):
            x = z[i]
            s = logistic(x)
            h[i] = x * s
            d[i] = s * (F(1.0) + x * (F(1.0) - s))
    else:  # gelu, exact
        for i in range(size):
            x = z[i]
            e = exp(F(-0.5) * x * x)
            tail = erf_tail(abs(x), e)
            step = F(1.0) - tail if x > F(0.0) else tail
            h[i] = x * step
            d[i] = step + x * _DENSITY * e


@kernel
def forward(memory, at, run):
    """target = f(source); in training, also slopes = f'(source)."""
    row = part(memory.code, at * INTEGERS)
    size, kind = run.rows * row[WIDTH], row[KIND]
    z = part(memory.values, row[SOURCE])
    h = part(memory.values, row[TARGET])
    d = part(memory.slopes, row[TARGET])
    if kind == _RELU:
        _relu(size, z, h, d)
    elif kind == _LINEAR:
        _kink(size, z, h, d, F(1.0), F(1.0), F(0.0))
    elif kind == _LEAKY:
        _kink(size, z, h, d, F(1.0), memory.reals[at * REALS + SLOPE], F(0.0))
    elif kind == _ELU:
        _kink(size, z, h, d, F(1.0), F(0.0), F(1.0))
    elif kind == _SELU:
        _kink(size, z, h, d, _SELU_SCALE, F(0.0), _SELU_SCALE * _SELU_ALPHA)
    elif kind == _RELU6:
        _clip(size, z, h, d, F(1.0), F(0.0), F(0.0), F(6.0))
    elif kind == _HARD_TANH:
        _clip(size, z, h, d, F(1.0), F(0.0), F(-1.0), F(1.0))
    elif kind == _HARD_SIGMOID:
        _clip(size, z, h, d, F(1.0 / 6.0), F(0.5), F(0.0), F(1.0))
    elif kind == _MISH:
        _mish(size, z, h, d)
    elif kind == _COSINE:
        _waves(size, z, h, d)
    elif kind > _GELU:
        _rare(kind, size, z, h, d)
    else:
        _smooth(kind, size, z, h, d)


@kernel
def backward(memory, at, run):
    """The source's error is the target's error times the derivative."""
    row = part(memory.code, at * INTEGERS)
    multiply_errors(memory, row[SOURCE], row[TARGET], run.rows * row[WIDTH], row[ADD_ERROR])
