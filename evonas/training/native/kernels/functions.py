"""Elementary float32 functions that LLVM can vectorise, which calls of the C library would prevent."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from evonas.training.native.kernels.memory import kernel

__all__ = ["cosine", "erf_tail", "exp", "logistic", "tanh"]

F = np.float32
_LOG2E, _LN2_HIGH, _LN2_LOW = F(1.4426950408889634), F(0.693359375), F(-2.12194440e-4)
_TURN = F(2.0 * np.pi)
_LEAST, _MOST = F(-87.0), F(88.0)
# Abramowitz & Stegun 1964, 7.1.26.
_P, _A1, _A2, _A3, _A4, _A5 = (
    F(0.3275911 / np.sqrt(2.0)), F(0.254829592), F(-0.284496736), F(1.421413741), F(-1.453152027), F(1.061405429)
)  # fmt: skip


@intrinsic
def _power_of_two(typing: Any, exponent: Any) -> Any:
    """2 to an integer power in [-126, 127], from the bits of a float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        biased = builder.add(arguments[0], ir.Constant(ir.IntType(32), 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(ir.IntType(32), 23)), ir.FloatType())

    return types.float32(types.int32), code


@kernel
def exp(x):
    """exp(x), relative error 2e-7; x is clipped to [-87, 88]. NaN stays NaN."""
    x = _MOST if x > _MOST else x
    x = _LEAST if x < _LEAST else x
    whole = np.floor(x * _LOG2E + F(0.5))
    r = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    series = F(1.0 / 720.0) + r * F(1.0 / 5040.0)
    series = F(1.0 / 120.0) + r * series
    series = F(1.0 / 24.0) + r * series
    series = F(1.0 / 6.0) + r * series
    series = F(0.5) + r * series
    series = F(1.0) + r * series
    series = F(1.0) + r * series
    return series * _power_of_two(np.int32(whole))


@kernel
def logistic(x):
    """1 / (1 + exp(-x)); 0 if the exponential is at its bound, since silu multiplies by x."""
    return F(0.0) if x < -_MOST else F(1.0) / (F(1.0) + exp(-x))


@kernel
def tanh(x):
    """tanh(x), absolute error 1e-7."""
    return F(1.0) - F(2.0) / (exp(F(2.0) * x) + F(1.0))


@kernel
def cosine(x):
    """cos(2 pi x), absolute error 3e-7."""
    # Reduces x to the distance to the nearest integer, then to the nearest quarter, where the cosine is a sine.
    above = x - np.floor(x)
    distance = above if above < F(0.5) else F(1.0) - above
    y = _TURN * (F(0.25) - distance)
    square = y * y
    series = F(-1.0 / 39916800.0)
    series = F(1.0 / 362880.0) + square * series
    series = F(-1.0 / 5040.0) + square * series
    series = F(1.0 / 120.0) + square * series
    series = F(-1.0 / 6.0) + square * series
    return y + y * square * series


@kernel
def erf_tail(x, e):
    """Half of 1 - erf(x / sqrt(2)) for x >= 0, absolute error 1e-7, given e = exp(-x * x / 2)."""
    t = F(1.0) / (F(1.0) + _P * x)
    return F(0.5) * e * (t * (_A1 + t * (_A2 + t * (_A3 + t * (_A4 + t * _A5)))))
