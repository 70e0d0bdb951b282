"""`read_parquet`: a Parquet file as a table of Arrow, unless it would take far more memory than it is long.

Equal cells cost a Parquet file nothing: a thousand million of them, or a long text named a million times, fit in a
kilobyte. Numbers are counted before they are read; texts are read as codes and a list, which are no larger than the
file says, and counted before they are written out.
"""

from __future__ import annotations

from typing import Any

from genomes.errors import InputError

__all__ = ["read_parquet"]

#: Bytes of a cell at least: what is made of it is a number of that width, or the place of a text.
_LEAST_WIDTH = 8


def read_parquet(where: Any, most: int) -> Any:
    """The table.

    Args:
        where: path or open file.
        most: bytes of memory that it may take.

    Raises:
        InputError: it would take more.
    """
    import pyarrow as pa
    import pyarrow.parquet

    file = pa.parquet.ParquetFile(where)
    schema = file.schema_arrow
    rows = file.metadata.num_rows
    _check(rows * sum(map(_width, schema.types)), most)
    texts = [field.name for field in schema if _is_text(field.type)]
    if not texts:
        return file.read()
    coded = pa.parquet.ParquetFile(where, read_dictionary=texts).read()
    _check(coded.nbytes + sum(_decoded_bytes(column) for column in coded.columns), most)
    return coded.cast(schema)


def _check(size: int, most: int) -> None:
    if size > most:
        raise InputError(
            f"a Parquet file must take at most 100 times its size and {most:,} bytes in memory, not {size:,}: "
            "save the table as CSV if it is one indeed"
        )


def _width(kind: Any) -> int:
    try:
        return max(_LEAST_WIDTH, int(kind.bit_width) // 8)
    except ValueError:  # text, lists
        return _LEAST_WIDTH


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "binary", "large_binary")


def _decoded_bytes(column: Any) -> int:
    """Of a column of codes, once each is the text that it stands for."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return 0
    total = 0
    for part in column.chunks:
        lengths = pc.binary_length(part.dictionary)
        total += pc.sum(pc.take(lengths, part.indices)).as_py() or 0
    return total
