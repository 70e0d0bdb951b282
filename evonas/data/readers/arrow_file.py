"""`read_arrow`: reads a Feather or Arrow IPC file into an Arrow table unless that would take far more memory than the
file.

Buffers may be compressed, overlap, or be omitted (columns of nulls): the size of a message is computed from its
metadata before its buffers are decompressed, and counted as often as the footer lists it. Offsets are validated before
cells are read, which pyarrow does only on request.

References:
    Apache Arrow columnar format, "Serialization and interprocess communication",
    https://arrow.apache.org/docs/format/Columnar.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from genomes.errors import InputError

__all__ = ["read_arrow"]

_MAGIC, _OLD_MAGIC = b"ARROW1\0\0", b"FEA1"
_CONTINUATION = b"\xff" * 4
_FOOTER_DICTIONARIES, _FOOTER_RECORDS = 2, 3
#: Minimum number of bytes counted per batch, since there may be any number of empty ones.
_LEAST_BATCH = 1 << 10
#: Minimum number of bytes per cell, as for Parquet: a number of that width, or a reference to a text.
_LEAST_WIDTH = 8
_DICTIONARY, _RECORDS = 2, 3


def read_arrow(where: Any, most: int) -> Any:
    """Reads the table.

    Args:
        where: path or open file, in the file format or the streaming format.
        most: maximum number of bytes of memory.

    Raises:
        InputError: the table would take more memory, or the file has Feather version 1.
    """
    import pyarrow as pa
    import pyarrow.ipc

    with pa.OSFile(where) if isinstance(where, str) else pa.PythonFile(where, mode="r") as file:
        content = file.read_buffer()
    start = content.slice(0, len(_MAGIC)).to_pybytes()
    if start.startswith(_OLD_MAGIC):
        raise InputError(
            "a Feather file must have version 2, not 1, whose size in memory cannot be checked: open it with the "
            "program that wrote it, and save it as Parquet or CSV"
        )
    stream = pa.BufferReader(content)
    in_blocks = start == _MAGIC
    reader = pa.ipc.open_file(stream) if in_blocks else None  # checks the footer
    left = most
    for message in _listed_messages(content) if in_blocks else pa.ipc.MessageReader.open_stream(stream):
        left -= max(_LEAST_BATCH, _unpacked_bytes(message))
        _check(left, most)
    table = (reader or pa.ipc.open_stream(pa.BufferReader(content))).read_all()
    table.validate()
    _check(most - sum(map(_text_bytes, table.columns)), most)
    table.validate(full=True)
    return table


def _listed_messages(content: Any) -> Iterator[Any]:
    """The messages that the footer of a file lists, which need not be contiguous."""
    import pyarrow as pa
    import pyarrow.ipc

    end = content.size - len(_MAGIC.rstrip(b"\0")) - 4
    (size,) = struct.unpack("<i", content.slice(end, 4).to_pybytes())
    footer = _Table.root(content.slice(end - size, size).to_pybytes())
    for index in (_FOOTER_DICTIONARIES, _FOOTER_RECORDS):
        for offset, length, _ in footer.structs(index, "<qi4xq"):
            prefix = content.slice(offset, 8).to_pybytes()
            framing = 8 if prefix.startswith(_CONTINUATION) else 4
            (stated,) = struct.unpack_from("<i", prefix, framing - 4)
            if stated + framing != length:
                raise InputError("the footer of an Arrow file must have the lengths of its messages: write it again")
            yield pa.ipc.read_message(pa.BufferReader(content.slice(offset)))


def _check(left: int, most: int) -> None:
    if left < 0:
        raise InputError(
            f"a Feather or Arrow file must take at most 100 times its size and {most:,} bytes in memory, but would "
            "take more: save the table as CSV if it really is that large"
        )


def _unpacked_bytes(message: Any) -> int:
    """The memory in bytes of the buffers of a message, and of cells without buffers."""
    root = _Table.root(message.metadata.to_pybytes())
    kind, header = root.number(1, "B"), root.table(2)
    if header is None or kind not in (_DICTIONARY, _RECORDS):
        return 0
    records = header.table(1) if kind == _DICTIONARY else header
    if records is None:
        return 0
    cells = sum(length for length, _ in records.structs(1, "<qq"))
    body = message.body
    compressed = records.table(3) is not None
    total = 0
    for offset, length in records.structs(2, "<qq"):
        if compressed and length:
            # The uncompressed length precedes each buffer; -1 if it is stored uncompressed.
            (given,) = struct.unpack("<q", body.slice(offset, 8).to_pybytes())
            length = length if given == -1 else given
        if length < 0:
            raise InputError("buffers of an Arrow file must have lengths of at least 0: write it again")
        total += length
    return max(total, _LEAST_WIDTH * cells)


def _text_bytes(column: Any) -> int:
    """The total bytes of all texts of a view column, in which any number of views may share a text."""
    import numpy as np

    if str(column.type) not in ("string_view", "binary_view"):
        return 0
    total = 0
    for part in column.chunks:
        # A view is 16 bytes, the first four of which are its length.
        lengths = np.frombuffer(part.buffers()[1], np.int32)[4 * part.offset : 4 * (part.offset + len(part)) : 4]
        total += int(lengths[part.is_valid().to_numpy(zero_copy_only=False)].sum(dtype=np.int64))
    return total


@dataclass(frozen=True)
class _Table:
    """A table of a FlatBuffers message, which pyarrow has verified.

    References:
        https://flatbuffers.dev/internals/
    """

    data: bytes
    start: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _field(self, index: int) -> int:
        """The position of a field; 0 if it is absent."""
        fields = self.start - struct.unpack_from("<i", self.data, self.start)[0]
        size = struct.unpack_from("<H", self.data, fields)[0]
        if 4 + 2 * index >= size:
            return 0
        offset = struct.unpack_from("<H", self.data, fields + 4 + 2 * index)[0]
        return self.start + offset if offset else 0

    def number(self, index: int, format: str) -> int:
        where = self._field(index)
        return int(struct.unpack_from(f"<{format}", self.data, where)[0]) if where else 0

    def table(self, index: int) -> _Table | None:
        where = self._field(index)
        return _Table(self.data, where + struct.unpack_from("<I", self.data, where)[0]) if where else None

    def structs(self, index: int, format: str) -> Iterator[tuple[int, ...]]:
        """The elements of a list of structures."""
        where = self._field(index)
        if where:
            where += struct.unpack_from("<I", self.data, where)[0]
            (count,) = struct.unpack_from("<I", self.data, where)
            yield from struct.iter_unpack(format, self.data[where + 4 : where + 4 + struct.calcsize(format) * count])
