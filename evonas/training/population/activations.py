"""A common formula of all activations, so that networks with different activations share one program.

A `switch` over activations costs compile time for every branch, and computing all of them costs a transcendental each.
The activations of the dense space need no more than one exponential and one division between them:

* with `e = exp(-u)`, `u = |z| * (scale + square * |z|)`, and `tail` = `e / (1 + e)` (logistic) or the Gaussian tail of
  Abramowitz & Stegun 1964, 7.1.26 (absolute error 1.5e-7), the smooth step `S(z)` is `tail` below 0, `1 - tail` above;
* the step of mish is tanh(softplus(z)), a rational function of `e`;
* smooth activations (sigmoid, tanh, silu, gelu, mish) are `(constant + linear * z) * S(z) + shift`;
* the others (relu, leaky_relu, elu, selu, linear) are `right * z` right of 0, `left * z + saturation * (e - 1)` left.

The derivative reuses the same terms. Coefficients are data, shape `(slots, 1, 1)` each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NUM_COEFFICIENTS", "activate", "coefficients", "terms"]

_FIELDS = (
    "smooth",
    "gaussian",
    "scale",
    "square",
    "constant",
    "linear",
    "shift",
    "right",
    "left",
    "saturation",
    "mish",
)
NUM_COEFFICIENTS = len(_FIELDS)

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

_TABLE: dict[str, dict[str, float]] = {
    "relu": {"right": 1.0},
    "leaky_relu": {"right": 1.0, "left": 0.2},
    "elu": {"right": 1.0, "scale": 1.0, "saturation": 1.0},
    "selu": {"right": _SELU_SCALE, "scale": 1.0, "saturation": _SELU_SCALE * _SELU_ALPHA},
    "linear": {"right": 1.0, "left": 1.0},
    "sigmoid": {"smooth": 1.0, "scale": 1.0, "constant": 1.0},
    "tanh": {"smooth": 1.0, "scale": 2.0, "constant": 2.0, "shift": -1.0},
    "silu": {"smooth": 1.0, "scale": 1.0, "linear": 1.0},
    "mish": {"smooth": 1.0, "scale": 1.0, "linear": 1.0, "mish": 1.0},
    "gelu": {"smooth": 1.0, "gaussian": 1.0, "square": 0.5, "linear": 1.0},
}

# Abramowitz & Stegun 1964, 7.1.26, for erf(|z| / sqrt(2)).
_P = 0.3275911 / np.sqrt(2.0)
_POLYNOMIAL = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_DENSITY = 1.0 / np.sqrt(2.0 * np.pi)


def coefficients(activation: str) -> NDArray[np.float32]:
    """Coefficients of an activation, shape `(NUM_COEFFICIENTS,)`."""
    values = _TABLE[activation]
    return np.array([values.get(field, 0.0) for field in _FIELDS], np.float32)


def terms(activations: Iterable[str]) -> tuple[bool, bool, bool, bool]:
    """Whether any of the activations saturates (needs the exponential), is smooth, is gelu, and is mish."""
    needed = [_TABLE[activation] for activation in set(activations)]
    smooth = any("smooth" in values for values in needed)
    saturating = smooth or any("saturation" in values for values in needed)
    gaussian, mish = (any(term in values for values in needed) for term in ("gaussian", "mish"))
    return saturating, smooth, gaussian, mish


def activate(
    z: Any, c: Any, saturating: bool = True, smooth: bool = True, gaussian: bool = True, mish: bool = True
) -> tuple[Any, Any]:
    """Value and derivative of each network's activation.

    Args:
        z: pre-activations, shape `(slots, rows, units)`.
        c: coefficients, shape `(slots, NUM_COEFFICIENTS)`.
        saturating, smooth, gaussian, mish: the terms that these networks need, see `terms`; others cost nothing.

    Returns:
        `(value, derivative)`, each of z's shape.
    """
    from keras import ops  # here, because the planner asks for `terms` without Keras

    f = dict(zip(_FIELDS, ops.unstack(c[:, :, None, None], NUM_COEFFICIENTS, axis=1), strict=True))
    positive = z > 0.0
    if not saturating:
        slope = ops.where(positive, f["right"], f["left"])
        return z * slope, slope
    magnitude = ops.abs(z)
    e = ops.exp(-magnitude * (f["scale"] + f["square"] * magnitude))
    kinked = ops.where(positive, f["right"] * z, f["left"] * z + f["saturation"] * (e - 1.0))
    kinked_slope = ops.where(positive, f["right"], f["left"] + f["saturation"] * e)
    if not smooth:
        return kinked, kinked_slope
    if gaussian:
        is_gaussian = f["gaussian"] > 0.0
        t = 1.0 / (1.0 + ops.where(is_gaussian, _P * magnitude, e))
        a1, a2, a3, a4, a5 = _POLYNOMIAL
        series = t * (a1 + t * (a2 + t * (a3 + t * (a4 + t * a5))))
        tail = e * ops.where(is_gaussian, 0.5 * series, t)
        slope = ops.where(is_gaussian, _DENSITY * e, f["scale"] * tail * (1.0 - tail))
    else:
        tail = e / (1.0 + e)
        slope = f["scale"] * tail * (1.0 - tail)
    step = ops.where(positive, 1.0 - tail, tail)
    if mish:
        # With w = 1 + exp(z): tanh(log(w)) = (w^2 - 1) / (w^2 + 1); above 0, both are divided by w^2.
        part = ops.where(positive, 1.0 + 2.0 * e, e * (e + 2.0))
        whole = part + ops.where(positive, 2.0 * e * e, 2.0)
        is_mish = f["mish"] > 0.0
        step = ops.where(is_mish, part / whole, step)
        rise = 4.0 * (1.0 + e) * ops.where(positive, e * e, e) / (whole * whole)
        slope = ops.where(is_mish, rise, slope)
    weight = f["constant"] + f["linear"] * z
    is_smooth = f["smooth"] > 0.0
    value = ops.where(is_smooth, weight * step + f["shift"], kinked)
    return value, ops.where(is_smooth, f["linear"] * step + weight * slope, kinked_slope)
