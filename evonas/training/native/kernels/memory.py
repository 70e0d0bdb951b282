"""What kernels work on, and how they are compiled.

Kernels take pointers, not arrays: `values[i]` is a load and nothing else, which compiles in a tenth of the time and
leaves LLVM nothing to doubt. Sizes are arguments.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic

from evonas.training.native import instructions

__all__ = ["INTEGERS", "MEMBERS", "REALS", "Memory", "Run", "clear", "columns", "copy", "kernel", "part"]

# Sums may be reordered and products fused, so that loops become vector code. NaN and infinity keep their meaning: a
# training that diverges has to be seen.
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

# numba knows named tuples of this plain kind.
#: code, reals: the instructions, row by row. weights, gradients: flat vectors. statistics: what is not trained.
#: values, errors: activations and the loss's gradients by them, tensor by tensor, row by row. slopes: the same places,
#: for what a forward pass leaves to the backward one. penalty: one number, the penalties of a step. clock: see
#: `clock.py`.
Memory = namedtuple("Memory", "instructions code reals weights gradients statistics values errors slopes penalty clock")
#: rows of the batch; whether it is training; seed and step of the training, which decide dropout.
Run = namedtuple("Run", "rows training seed step")


def columns(operation: str) -> list[int]:
    """Columns of the operation's fields: integers, then reals."""
    return [*instructions.fields(operation).values(), *instructions.reals(operation).values()]


@intrinsic
def part(typing: Any, pointer: Any, start: Any) -> Any:
    """The pointer to what begins `start` numbers further."""

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
