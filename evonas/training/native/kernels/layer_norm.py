"""Layer normalisation with the gradient in closed form. Source: Ba, Kiros & Hinton 2016."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.memory import INTEGERS, REALS, clear, columns, kernel, part

__all__ = ["backward", "forward"]

F = np.float32
SOURCE, TARGET, WIDTH, ADD_ERROR, GAMMA, BETA, SCALES, EPSILON = columns("layer_norm")


@kernel
def forward(memory, at, run):
    """target = gamma * (source, each row standardised) + beta; the standardised values are kept in `slopes`."""
    row = part(memory.code, at * INTEGERS)
    width = row[WIDTH]
    epsilon, share = memory.reals[at * REALS + EPSILON], F(1.0) / F(width)
    gamma = part(memory.weights, row[GAMMA])
    beta = part(memory.weights, row[BETA])
    for r in range(run.rows):
        x = part(memory.values, row[SOURCE] + r * width)
        y = part(memory.values, row[TARGET] + r * width)
        standard = part(memory.slopes, row[TARGET] + r * width)
        mean = F(0.0)
        for j in range(width):
            mean += x[j]
        mean *= share
        variance = F(0.0)
        for j in range(width):
            variance += (x[j] - mean) * (x[j] - mean)
        scale = F(1.0) / np.sqrt(variance * share + epsilon)
        memory.slopes[row[SCALES] + r] = scale
        for j in range(width):
            s = (x[j] - mean) * scale
            standard[j] = s
            y[j] = s * gamma[j] + beta[j]


@kernel
def backward(memory, at, run):
    """Gradients with respect to gamma, beta and the source."""
    row = part(memory.code, at * INTEGERS)
    width, share, add_error = row[WIDTH], F(1.0) / F(row[WIDTH]), row[ADD_ERROR]
    gamma = part(memory.weights, row[GAMMA])
    along = part(memory.gradients, row[GAMMA])
    total = part(memory.gradients, row[BETA])
    clear(along, width)
    clear(total, width)
    for r in range(run.rows):
        error = part(memory.errors, row[TARGET] + r * width)
        standard = part(memory.slopes, row[TARGET] + r * width)
        into = part(memory.errors, row[SOURCE] + r * width)
        mean, slope = F(0.0), F(0.0)
        for j in range(width):
            total[j] += error[j]
            along[j] += error[j] * standard[j]
            mean += error[j] * gamma[j]
            slope += error[j] * gamma[j] * standard[j]
        if add_error >= 0:
            scale = memory.slopes[row[SCALES] + r]
            mean *= share
            slope *= share
            for j in range(width):
                change = scale * (error[j] * gamma[j] - mean - standard[j] * slope)
                into[j] = (into[j] if add_error > 0 else F(0.0)) + change
