"""Matrix products of small float32 matrices, as LLVM code for the processor at hand.

One function, `evonas_matmul`: C = A B, C = C + A B, or C = bias + A B. Tiles of C are held in registers while one loop
runs over the inner dimension; B and C are read along their rows, A with any strides, so that a transposed A costs
nothing. Nothing is packed or copied: the matrices of a training step lie in the first two levels of the cache, where a
general library spends as long on packing and dispatch as on the product (measured in benchmarks/results/LOG.md).

Source: the register tile is that of Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

__all__ = ["ACCUMULATE", "BIAS", "NAME", "OVERWRITE", "Tile", "build", "function_type", "tile_for"]

NAME = "evonas_matmul"
#: What the product is added to: nothing, what C holds, or a row that is the same for all rows of C.
OVERWRITE, ACCUMULATE, BIAS = 0, 1, 2

_F32, _I64, _I32, _I1 = ir.FloatType(), ir.IntType(64), ir.IntType(32), ir.IntType(1)
_POINTER = _F32.as_pointer()


@dataclass(frozen=True)
class Tile:
    """The part of C that one loop computes: `rows` times two vectors of `lanes` numbers."""

    rows: int
    lanes: int


def tile_for(features: Mapping[str, bool]) -> Tile:
    """The largest tile that the registers of a processor hold, by its features as LLVM calls them."""
    if features.get("avx512f"):
        return Tile(12, 16)
    if features.get("avx2") and features.get("fma"):
        return Tile(6, 8)
    return Tile(12 if features.get("neon") else 6, 4)


def function_type() -> ir.FunctionType:
    """`(a, a_row, a_column, b, b_row, c, c_row, m, n, k, mode, bias)`.

    `a_row` and `a_column` are the distances of neighbours in A, (m, k); `b_row` and `c_row` those of the rows of B,
    (k, n), and C, (m, n), in numbers. All of m, n and k are at least 1. `bias` is read in mode BIAS only.
    """
    counts = [_I64] * 5
    return ir.FunctionType(
        ir.VoidType(), [_POINTER, _I64, _I64, _POINTER, _I64, _POINTER, _I64, *counts[:3], _I64, _POINTER]
    )


def build(module: ir.Module, tile: Tile) -> ir.Function:
    """Adds the function to a module, with the loops over the tiles of C around it."""
    kernels = {
        (rows, vectors, masked): _Kernel(module, tile.lanes, rows, vectors, masked).function
        for rows in range(1, tile.rows + 1)
        for vectors in (1, 2)
        for masked in (False, True)
    }
    function = ir.Function(module, function_type(), NAME)
    names = ("a", "a_row", "a_column", "b", "b_row", "c", "c_row", "m", "n", "k", "mode", "bias")
    args = dict(zip(names, function.args, strict=True))
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    lanes = tile.lanes

    def panel(column: Any, vectors: int, tail: Any, masked: bool) -> None:
        """All rows of C in up to two vectors of columns: tiles of nearly equal height."""
        m = args["m"]
        count = builder.sdiv(builder.add(m, _int(tile.rows - 1)), _int(tile.rows))
        low, rest = builder.sdiv(m, count), builder.srem(m, count)
        b, c = (builder.gep(args[name], [column]) for name in "bc")
        bias = builder.select(
            builder.icmp_signed("==", args["mode"], _int(BIAS)), builder.gep(args["bias"], [column]), args["bias"]
        )

        def one(number: Any) -> None:
            extra = builder.icmp_signed("<", number, rest)
            height = builder.add(low, builder.zext(extra, _I64))
            first = builder.add(builder.mul(number, low), builder.select(extra, number, rest))
            a = builder.gep(args["a"], [builder.mul(first, args["a_row"])])
            rows_of_c = builder.gep(c, [builder.mul(first, args["c_row"])])
            end = builder.append_basic_block("tile_end")
            switch = builder.switch(height, end)
            for rows in range(1, tile.rows + 1):
                block = builder.append_basic_block(f"rows_{rows}")
                switch.add_case(_int(rows), block)
                with builder.goto_block(block):
                    builder.call(
                        kernels[rows, vectors, masked],
                        [
                            *(a, args["a_row"], args["a_column"], b, args["b_row"], rows_of_c, args["c_row"]),
                            *(args["k"], args["mode"], bias, tail),
                        ],
                    )
                    builder.branch(end)
            builder.position_at_end(end)

        _loop(builder, _int(0), count, _int(1), one)

    whole = builder.mul(builder.sdiv(args["n"], _int(2 * lanes)), _int(2 * lanes))
    _loop(builder, _int(0), whole, _int(2 * lanes), lambda column: panel(column, 2, _int(0), False))
    left = builder.sub(args["n"], whole)
    for vectors in (1, 2):
        above, upto = _int((vectors - 1) * lanes), _int(vectors * lanes)
        inside = builder.icmp_signed("<", left, upto)
        with builder.if_then(builder.and_(builder.icmp_signed(">", left, above), inside)):
            panel(whole, vectors, builder.sub(left, above), True)
        if vectors == 1:
            with builder.if_then(builder.icmp_signed("==", left, upto)):
                panel(whole, vectors, _int(0), False)
    builder.ret_void()
    return function


class _Kernel:
    """The function of one tile: `rows` rows and `vectors` vectors of C, the last one cut to `tail` lanes if masked."""

    def __init__(self, module: ir.Module, lanes: int, rows: int, vectors: int, masked: bool) -> None:
        self._module, self._lanes, self._rows, self._vectors, self._masked = module, lanes, rows, vectors, masked
        self._vector = ir.VectorType(_F32, lanes)
        kind = ir.FunctionType(
            ir.VoidType(), [_POINTER, _I64, _I64, _POINTER, _I64, _POINTER, _I64, _I64, _I64, _POINTER, _I64]
        )
        self.function = ir.Function(module, kind, f"{NAME}_{rows}_{vectors}{'_masked' * masked}")
        self.function.linkage = "internal"
        self._builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self._build(*self.function.args)

    def _build(
        self, a: Any, a_row: Any, a_column: Any, b: Any, b_row: Any, c: Any, c_row: Any, k: Any, mode: Any,
        bias: Any, tail: Any,
    ) -> None:  # fmt: skip
        builder, places = self._builder, [(i, v) for i in range(self._rows) for v in range(self._vectors)]
        self._mask = self._lanes_below(tail) if self._masked else None
        rows_of_a = [builder.gep(a, [builder.mul(a_row, _int(i))]) for i in range(self._rows)]
        rows_of_c = [builder.gep(c, [builder.mul(c_row, _int(i))]) for i in range(self._rows)]
        entry = builder.block
        loop, done = builder.append_basic_block("loop"), builder.append_basic_block("done")
        begins = self._beginnings(rows_of_c, bias, loop)
        builder.position_at_end(entry)
        switch = builder.switch(mode, begins[OVERWRITE][0])
        for value in (ACCUMULATE, BIAS):
            switch.add_case(_int(value), begins[value][0])
        builder.position_at_end(loop)
        step, offset = builder.phi(_I64), builder.phi(_I64)
        row_of_b = builder.phi(_POINTER)
        sums = {place: builder.phi(self._vector) for place in places}
        for block, values in begins.values():
            step.add_incoming(_int(0), block)
            offset.add_incoming(_int(0), block)
            row_of_b.add_incoming(b, block)
            for place in places:
                sums[place].add_incoming(values[place], block)
        right = [self._load(row_of_b, v) for v in range(self._vectors)]
        new = {}
        for i in range(self._rows):
            left = self._splat(builder.load(builder.gep(rows_of_a[i], [offset])))
            for v in range(self._vectors):
                new[i, v] = self._multiply_add(left, right[v], sums[i, v])
        following = builder.add(step, _int(1))
        step.add_incoming(following, loop)
        offset.add_incoming(builder.add(offset, a_column), loop)
        row_of_b.add_incoming(builder.gep(row_of_b, [b_row]), loop)
        for place in places:
            sums[place].add_incoming(new[place], loop)
        builder.cbranch(builder.icmp_signed("<", following, k), loop, done)
        builder.position_at_end(done)
        for i, v in places:
            self._store(new[i, v], rows_of_c[i], v)
        builder.ret_void()

    def _beginnings(self, rows_of_c: list[Any], bias: Any, loop: Any) -> dict[int, tuple[Any, dict[Any, Any]]]:
        """Mode -> the block that loads what the product is added to, and the values."""
        builder, zero = self._builder, ir.Constant(self._vector, [0.0] * self._lanes)
        loads: dict[int, Callable[[int, int], Any]] = {
            OVERWRITE: lambda i, v: zero,
            ACCUMULATE: lambda i, v: self._load(rows_of_c[i], v),
            BIAS: lambda i, v: self._load(bias, v),
        }
        found = {}
        for mode, load in loads.items():
            block = builder.append_basic_block(f"mode_{mode}")
            builder.position_at_end(block)
            values = {(i, v): load(i, v) for i in range(self._rows) for v in range(self._vectors)}
            builder.branch(loop)
            found[mode] = block, values
        return found

    def _lanes_below(self, tail: Any) -> Any:
        builder, wide = self._builder, ir.VectorType(_I64, self._lanes)
        numbers = ir.Constant(wide, list(range(self._lanes)))
        first = builder.insert_element(ir.Constant(wide, ir.Undefined), tail, ir.Constant(_I32, 0))
        return builder.icmp_signed("<", numbers, builder.shuffle_vector(first, first, self._zeros()))

    def _zeros(self) -> ir.Constant:
        return ir.Constant(ir.VectorType(_I32, self._lanes), [0] * self._lanes)

    def _splat(self, value: Any) -> Any:
        blank = ir.Constant(self._vector, ir.Undefined)
        first = self._builder.insert_element(blank, value, ir.Constant(_I32, 0))
        return self._builder.shuffle_vector(first, blank, self._zeros())

    def _multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        kind = ir.FunctionType(self._vector, [self._vector] * 3)
        return self._builder.call(self._intrinsic(kind, f"llvm.fma.v{self._lanes}f32"), [x, y, z])

    def _place(self, pointer: Any, number: int) -> Any:
        return self._builder.bitcast(
            self._builder.gep(pointer, [_int(number * self._lanes)]), self._vector.as_pointer()
        )

    def _cut(self, number: int) -> bool:
        return self._masked and number == self._vectors - 1

    def _load(self, pointer: Any, number: int) -> Any:
        place = self._place(pointer, number)
        if not self._cut(number):
            return self._builder.load(place, align=4)
        kind = ir.FunctionType(self._vector, [place.type, _I32, ir.VectorType(_I1, self._lanes), self._vector])
        function = self._intrinsic(kind, f"llvm.masked.load.v{self._lanes}f32.p0")
        zero = ir.Constant(self._vector, [0.0] * self._lanes)
        return self._builder.call(function, [place, ir.Constant(_I32, 4), self._mask, zero])

    def _store(self, value: Any, pointer: Any, number: int) -> None:
        place = self._place(pointer, number)
        if not self._cut(number):
            self._builder.store(value, place, align=4)
            return
        kind = ir.FunctionType(ir.VoidType(), [self._vector, place.type, _I32, ir.VectorType(_I1, self._lanes)])
        function = self._intrinsic(kind, f"llvm.masked.store.v{self._lanes}f32.p0")
        self._builder.call(function, [value, place, ir.Constant(_I32, 4), self._mask])

    def _intrinsic(self, kind: ir.FunctionType, name: str) -> ir.Function:
        return self._module.globals.get(name) or ir.Function(self._module, kind, name)


def _int(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


def _loop(builder: ir.IRBuilder, start: Any, stop: Any, step: Any, body: Callable[[Any], None]) -> None:
    """`for number in range(start, stop, step): body(number)`."""
    before = builder.block
    test, inside = builder.append_basic_block("test"), builder.append_basic_block("body")
    after = builder.append_basic_block("after")
    builder.branch(test)
    builder.position_at_end(test)
    number = builder.phi(_I64)
    number.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", number, stop), inside, after)
    builder.position_at_end(inside)
    body(number)
    number.add_incoming(builder.add(number, step), builder.block)
    builder.branch(test)
    builder.position_at_end(after)
