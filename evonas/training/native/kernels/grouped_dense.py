"""Products of groups of columns, each with a separate kernel: embeddings of columns, outputs of members."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.memory import INTEGERS, clear, columns, kernel, part
from evonas.training.native.kernels.products import ACCUMULATE, BIAS, OVERWRITE, matmul_into

__all__ = ["backward", "forward"]

F = np.float32
(
    SOURCE, SOURCE_WIDTH, SOURCE_COLUMN, INPUTS, TARGET, TARGET_WIDTH, TARGET_COLUMN, UNITS, GROUPS, KERNEL,
    KERNEL_SIZE, OFFSET, ADD_ERROR,
) = columns("grouped_dense")  # fmt: skip


@kernel
def _single(rows, inputs, source, source_width, weight, bias, target, target_width):
    """The product with one column, which would leave most lanes of a tile idle."""
    for r in range(rows):
        line = part(source, r * source_width)
        total = F(0.0)
        for k in range(inputs):
            total += line[k] * weight[k]
        target[r * target_width] = total + bias[0]


@kernel
def forward(memory, at, run):
    """target[:, units] = source[:, inputs] @ kernel + bias, group by group."""
    row = part(memory.code, at * INTEGERS)
    inputs, units = row[INPUTS], row[UNITS]
    for g in range(row[GROUPS]):
        source = part(memory.values, row[SOURCE] + row[SOURCE_COLUMN] + g * inputs)
        target = part(memory.values, row[TARGET] + row[TARGET_COLUMN] + g * units)
        weight = part(memory.weights, row[KERNEL] + g * row[KERNEL_SIZE])
        bias = part(memory.weights, row[OFFSET] + g * units)
        if units == 1:
            _single(run.rows, inputs, source, row[SOURCE_WIDTH], weight, bias, target, row[TARGET_WIDTH])
        else:
            matmul_into(
                source, row[SOURCE_WIDTH], 1, weight, units, 1, target, row[TARGET_WIDTH], run.rows, units, inputs,
                BIAS, bias,
            )  # fmt: skip


@kernel
def _single_backward(rows, inputs, source, source_width, weight, gradient, error, error_width, into, add_error):
    clear(gradient, inputs)
    for r in range(rows):
        line, e = part(source, r * source_width), error[r * error_width]
        for k in range(inputs):
            gradient[k] += e * line[k]
        if add_error >= 0:
            back = part(into, r * source_width)
            for k in range(inputs):
                back[k] = (back[k] if add_error > 0 else F(0.0)) + e * weight[k]


@kernel
def backward(memory, at, run):
    """Gradients with respect to kernels, biases and source. Numbers between kernels have none."""
    row = part(memory.code, at * INTEGERS)
    inputs, units, add_error, rows = row[INPUTS], row[UNITS], row[ADD_ERROR], run.rows
    away, width = row[SOURCE_WIDTH], row[TARGET_WIDTH]
    for g in range(row[GROUPS]):
        source = part(memory.values, row[SOURCE] + row[SOURCE_COLUMN] + g * inputs)
        into = part(memory.errors, row[SOURCE] + row[SOURCE_COLUMN] + g * inputs)
        error = part(memory.errors, row[TARGET] + row[TARGET_COLUMN] + g * units)
        weight = part(memory.weights, row[KERNEL] + g * row[KERNEL_SIZE])
        gradient = part(memory.gradients, row[KERNEL] + g * row[KERNEL_SIZE])
        total = part(memory.gradients, row[OFFSET] + g * units)
        clear(total, units)
        for r in range(rows):
            line = part(error, r * width)
            for j in range(units):
                total[j] += line[j]
        if units == 1:
            _single_backward(rows, inputs, source, away, weight, gradient, error, width, into, add_error)
            continue
        matmul_into(source, 1, away, error, width, 1, gradient, units, inputs, units, rows, OVERWRITE, gradient)
        if add_error >= 0:
            mode = ACCUMULATE if add_error else OVERWRITE
            matmul_into(error, width, 1, weight, 1, units, into, away, rows, inputs, units, mode, into)
