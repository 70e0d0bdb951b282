"""Counts processor cycles by category, in code compiled for profiling; otherwise does nothing."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from evonas.training.native.kernels.frame import CLOCK, is_profiled
from evonas.training.native.kernels.memory import kernel

__all__ = ["BACKWARD", "FORWARD", "ON_GATHER", "ON_LOSS", "ON_OPTIMIZER", "ON_VALIDATION", "now", "spent"]

ON_GATHER, ON_LOSS, ON_OPTIMIZER, ON_VALIDATION = (
    CLOCK.index(name) for name in ("gather", "loss", "optimizer", "validation")
)
#: Indices of the first forward and backward pass in `frame.CLOCK`.
FORWARD, BACKWARD = (next(k for k, name in enumerate(CLOCK) if name.startswith(way)) for way in ("forward", "backward"))


@intrinsic
def _cycles(typing: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.readcyclecounter"), [])

    return types.int64(), code


if is_profiled():

    @kernel
    def now():
        """The cycle counter."""
        return _cycles()

    @kernel
    def spent(clock, place, since):
        """Counts the cycles since `since`."""
        clock[place] += _cycles() - since

else:

    @kernel
    def now():
        """Nothing."""
        return types.int64(0)

    @kernel
    def spent(clock, place, since):
        """Counts nothing."""
