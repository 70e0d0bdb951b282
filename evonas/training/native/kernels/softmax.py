"""Softmax of each row."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.functions import exp
from evonas.training.native.kernels.memory import INTEGERS, columns, kernel, part

__all__ = ["backward", "forward"]

F = np.float32
SOURCE, TARGET, WIDTH, ADD_ERROR = columns("softmax")


@kernel
def forward(memory, at, run):
    """target = exp(source) / sum(exp(source)), row by row."""
    row = part(memory.code, at * INTEGERS)
    width = row[WIDTH]
    for r in range(run.rows):
        x = part(memory.values, row[SOURCE] + r * width)
        y = part(memory.values, row[TARGET] + r * width)
        peak, total = x[0], F(0.0)
        for j in range(1, width):
            peak = max(peak, x[j])
        for j in range(width):
            y[j] = exp(x[j] - peak)
            total += y[j]
        for j in range(width):
            y[j] /= total


@kernel
def backward(memory, at, run):
    """The source's error (=|+=) target * (target's error - sum(target * target's error))."""
    row = part(memory.code, at * INTEGERS)
    width, add_error = row[WIDTH], row[ADD_ERROR]
    if add_error < 0:
        return
    for r in range(run.rows):
        y = part(memory.values, row[TARGET] + r * width)
        error = part(memory.errors, row[TARGET] + r * width)
        into = part(memory.errors, row[SOURCE] + r * width)
        mean = F(0.0)
        for j in range(width):
            mean += y[j] * error[j]
        for j in range(width):
            into[j] = (into[j] if add_error > 0 else F(0.0)) + y[j] * (error[j] - mean)
