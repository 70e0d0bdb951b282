"""Multiplies each column by a trained factor and adds an optional offset."""

from __future__ import annotations

from evonas.training.native.kernels.memory import INTEGERS, clear, columns, kernel, part

__all__ = ["backward", "forward"]

SOURCE, TARGET, WIDTH, ADD_ERROR, SCALE, OFFSET = columns("scale")


@kernel
def forward(memory, at, run):
    """target = source * scale (+ bias)."""
    row = part(memory.code, at * INTEGERS)
    width = row[WIDTH]
    scale = part(memory.weights, row[SCALE])
    for r in range(run.rows):
        x = part(memory.values, row[SOURCE] + r * width)
        y = part(memory.values, row[TARGET] + r * width)
        if row[OFFSET] >= 0:
            bias = part(memory.weights, row[OFFSET])
            for j in range(width):
                y[j] = x[j] * scale[j] + bias[j]
        else:
            for j in range(width):
                y[j] = x[j] * scale[j]


@kernel
def backward(memory, at, run):
    """Gradients with respect to factors, offsets and source."""
    row = part(memory.code, at * INTEGERS)
    width, add_error = row[WIDTH], row[ADD_ERROR]
    scale = part(memory.weights, row[SCALE])
    gradient = part(memory.gradients, row[SCALE])
    clear(gradient, width)
    if row[OFFSET] >= 0:
        total = part(memory.gradients, row[OFFSET])
        clear(total, width)
        for r in range(run.rows):
            error = part(memory.errors, row[TARGET] + r * width)
            for j in range(width):
                total[j] += error[j]
    for r in range(run.rows):
        x = part(memory.values, row[SOURCE] + r * width)
        error = part(memory.errors, row[TARGET] + r * width)
        into = part(memory.errors, row[SOURCE] + r * width)
        for j in range(width):
            gradient[j] += error[j] * x[j]
        if add_error >= 0:
            for j in range(width):
                into[j] = (into[j] if add_error > 0 else x[j] * 0) + error[j] * scale[j]
