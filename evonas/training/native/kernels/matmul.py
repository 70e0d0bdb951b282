"""Matrix products of small float32 matrices, as LLVM code for the processor at hand.

One function, `evonas_matmul`: C = A B, C = C + A B, or C = bias + A B. Tiles of C are held in registers while one loop
runs over the inner dimension. A and B may be transposed. A is read in place; so is B unless its rows are far apart in
memory, in which case a panel of it is first copied contiguously. The matrices of a training step fit in the first two
cache levels, where a general-purpose library spends as long on packing and dispatch as on the product (measured in
benchmarks/results/LOG.md).

Source: register tile and panels are those of Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix
Multiplication".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from evonas.training.native.kernels.tiles import ACCUMULATE, BIAS, OVERWRITE, copy_kernel, tile_kernel, transpose_kernel

__all__ = ["ACCUMULATE", "BIAS", "NAME", "OVERWRITE", "Tile", "build", "function_type", "tile_for"]

NAME = "evonas_matmul"
#: Inner dimension of a copied panel: with two vectors per row it fills half of the first-level cache.
PANEL = 256
#: Rows of B that are further apart than this, in numbers, are copied if C has at least as many rows.
FAR, ROWS = 128, 24

_F32, _I64 = ir.FloatType(), ir.IntType(64)
_POINTER = _F32.as_pointer()
_ARGUMENTS = ("a", "a_row", "a_column", "b", "b_row", "b_column", "c", "c_row", "m", "n", "k", "mode", "bias")
_POINTERS = ("a", "b", "c", "bias")


@dataclass(frozen=True)
class Tile:
    """The part of C computed by one loop: `rows` times two vectors of `lanes` numbers."""

    rows: int
    lanes: int


def tile_for(features: Mapping[str, bool]) -> Tile:
    """The largest tile that fits the registers of a processor with the given features, as named by LLVM."""
    if features.get("avx512f"):
        return Tile(12, 16)
    if features.get("avx2") and features.get("fma"):
        return Tile(6, 8)
    return Tile(12 if features.get("neon") else 6, 4)


def function_type() -> ir.FunctionType:
    """`(a, a_row, a_column, b, b_row, b_column, c, c_row, m, n, k, mode, bias)`.

    `x_row` and `x_column` are the strides of A (m, k), B (k, n) and C (m, n), in numbers: the distance between
    consecutive rows and columns. C's columns are contiguous. One of B's strides is 1. m, n and k are at least 1.
    `bias` is read in mode BIAS only.
    """
    return ir.FunctionType(ir.VoidType(), [_POINTER if name in _POINTERS else _I64 for name in _ARGUMENTS])


def build(module: ir.Module, tile: Tile) -> ir.Function:
    """Adds the function to a module."""
    function = ir.Function(module, function_type(), NAME)
    _Product(module, function, tile).build()
    return function


class _Product:
    """The loops over the panels of B and the tiles of C."""

    def __init__(self, module: ir.Module, function: ir.Function, tile: Tile) -> None:
        self._tile = tile
        self._kernels = {
            (rows, vectors, masked): tile_kernel(
                module, f"{NAME}_{rows}_{vectors}{'_cut' * masked}", tile.lanes, rows, vectors, masked
            )
            for vectors in (1, 2)
            for masked in (False, True)
            for rows in range(1, self._height(vectors, masked) + 1)
        }
        self._copies = {
            (vectors, masked): copy_kernel(
                module, f"{NAME}_copy_{vectors}{'_cut' * masked}", tile.lanes, vectors, masked
            )
            for vectors in (1, 2)
            for masked in (False, True)
        }
        self._transpose = transpose_kernel(module, f"{NAME}_transpose", tile.lanes)
        self._args = dict(zip(_ARGUMENTS, function.args, strict=True))
        self._builder = ir.IRBuilder(function.append_basic_block("entry"))

    def build(self) -> None:
        """All columns of C: as many pairs of vectors as fit, then one or two vectors.

        The last vectors begin early enough to end with C, recomputing some columns, because masked stores take many
        times as long as full ones. They are masked if C has too few columns or is accumulated into.
        """
        builder, lanes, n = self._builder, self._tile.lanes, self._args["n"]
        self._buffer = builder.alloca(_F32, (PANEL + lanes) * 2 * lanes)
        self._buffer.align = 64
        self._place, self._distance = builder.alloca(_POINTER), builder.alloca(_I64)
        whole = builder.mul(builder.sdiv(n, _int(2 * lanes)), _int(2 * lanes))
        left = builder.sub(n, whole)
        adds = builder.icmp_signed("==", self._args["mode"], _int(ACCUMULATE))
        few = {vectors: builder.icmp_signed("<", n, _int(vectors * lanes)) for vectors in (1, 2)}
        cut = {vectors: builder.or_(adds, few[vectors]) for vectors in (1, 2)}
        two, one = builder.icmp_signed(">", left, _int(lanes)), builder.icmp_signed(">", left, _int(0))
        one = builder.and_(one, builder.not_(two))
        last = builder.sub(n, _int(2 * lanes))
        end = builder.select(builder.and_(two, builder.not_(cut[2])), n, whole)

        def pair(column: Any) -> None:
            self._panel(builder.select(builder.icmp_signed("<", column, last), column, last), 2, _int(0), False)

        _loop(builder, _int(0), end, _int(2 * lanes), pair)
        with builder.if_then(builder.and_(two, cut[2])):
            self._panel(whole, 2, builder.sub(left, _int(lanes)), True)
        cut_one = builder.and_(cut[1], builder.icmp_signed("<", left, _int(lanes)))
        with builder.if_then(builder.and_(one, cut_one)):
            self._panel(whole, 1, left, True)
        with builder.if_then(builder.and_(one, builder.not_(cut_one))):
            self._panel(builder.sub(n, _int(lanes)), 1, _int(0), False)
        builder.ret_void()

    def _height(self, vectors: int, masked: bool) -> int:
        """Rows of a tile. One vector of columns with twice as many rows needs as many accumulators as two."""
        return self._tile.rows * (2 if vectors == 1 and not masked else 1)

    def _panel(self, column: Any, vectors: int, tail: Any, masked: bool) -> None:
        """All rows of C in up to two vectors of columns."""
        builder, args = self._builder, self._args
        first = builder.gep(args["b"], [builder.mul(column, args["b_column"])])

        def part(begin: Any) -> None:
            left = builder.sub(args["k"], begin)
            depth = builder.select(builder.icmp_signed("<", left, _int(PANEL)), left, _int(PANEL))
            begins = builder.icmp_signed("==", begin, _int(0))
            mode = builder.select(begins, args["mode"], _int(ACCUMULATE))
            source = builder.gep(first, [builder.mul(begin, args["b_row"])])
            b, b_row = self._pack(source, column, depth, vectors, tail, masked)
            a = builder.gep(args["a"], [builder.mul(begin, args["a_column"])])
            self._tiles(a, b, b_row, column, depth, mode, vectors, tail, masked)

        _loop(builder, _int(0), args["k"], _int(PANEL), part)

    def _pack(self, source: Any, column: Any, depth: Any, vectors: int, tail: Any, masked: bool) -> tuple[Any, Any]:
        """The panel's address and the distance between its rows, in place or copied."""
        builder, args, lanes = self._builder, self._args, self._tile.lanes
        place, distance = self._place, self._distance
        builder.store(source, place)
        builder.store(args["b_row"], distance)
        turned = builder.icmp_signed("!=", args["b_column"], _int(1))
        far = builder.icmp_signed(">=", args["b_row"], _int(FAR))
        often = builder.icmp_signed(">=", args["m"], _int(ROWS))
        with builder.if_then(builder.or_(turned, builder.and_(far, often))):
            builder.store(self._buffer, place)
            builder.store(_int(2 * lanes), distance)
            with builder.if_else(turned) as (then, otherwise):
                with then:
                    for vector in range(vectors):
                        at = builder.add(column, _int(vector * lanes))
                        last = builder.sub(builder.sub(args["n"], at), _int(1))
                        rows = builder.gep(source, [builder.mul(_int(vector * lanes), args["b_column"])])
                        into = builder.gep(self._buffer, [_int(vector * lanes)])
                        builder.call(self._transpose, [rows, args["b_column"], last, into, depth])
                with otherwise:
                    builder.call(self._copies[vectors, masked], [source, args["b_row"], self._buffer, depth, tail])
        return builder.load(place), builder.load(distance)

    def _tiles(
        self, a: Any, b: Any, b_row: Any, column: Any, depth: Any, mode: Any, vectors: int, tail: Any, masked: bool
    ) -> None:
        """Tiles of nearly equal height, one below the other."""
        builder, args, height = self._builder, self._args, self._height(vectors, masked)
        count = builder.sdiv(builder.add(args["m"], _int(height - 1)), _int(height))
        low, rest = builder.sdiv(args["m"], count), builder.srem(args["m"], count)
        c = builder.gep(args["c"], [column])
        shift = builder.select(builder.icmp_signed("==", args["mode"], _int(BIAS)), column, _int(0))
        bias = builder.gep(args["bias"], [shift])

        def one(number: Any) -> None:
            extra = builder.icmp_signed("<", number, rest)
            rows_here = builder.add(low, builder.zext(extra, _I64))
            top = builder.add(builder.mul(number, low), builder.select(extra, number, rest))
            left = builder.gep(a, [builder.mul(top, args["a_row"])])
            into = builder.gep(c, [builder.mul(top, args["c_row"])])
            end = builder.append_basic_block("tile_end")
            switch = builder.switch(rows_here, end)
            for rows in range(1, height + 1):
                block = builder.append_basic_block(f"rows_{rows}")
                switch.add_case(_int(rows), block)
                with builder.goto_block(block):
                    builder.call(
                        self._kernels[rows, vectors, masked],
                        [left, args["a_row"], args["a_column"], b, b_row, into, args["c_row"], depth, mode, bias, tail],
                    )
                    builder.branch(end)
            builder.position_at_end(end)

        _loop(builder, _int(0), count, _int(1), one)


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
