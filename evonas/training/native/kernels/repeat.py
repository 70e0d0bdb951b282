"""Repeats rows once per member, side by side, multiplied by the member's factors."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.memory import INTEGERS, clear, columns, copy, kernel, part

__all__ = ["backward", "forward"]

F = np.float32
SOURCE, TARGET, WIDTH, ADD_ERROR, COUNT, SCALE = columns("repeat")


@kernel
def forward(memory, at, run):
    """target[:, m] = source (* scale[m])."""
    row = part(memory.code, at * INTEGERS)
    width, count = row[WIDTH], row[COUNT]
    for r in range(run.rows):
        x = part(memory.values, row[SOURCE] + r * width)
        for m in range(count):
            y = part(memory.values, row[TARGET] + (r * count + m) * width)
            if row[SCALE] < 0:
                copy(x, y, width)
            else:
                scale = part(memory.weights, row[SCALE] + m * width)
                for j in range(width):
                    y[j] = x[j] * scale[j]


@kernel
def backward(memory, at, run):
    """Gradients with respect to factors and source; the source's error is the sum over all members."""
    row = part(memory.code, at * INTEGERS)
    width, count, add_error = row[WIDTH], row[COUNT], row[ADD_ERROR]
    if row[SCALE] >= 0:
        clear(part(memory.gradients, row[SCALE]), count * width)
    for r in range(run.rows):
        x = part(memory.values, row[SOURCE] + r * width)
        into = part(memory.errors, row[SOURCE] + r * width)
        if add_error == 0:
            clear(into, width)
        for m in range(count):
            error = part(memory.errors, row[TARGET] + (r * count + m) * width)
            if row[SCALE] >= 0:
                scale = part(memory.weights, row[SCALE] + m * width)
                gradient = part(memory.gradients, row[SCALE] + m * width)
                for j in range(width):
                    gradient[j] += error[j] * x[j]
                if add_error >= 0:
                    for j in range(width):
                        into[j] += error[j] * scale[j]
            elif add_error >= 0:
                for j in range(width):
                    into[j] += error[j]
