"""The innermost loops of a matrix product, as LLVM code: a tile of C, and copies of panels of B."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

__all__ = ["ACCUMULATE", "BIAS", "OVERWRITE", "copy_kernel", "tile_kernel", "transpose_kernel"]

#: The product is added to nothing, to the content of C, or to a bias row that is the same for all rows of C.
OVERWRITE, ACCUMULATE, BIAS = 0, 1, 2

_F32, _I64, _I32, _I1 = ir.FloatType(), ir.IntType(64), ir.IntType(32), ir.IntType(1)
_POINTER = _F32.as_pointer()


class _Vectors:
    """Generates code for rows of `vectors` vectors; if `masked`, the last vector is cut to `tail` lanes."""

    def __init__(self, module: ir.Module, name: str, kinds: list[Any], lanes: int, vectors: int, masked: bool) -> None:
        self._module, self.lanes, self._vectors, self._masked = module, lanes, vectors, masked
        self.vector = ir.VectorType(_F32, lanes)
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
        self.function.linkage = "internal"
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self._mask: Any = None

    def cut_to(self, tail: Any) -> None:
        """Sets the number of lanes of the last vector."""
        if self._masked:
            self._mask = self.lanes_below(tail)

    def lanes_below(self, tail: Any) -> Any:
        builder, wide = self.builder, ir.VectorType(_I64, self.lanes)
        numbers = ir.Constant(wide, list(range(self.lanes)))
        first = builder.insert_element(ir.Constant(wide, ir.Undefined), tail, ir.Constant(_I32, 0))
        return builder.icmp_signed("<", numbers, builder.shuffle_vector(first, first, self._zeros()))

    def _zeros(self) -> ir.Constant:
        return ir.Constant(ir.VectorType(_I32, self.lanes), [0] * self.lanes)

    def splat(self, value: Any) -> Any:
        blank = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(blank, value, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(first, blank, self._zeros())

    def shuffle(self, x: Any, y: Any, numbers: list[int]) -> Any:
        """Selects lanes of x and y; the numbers of y's lanes follow those of x."""
        kind = ir.VectorType(_I32, self.lanes)
        return self.builder.shuffle_vector(x, y, ir.Constant(kind, numbers))

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.builder.call(self._intrinsic(kind, f"llvm.fma.v{self.lanes}f32"), [x, y, z])

    def place(self, pointer: Any, number: int) -> Any:
        return self.builder.bitcast(self.builder.gep(pointer, [_whole(number * self.lanes)]), self.vector.as_pointer())

    def _cut(self, number: int) -> bool:
        return self._masked and number == self._vectors - 1

    def load(self, pointer: Any, number: int) -> Any:
        place = self.place(pointer, number)
        if not self._cut(number):
            return self.builder.load(place, align=4)
        kind = ir.FunctionType(self.vector, [place.type, _I32, ir.VectorType(_I1, self.lanes), self.vector])
        function = self._intrinsic(kind, f"llvm.masked.load.v{self.lanes}f32.p0")
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        return self.builder.call(function, [place, ir.Constant(_I32, 4), self._mask, zero])

    def store(self, value: Any, pointer: Any, number: int) -> None:
        place = self.place(pointer, number)
        if not self._cut(number):
            self.builder.store(value, place, align=4)
            return
        kind = ir.FunctionType(ir.VoidType(), [self.vector, place.type, _I32, ir.VectorType(_I1, self.lanes)])
        function = self._intrinsic(kind, f"llvm.masked.store.v{self.lanes}f32.p0")
        self.builder.call(function, [value, place, ir.Constant(_I32, 4), self._mask])

    def _intrinsic(self, kind: ir.FunctionType, name: str) -> ir.Function:
        return self._module.globals.get(name) or ir.Function(self._module, kind, name)

    def loop(self, start: list[Any], count: Any, body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
        """`for number in range(count)` (at least once), with values that `body` updates; returns their final values."""
        builder = self.builder
        before, inside = builder.block, builder.append_basic_block("loop")
        after = builder.append_basic_block("done")
        builder.branch(inside)
        builder.position_at_end(inside)
        number = builder.phi(_I64)
        held = [builder.phi(value.type) for value in start]
        changed = body(number, held)
        following = builder.add(number, _whole(1))
        for phi, first, later in zip([number, *held], [_whole(0), *start], [following, *changed], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, count), inside, after)
        builder.position_at_end(after)
        return changed


def tile_kernel(module: ir.Module, name: str, lanes: int, rows: int, vectors: int, masked: bool) -> ir.Function:
    """`(a, a_row, a_column, b, b_row, c, c_row, k, mode, bias, tail)`: `rows` rows and `vectors` vectors of C."""
    kinds = [_POINTER, _I64, _I64, _POINTER, _I64, _POINTER, _I64, _I64, _I64, _POINTER, _I64]
    code = _Vectors(module, name, kinds, lanes, vectors, masked)
    a, a_row, a_column, b, b_row, c, c_row, k, mode, bias, tail = code.function.args
    builder, places = code.builder, [(i, v) for i in range(rows) for v in range(vectors)]
    code.cut_to(tail)
    rows_of_a = [builder.gep(a, [builder.mul(a_row, _whole(i))]) for i in range(rows)]
    rows_of_c = [builder.gep(c, [builder.mul(c_row, _whole(i))]) for i in range(rows)]
    begins = _beginnings(code, places, rows_of_c, mode, bias)

    def step(number: Any, held: list[Any]) -> list[Any]:
        offset, row_of_b, *sums = held
        right = [code.load(row_of_b, v) for v in range(vectors)]
        left = [code.splat(builder.load(builder.gep(row, [offset]))) for row in rows_of_a]
        new = [code.multiply_add(left[i], right[v], total) for (i, v), total in zip(places, sums, strict=True)]
        return [builder.add(offset, a_column), builder.gep(row_of_b, [b_row]), *new]

    _, _, *sums = code.loop([_whole(0), b, *begins], k, step)
    for (i, v), total in zip(places, sums, strict=True):
        code.store(total, rows_of_c[i], v)
    builder.ret_void()
    return code.function


def _beginnings(code: _Vectors, places: list[tuple[int, int]], rows_of_c: list[Any], mode: Any, bias: Any) -> list[Any]:
    """Initial values of the accumulators, according to `mode`."""
    builder, zero = code.builder, ir.Constant(code.vector, [0.0] * code.lanes)
    loads: dict[int, Callable[[int, int], Any]] = {
        OVERWRITE: lambda i, v: zero,
        ACCUMULATE: lambda i, v: code.load(rows_of_c[i], v),
        BIAS: lambda i, v: code.load(bias, v),
    }
    before, after = builder.block, builder.append_basic_block("begin")
    blocks = {value: builder.append_basic_block(f"mode_{value}") for value in loads}
    found = {}
    for value, load in loads.items():
        builder.position_at_end(blocks[value])
        found[value] = [load(i, v) for i, v in places]
        builder.branch(after)
    builder.position_at_end(before)
    switch = builder.switch(mode, blocks[OVERWRITE])
    for value in (ACCUMULATE, BIAS):
        switch.add_case(_whole(value), blocks[value])
    builder.position_at_end(after)
    phis = [builder.phi(code.vector) for _ in places]
    for value, block in blocks.items():
        for phi, first in zip(phis, found[value], strict=True):
            phi.add_incoming(first, block)
    return phis


def copy_kernel(module: ir.Module, name: str, lanes: int, vectors: int, masked: bool) -> ir.Function:
    """`(source, distance, into, depth, tail)`: copies rows of a panel that are `distance` apart next to each other."""
    code = _Vectors(module, name, [_POINTER, _I64, _POINTER, _I64, _I64], lanes, vectors, masked)
    source, distance, into, depth, tail = code.function.args
    code.cut_to(tail)

    def row(number: Any, held: list[Any]) -> list[Any]:
        here, there = held
        for v in range(vectors):
            code.builder.store(code.load(here, v), code.place(there, v), align=4)
        return [code.builder.gep(here, [distance]), code.builder.gep(there, [_whole(2 * lanes)])]

    code.loop([source, into], depth, row)
    code.builder.ret_void()
    return code.function


def transpose_kernel(module: ir.Module, name: str, lanes: int) -> ir.Function:
    """`(source, distance, last, into, depth)`: one vector of columns of a panel, from as many rows of its transpose.

    Rows of the source are `distance` apart; `last` is read in place of the rows beyond it, which do not exist.
    """
    kinds = [_POINTER, _I64, _I64, _POINTER, _I64]
    code = _Vectors(module, name, kinds, lanes, 1, True)
    source, distance, last, into, depth = code.function.args
    builder = code.builder
    rows = []
    for i in range(lanes):
        there = builder.icmp_signed("<", _whole(i), last)
        rows.append(builder.gep(source, [builder.mul(builder.select(there, _whole(i), last), distance)]))

    def block(number: Any, held: list[Any]) -> list[Any]:
        begin, place = held
        code.cut_to(builder.sub(depth, begin))
        turned = _transpose(code, [code.load(builder.gep(row, [begin]), 0) for row in rows])
        for i, value in enumerate(turned):
            builder.store(value, code.place(builder.gep(place, [_whole(2 * lanes * i)]), 0), align=4)
        return [builder.add(begin, _whole(lanes)), builder.gep(place, [_whole(2 * lanes * lanes)])]

    blocks = builder.sdiv(builder.add(depth, _whole(lanes - 1)), _whole(lanes))
    code.loop([_whole(0), into], blocks, block)
    builder.ret_void()
    return code.function


def _transpose(code: _Vectors, rows: list[Any]) -> list[Any]:
    """Transposes a square of lanes by exchanging halves, then quarters, and so on, of pairs of rows."""
    lanes, step = code.lanes, code.lanes // 2
    while step:
        upper = [k if not k & step else lanes + k - step for k in range(lanes)]
        lower = [k + step if not k & step else lanes + k for k in range(lanes)]
        for i in range(lanes):
            if not i & step:
                pair = rows[i], rows[i + step]
                rows[i], rows[i + step] = code.shuffle(*pair, upper), code.shuffle(*pair, lower)
        step //= 2
    return rows


def _whole(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)
