"""Dropout whose mask is a function of (seed, step, layer, row, unit), as in `evonas.training.population.dropout`."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.memory import INTEGERS, REALS, columns, copy, kernel, part
from evonas.training.native.kernels.pointwise import multiply_errors

__all__ = ["backward", "forward"]

F, U = np.float32, np.uint32
SOURCE, TARGET, WIDTH, ADD_ERROR, LAYER, RATE = columns("dropout")
_MIX1, _MIX2 = U(0x85EBCA6B), U(0xC2B2AE35)
_ROW, _STEP, _LAYER = U(-1640531535 & 0xFFFFFFFF), U(668265263), U(374761393)
_BITS, _UNIT = U(0xFFFFFF), F(1.0 / (1 << 24))


@kernel
def _mix(h):
    """MurmurHash3's 32-bit finaliser. numba widens every operation to 64 bits, which are truncated immediately."""
    h = U(U(h ^ U(h >> U(16))) * _MIX1)
    h = U(U(h ^ U(h >> U(13))) * _MIX2)
    return U(h ^ U(h >> U(16)))


@kernel
def forward(memory, at, run):
    """In training, x becomes 0 with probability `rate`, else x / (1 - rate); factors are stored in `slopes`."""
    row = part(memory.code, at * INTEGERS)
    width = row[WIDTH]
    if not run.training:
        copy(part(memory.values, row[SOURCE]), part(memory.values, row[TARGET]), run.rows * width)
        return
    rate = memory.reals[at * REALS + RATE]
    factor = F(1.0) / (F(1.0) - rate)
    key = _mix(U(U(run.seed) + U(U(run.step) * _STEP) + U(U(row[LAYER]) * _LAYER)))
    for r in range(run.rows):
        first = r * width
        source = part(memory.values, row[SOURCE] + first)
        target = part(memory.values, row[TARGET] + first)
        slope = part(memory.slopes, row[TARGET] + first)
        base = U(key + U(U(r) * _ROW))
        for j in range(width):
            uniform = F(np.int32(_mix(U(base + U(j))) & _BITS)) * _UNIT
            kept = factor if uniform >= rate else F(0.0)
            slope[j] = kept
            target[j] = source[j] * kept


@kernel
def backward(memory, at, run):
    """The source's error is the target's error times the same factors."""
    row = part(memory.code, at * INTEGERS)
    multiply_errors(memory, row[SOURCE], row[TARGET], run.rows * row[WIDTH], row[ADD_ERROR])
