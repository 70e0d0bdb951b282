"""`read_parquet`: reads a Parquet file into an Arrow table unless that would take far more memory than the file.

Equal cells take almost no space in a Parquet file: a billion of them, or a million references to a long text, fit in a
kilobyte. The size of numeric columns is computed before they are read. Text is read as codes and a dictionary, which
are no larger than the file states, and its size is computed before it is decoded.
"""

from __future__ import annotations

from typing import Any

from genomes.errors import InputError

__all__ = ["read_parquet"]

#: Minimum number of bytes per cell: a number of that width, or the code of a text.
_LEAST_WIDTH = 8


def read_parquet(where: Any, most: int) -> Any:
    """Reads a Parquet file.

    Args:
        where: path or open file.
        most: maximum number of bytes of memory.

    Raises:
        InputError: the table would take more.
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
            "save the table as CSV if it really is that large"
        )


def _width(kind: Any) -> int:
    try:
        return max(_LEAST_WIDTH, int(kind.bit_width) // 8)
    except ValueError:  # text, lists
        return _LEAST_WIDTH


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "binary", "large_binary")


def _decoded_bytes(column: Any) -> int:
    """Size of a dictionary-encoded column once it is decoded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return 0
    total = 0
    for part in column.chunks:
        lengths = pc.binary_length(part.dictionary)
        total += pc.sum(pc.take(lengths, part.indices)).as_py() or 0
    return total
