"""Product with a kernel: target = source @ kernel + bias."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.memory import INTEGERS, REALS, clear, columns, kernel, part
from evonas.training.native.kernels.products import ACCUMULATE, BIAS, OVERWRITE, matmul_into

__all__ = ["backward", "forward"]

F = np.float32
SOURCE, INPUTS, TARGET, UNITS, KERNEL, OFFSET, ADD, ADD_ERROR, L2 = columns("dense")


@kernel
def _single(mode, source, rows, inputs, weight, bias, target):
    """The product with one column, which would leave most lanes of a tile idle."""
    for r in range(rows):
        line = part(source, r * inputs)
        total = F(0.0)
        for k in range(inputs):
            total += line[k] * weight[k]
        if mode == ACCUMULATE:
            total += target[r]
        elif mode == BIAS:
            total += bias[0]
        target[r] = total


@kernel
def forward(memory, at, run):
    """target (rows, units) = source (rows, inputs) @ kernel (inputs, units) + bias, or adds it to the target."""
    row = part(memory.code, at * INTEGERS)
    inputs, units = row[INPUTS], row[UNITS]
    source, target = part(memory.values, row[SOURCE]), part(memory.values, row[TARGET])
    weight, bias, mode = part(memory.weights, row[KERNEL]), memory.weights, OVERWRITE
    if row[OFFSET] >= 0:
        bias, mode = part(memory.weights, row[OFFSET]), BIAS
    if row[ADD]:
        mode = ACCUMULATE
    if units == 1:
        _single(mode, source, run.rows, inputs, weight, bias, target)
    else:
        matmul_into(source, inputs, 1, weight, units, 1, target, units, run.rows, units, inputs, mode, bias)


@kernel
def _penalize(weight, gradient, size, l2):
    """Returns the penalty l2 * sum(weight ** 2) and adds its gradient."""
    squares = F(0.0)
    for i in range(size):
        squares += weight[i] * weight[i]
        gradient[i] += F(2.0) * l2 * weight[i]
    return l2 * squares


@kernel
def backward(memory, at, run):
    """Gradients with respect to kernel, bias and source; adds the kernel's penalty to that of the step."""
    row = part(memory.code, at * INTEGERS)
    inputs, units, rows = row[INPUTS], row[UNITS], run.rows
    source, error = part(memory.values, row[SOURCE]), part(memory.errors, row[TARGET])
    weight, gradient = part(memory.weights, row[KERNEL]), part(memory.gradients, row[KERNEL])
    if units == 1:  # a single column has the memory layout of a row
        matmul_into(error, 1, 1, source, inputs, 1, gradient, inputs, 1, inputs, rows, OVERWRITE, gradient)
    else:
        matmul_into(source, 1, inputs, error, units, 1, gradient, units, inputs, units, rows, OVERWRITE, gradient)
    if row[OFFSET] >= 0:
        total = part(memory.gradients, row[OFFSET])
        clear(total, units)
        for r in range(rows):
            line = part(error, r * units)
            for j in range(units):
                total[j] += line[j]
    l2 = memory.reals[at * REALS + L2]
    if l2 > F(0.0):
        memory.penalty[0] += _penalize(weight, gradient, inputs * units, l2)
    if row[ADD_ERROR] >= 0:
        mode = ACCUMULATE if row[ADD_ERROR] else OVERWRITE
        into = part(memory.errors, row[SOURCE])
        matmul_into(error, units, 1, weight, 1, units, into, inputs, rows, inputs, units, mode, into)
