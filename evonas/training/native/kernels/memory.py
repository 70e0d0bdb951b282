"""The memory that kernels work on, and how kernels are compiled.

Kernels take pointers, not arrays: `values[i]` is only a load, which compiles in a tenth of the time and is transparent
to LLVM's optimisations. Sizes are arguments.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic

from evonas.training.native.kernels import instructions

__all__ = ["INTEGERS", "MEMBERS", "REALS", "Memory", "Run", "clear", "columns", "copy", "kernel", "part"]

# Sums may be reordered and products fused, so that loops can be vectorised. NaN and infinity keep their meaning, so
# that divergence is detected.
kernel = numba.njit(
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "nsz"},
    boundscheck=False,
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
)

#: Columns of the encoded instructions.
INTEGERS, REALS, MEMBERS = instructions.INTEGERS, instructions.REALS, instructions.MEMBERS
_F = np.float32

# numba supports plain named tuples only.
#: code, reals: the instructions, row by row. weights, gradients: flat vectors. statistics: untrained values.
#: values, errors: activations and the gradients of the loss with respect to them, tensor by tensor, row by row. slopes:
#: values with the same layout that a forward pass keeps for the backward pass. penalty: one number, the penalties of a
#: step. clock: see `clock.py`.
Memory = namedtuple("Memory", "instructions code reals weights gradients statistics values errors slopes penalty clock")
#: Rows of the batch; whether it is training; seed and step of training, which determine dropout.
Run = namedtuple("Run", "rows training seed step")


def columns(operation: str) -> list[int]:
    """Columns of the operation's fields: integers, then reals."""
    return [*instructions.fields(operation).values(), *instructions.reals(operation).values()]


@intrinsic
def part(typing: Any, pointer: Any, start: Any) -> Any:
    """The pointer advanced by `start` numbers."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, numba.types.int64), code


@kernel
def clear(into, size):
    """Sets numbers to 0."""
    for i in range(size):
        into[i] = _F(0.0)


@kernel
def copy(source, into, size):
    """Copies numbers."""
    for i in range(size):
        into[i] = source[i]
