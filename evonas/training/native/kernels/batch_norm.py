"""Batch normalisation with the gradient in closed form. Source: Ioffe & Szegedy 2015."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.memory import INTEGERS, REALS, clear, columns, kernel, part

__all__ = ["backward", "forward"]

F = np.float32
SOURCE, TARGET, WIDTH, ADD_ERROR, GAMMA, BETA, STATISTICS, EPSILON, MOMENTUM = columns("batch_norm")


@kernel
def _moments(x, rows, width, mean, variance):
    """Mean and variance of each column of x (rows, width)."""
    clear(mean, width)
    clear(variance, width)
    share = F(1.0) / F(rows)
    for r in range(rows):
        row = part(x, r * width)
        for j in range(width):
            mean[j] += row[j]
    for j in range(width):
        mean[j] *= share
    for r in range(rows):
        row = part(x, r * width)
        for j in range(width):
            centred = row[j] - mean[j]
            variance[j] += centred * centred
    for j in range(width):
        variance[j] *= share


@kernel
def forward(memory, at, run):
    """target = gamma * standardised source + beta, with the batch's statistics in training, else the moving ones.

    In training, the standardised values are kept in `slopes`, and their divisors in the statistics.
    """
    row = part(memory.code, at * INTEGERS)
    width, rows, first = row[WIDTH], run.rows, row[STATISTICS]
    epsilon, momentum = memory.reals[at * REALS + EPSILON], memory.reals[at * REALS + MOMENTUM]
    moving_mean = part(memory.statistics, first)
    moving_variance = part(memory.statistics, first + width)
    mean = part(memory.statistics, first + 2 * width)
    scale = part(memory.statistics, first + 3 * width)
    gamma = part(memory.weights, row[GAMMA])
    beta = part(memory.weights, row[BETA])
    if run.training:
        _moments(part(memory.values, row[SOURCE]), rows, width, mean, scale)
        for j in range(width):
            moving_mean[j] = moving_mean[j] * momentum + mean[j] * (F(1.0) - momentum)
            moving_variance[j] = moving_variance[j] * momentum + scale[j] * (F(1.0) - momentum)
            scale[j] = F(1.0) / np.sqrt(scale[j] + epsilon)
    else:
        for j in range(width):
            mean[j] = moving_mean[j]
            scale[j] = F(1.0) / np.sqrt(moving_variance[j] + epsilon)
    for r in range(rows):
        x = part(memory.values, row[SOURCE] + r * width)
        y = part(memory.values, row[TARGET] + r * width)
        standard = part(memory.slopes, row[TARGET] + r * width)
        for j in range(width):
            s = (x[j] - mean[j]) * scale[j]
            standard[j] = s
            y[j] = s * gamma[j] + beta[j]


@kernel
def backward(memory, at, run):
    """Gradients with respect to gamma, beta and the source."""
    row = part(memory.code, at * INTEGERS)
    width, rows, first = row[WIDTH], run.rows, row[STATISTICS]
    scale = part(memory.statistics, first + 3 * width)
    gamma = part(memory.weights, row[GAMMA])
    along = part(memory.gradients, row[GAMMA])
    total = part(memory.gradients, row[BETA])
    clear(along, width)
    clear(total, width)
    for r in range(rows):
        error = part(memory.errors, row[TARGET] + r * width)
        standard = part(memory.slopes, row[TARGET] + r * width)
        for j in range(width):
            total[j] += error[j]
            along[j] += error[j] * standard[j]
    if row[ADD_ERROR] < 0:
        return
    share, add_error = F(1.0) / F(rows), F(row[ADD_ERROR])
    for r in range(rows):
        error = part(memory.errors, row[TARGET] + r * width)
        standard = part(memory.slopes, row[TARGET] + r * width)
        into = part(memory.errors, row[SOURCE] + r * width)
        for j in range(width):
            centred = error[j] - share * (total[j] + standard[j] * along[j])
            into[j] = (into[j] if add_error > F(0.0) else F(0.0)) + gamma[j] * scale[j] * centred
