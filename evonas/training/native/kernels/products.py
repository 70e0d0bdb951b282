"""Matrix products on parts of flat vectors, computed by the function from `matmul.py`."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from evonas.training.native.kernels import matmul
from evonas.training.native.kernels.matmul import ACCUMULATE, BIAS, OVERWRITE

__all__ = ["ACCUMULATE", "BIAS", "OVERWRITE", "matmul_into"]


@intrinsic
def matmul_into(
    typing: Any, a: Any, a_row: Any, a_column: Any, b: Any, b_row: Any, b_column: Any, c: Any, c_row: Any,
    m: Any, n: Any, k: Any, mode: Any, bias: Any,
) -> Any:  # fmt: skip
    """C (m, n) = (mode) A (m, k) @ B (k, n); see `matmul.function_type`."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        module = builder.module
        function = module.globals.get(matmul.NAME) or ir.Function(module, matmul.function_type(), matmul.NAME)
        builder.call(function, arguments)
        return context.get_dummy_value()

    whole = types.int64
    return types.void(a, whole, whole, b, whole, whole, c, whole, whole, whole, whole, whole, bias), code
