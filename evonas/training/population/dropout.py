"""Dropout masks as a pure function of (seed, step, layer, row, unit): no generator state, no dependence on packing.

The mask of an element does not depend on the padded width or on the other networks in the program, so packing never
changes a result. The mixing function is MurmurHash3's 32-bit finaliser (Appleby 2011) in wrapping int32 arithmetic.
"""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["keep_mask"]

# 0x85EBCA6B, 0xC2B2AE35, 0x9E3779B1, 0x27D4EB2F, 0x165667B1 as signed 32-bit numbers.
_MIX1, _MIX2, _ROW, _STEP, _LAYER = -2048144789, -1028477387, -1640531535, 668265263, 374761393


def _mix(h: Any) -> Any:
    ops = keras.ops
    h = ops.bitwise_xor(h, ops.bitwise_and(ops.right_shift(h, 16), 0xFFFF)) * _MIX1
    h = ops.bitwise_xor(h, ops.bitwise_and(ops.right_shift(h, 13), 0x7FFFF)) * _MIX2
    return ops.bitwise_xor(h, ops.bitwise_and(ops.right_shift(h, 16), 0xFFFF))


def keep_mask(seed: Any, step: Any, layer: int, rate: Any, rows: int, units: int) -> Any:
    """Inverted dropout mask: 0 if an element is dropped, `1 / (1 - rate)` where it is kept.

    Args:
        seed: int32, shape `(slots,)`.
        step: int32, shape `(slots,)`, steps since the start of the training.
        layer: number of the layer.
        rate: share that is dropped, shape `(slots, 1, 1)`.
        rows, units: shape of the mask.

    Returns:
        float32, shape `(slots, rows, units)`.
    """
    ops = keras.ops
    salt = (layer * _LAYER + 2**31) % 2**32 - 2**31  # the value after overflow in int32; JAX accepts no larger number
    key = _mix(seed + step * _STEP + salt)[:, None, None]
    row = ops.arange(rows, dtype="int32")[None, :, None] * _ROW
    h = _mix(key + row + ops.arange(units, dtype="int32")[None, None, :])
    # 24 bits, so that the comparison in float32 is exact.
    uniform = ops.cast(ops.bitwise_and(h, 0xFFFFFF), "float32") * (1.0 / (1 << 24))
    return ops.where(uniform >= rate, 1.0 / (1.0 - rate), 0.0)
