"""The arguments of the compiled function: names and types, in order; and whether it counts cycles."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.training.native.kernels.instructions import OPERATIONS

__all__ = ["ARRAYS", "CLOCK", "CONTROL", "ENTRY", "addresses", "is_profiled", "prototype"]

#: Name of the compiled function.
ENTRY = "evonas_native_run"
#: Environment variable: if it is 1, the code is compiled to count cycles, see `CLOCK`.
PROFILE_VARIABLE = "EVONAS_PROFILE"

#: Integer parameters of a call, by name; the array "control" holds them in this order.
CONTROL = (
    "instructions",
    "weights",
    "statistics",
    "features",
    "outputs",
    "targets",
    "rows",
    "validation_rows",
    "chunk",
    "batch",
    "steps",
    "first_epoch",
    "epochs",
    "patience",
    "loss",
    "optimizer",
    "seed",
    "weighted",
    "input_at",
    "output_at",
    "step_losses",
    "clip",
    "segments",
    "keep_outputs",
    "members",
    "rated",
    "units",
    "columns",
    "references",
)

#: Categories by which code compiled for profiling counts cycles; forward passes include those of validation. The array
#: "clock" holds them in this order.
CLOCK = (
    "gather",
    "loss",
    "optimizer",
    "validation",
    *(f"forward {name}" for name in OPERATIONS),
    *(f"backward {name}" for name in OPERATIONS),
)

#: Arrays, by name, with their types. Written are "state" (best loss, reference and epochs waited), "train_outputs" (of
#: the last epoch, in its order), "progress" (epochs trained in this call; steps of the last one; 1 if stopped), the
#: curves and all trained values. "limits" holds the knee of Huber's loss and the limit of gradients, "segments" the
#: bounds of the variables whose gradients are clipped, "rated_segments" the bounds of weights that share a multiplier
#: of the step's learning rate, "rate_factors" these multipliers. From "known" on: see `neighbours.Neighbours`.
ARRAYS: Mapping[str, Any] = {
    "control": np.int64,
    "code": np.int64,
    "reals": np.float32,
    "weights": np.float32,
    "gradients": np.float32,
    "first": np.float32,
    "second": np.float32,
    "statistics": np.float32,
    "best_weights": np.float32,
    "best_statistics": np.float32,
    "best_outputs": np.float32,
    "values": np.float32,
    "errors": np.float32,
    "slopes": np.float32,
    "penalty": np.float32,
    "segments": np.int64,
    "limits": np.float32,
    "rated_segments": np.int64,
    "rate_factors": np.float32,
    "train_outputs": np.float32,
    "clock": np.int64,
    "x": np.float32,
    "y": np.float32,
    "weight": np.float32,
    "x_validation": np.float32,
    "y_validation": np.float32,
    "outputs": np.float32,
    "order": np.int32,
    "coefficients": np.float32,
    "min_delta": np.float64,
    "state": np.float64,
    "train_curve": np.float64,
    "curve": np.float64,
    "step_losses": np.float64,
    "stop": np.int32,
    "progress": np.int64,
    "known": np.float32,
    "reference_rows": np.int32,
    "representations": np.float32,
    "squares": np.float32,
    "pairs": np.float32,
    "smoothing": np.float32,
}


def is_profiled() -> bool:
    """Whether the compiled code is to count cycles."""
    return os.environ.get(PROFILE_VARIABLE) == "1"


def prototype() -> Any:
    """The C type of the compiled function. Calls release Python's global interpreter lock."""
    return ctypes.CFUNCTYPE(None, *(ctypes.c_void_p for _ in ARRAYS))


def addresses(arrays: Mapping[str, NDArray[Any]]) -> list[int]:
    """Addresses of the arrays, in order.

    Raises:
        TypeError: an array is missing, is not contiguous, or has the wrong type.
    """
    found = []
    for name, dtype in ARRAYS.items():
        array = arrays.get(name)
        if array is None or array.dtype != dtype or not array.flags.c_contiguous:
            raise TypeError(f"{name} must be a contiguous array of {np.dtype(dtype)}, not {array!r:.80}")
        found.append(array.ctypes.data)
    return found
