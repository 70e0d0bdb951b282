"""Copies columns of a tensor, times a factor, into another or adds them to it: for merging and splitting."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.memory import INTEGERS, REALS, columns, kernel, part

__all__ = ["backward", "forward"]

(
    SOURCE, SOURCE_WIDTH, SOURCE_COLUMN, TARGET, TARGET_WIDTH, TARGET_COLUMN, WIDTH, ADD, ADD_ERROR, FACTOR
) = columns("copy")  # fmt: skip
_ZERO = np.float32(0.0)


@kernel
def _columns(factor, rows, width, source, source_width, target, target_width, add):
    for r in range(rows):
        x = part(source, r * source_width)
        y = part(target, r * target_width)
        for j in range(width):
            y[j] = (y[j] if add else _ZERO) + factor * x[j]


@kernel
def forward(memory, at, run):
    """target[:, target columns] (=|+=) factor * source[:, source columns]."""
    row = part(memory.code, at * INTEGERS)
    source = part(memory.values, row[SOURCE] + row[SOURCE_COLUMN])
    target = part(memory.values, row[TARGET] + row[TARGET_COLUMN])
    factor = memory.reals[at * REALS + FACTOR]
    _columns(factor, run.rows, row[WIDTH], source, row[SOURCE_WIDTH], target, row[TARGET_WIDTH], row[ADD])


@kernel
def backward(memory, at, run):
    """The source's error (=|+=) factor * the target's error."""
    row = part(memory.code, at * INTEGERS)
    if row[ADD_ERROR] < 0:
        return
    error = part(memory.errors, row[TARGET] + row[TARGET_COLUMN])
    into = part(memory.errors, row[SOURCE] + row[SOURCE_COLUMN])
    factor = memory.reals[at * REALS + FACTOR]
    _columns(factor, run.rows, row[WIDTH], error, row[TARGET_WIDTH], into, row[SOURCE_WIDTH], row[ADD_ERROR])
