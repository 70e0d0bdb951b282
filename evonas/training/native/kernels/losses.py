"""Losses of raw outputs and their gradients. The loss of a row with several outputs is their mean."""

from __future__ import annotations

import math

import numpy as np

from evonas.training.native.kernels.functions import exp, tanh
from evonas.training.native.kernels.instructions import LOSSES
from evonas.training.native.kernels.memory import kernel

__all__ = ["row_loss"]

F = np.float32
_LN2 = F(math.log(2.0))
_MSE, _MAE, _HUBER, _BINARY, _MULTICLASS, _CATEGORICAL, _LOG_COSH, _PINBALL = range(len(LOSSES))


@kernel
def _regression(kind, size, output, target, error, weight, knee):
    """`knee` is the absolute error above which Huber's loss is linear."""
    share = F(1.0) / F(size)
    total = F(0.0)
    for j in range(size):
        difference = output[j] - target[j]
        distance = abs(difference)
        if kind == _MSE:
            total += difference * difference
            slope = F(2.0) * difference
        elif kind == _LOG_COSH:
            e = exp(F(-2.0) * distance)
            total += distance + F(math.log1p(e)) - _LN2 + difference * F(0.0)
            slope = tanh(difference)
        else:
            # Keras gives a difference of 0 the gradient 0.
            sign = F(1.0) if difference > F(0.0) else (F(-1.0) if difference < F(0.0) else difference)
            if kind == _MAE:
                total += distance
                slope = sign
            else:
                straight = knee * (distance - F(0.5) * knee)
                total += F(0.5) * difference * difference if distance <= knee else straight
                slope = difference if distance <= knee else knee * sign
        error[j] = weight * share * slope
    return total * share


@kernel
def _binary(size, output, target, error, weight):
    share = F(1.0) / F(size)
    total = F(0.0)
    for j in range(size):
        z, y = output[j], target[j]
        e = exp(-abs(z))
        total += max(z, F(0.0)) - z * y + F(math.log1p(e)) + z * F(0.0)
        p = F(1.0) / (F(1.0) + e) if z >= F(0.0) else e / (F(1.0) + e)
        error[j] = weight * share * (p - y)
    return total * share


@kernel
def _multiclass(size, output, target, error, weight):
    hit = int(target[0])
    peak = output[0]
    for j in range(1, size):
        peak = max(peak, output[j])
    total = F(0.0)
    for j in range(size):
        e = exp(output[j] - peak)
        error[j] = e
        total += e
    for j in range(size):
        error[j] *= weight / total
    error[hit] -= weight
    return F(math.log(total)) + peak - output[hit]


@kernel
def _categorical(size, output, target, error, weight):
    peak = output[0]
    for j in range(1, size):
        peak = max(peak, output[j])
    total, hits, hit = F(0.0), F(0.0), F(0.0)
    for j in range(size):
        e = exp(output[j] - peak)
        error[j] = e
        total += e
        hits += target[j]
        hit += target[j] * (output[j] - peak)
    for j in range(size):
        error[j] = weight * (hits * error[j] / total - target[j])
    return hits * F(math.log(total)) - hit


@kernel
def _pinball(size, output, target, error, weight):
    """Quantile loss; the quantiles follow the targets. Source: Koenker and Bassett 1978."""
    share = F(1.0) / F(size)
    total = F(0.0)
    for j in range(size):
        difference, quantile = output[j] - target[j], target[size + j]
        # As for the absolute error, a difference of 0 has the gradient 0; NaN stays NaN.
        slope = F(1.0) - quantile if difference > F(0.0) else (-quantile if difference < F(0.0) else difference)
        total += slope * difference
        error[j] = weight * share * slope
    return total * share


@kernel
def row_loss(kind, size, output, target, error, weight, knee):
    """The loss of one row with `size` outputs; `error` becomes `weight` times the gradient of the loss."""
    if kind == _BINARY:
        return _binary(size, output, target, error, weight)
    if kind == _MULTICLASS:
        return _multiclass(size, output, target, error, weight)
    if kind == _CATEGORICAL:
        return _categorical(size, output, target, error, weight)
    if kind == _PINBALL:
        return _pinball(size, output, target, error, weight)
    return _regression(kind, size, output, target, error, weight, knee)
