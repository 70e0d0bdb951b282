"""`check_bounds`: limits on the size of a workbook, checked before its parser allocates cells.

A sheet is stored as a rectangle from its first cell to its last: two cells in opposite corners make a file of one
kilobyte with 17 billion cells. Reads all parts of the archive and the positions of the cells in them.
"""

from __future__ import annotations

import functools
import io
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from evonas.io.opened import MOST_TIMES
from genomes.errors import InputError

__all__ = ["MOST_CELLS", "check_bounds"]

#: Maximum size of all decompressed parts, in bytes.
MOST_UNPACKED = 1 << 30
_LEAST_UNPACKED = 1 << 27
#: Limits on the number of cells of a sheet, filled or empty: as many as its part has bytes are always allowed, and
#: never more than the last number.
_LEAST_CELLS, MOST_CELLS = 1 << 22, 50_000_000

_ATTRIBUTES = rb"""((?:[^>"']|"[^"]*"|'[^']*')*+)>"""
#: A row or a cell of an Excel sheet, with its reference if it has one: `<row r="7">`, `<c r="B7">`.
_EXCEL = re.compile(
    rb"""<(?:[\w.-]+:)?(?:(row)|c)(?=[\s/>])(?:(?:[^>"']|"[^"]*"|'[^']*')*?\sr\s*=\s*["']\s*([A-Za-z]*)([0-9]+))?"""
)
_LONGEST_LETTERS = 7
#: Elements of LibreOffice sheets.
_OPEN = re.compile(rb"<(/?)(?:[\w.-]+:)?(table|table-row|table-cell|covered-table-cell)(?=[\s/>])" + _ATTRIBUTES)
_REPEATED = re.compile(rb"""number-(?:rows|columns)-repeated\s*=\s*["']\s*([0-9]+)""")
#: Record types of rows and of cells in the binary format.
_ROW, _CELLS = 0, range(1, 12)


def check_bounds(data: bytes, path: Path) -> None:
    """Checks the decompressed size of a workbook and the number of cells of its sheets.

    Raises:
        InputError: a limit is exceeded, or the archive is damaged.
    """
    if not data.startswith(b"PK"):
        return  # the older format ends at 65,536 rows and 256 columns
    left = most = min(MOST_UNPACKED, max(_LEAST_UNPACKED, MOST_TIMES * len(data)))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as part:
                    content = part.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise InputError(
                        f"{path} must unpack to at most {most:,} bytes, but holds more: save the table as CSV"
                    )
                _check_cells(content, entry.filename, path)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path} must be a whole zip archive or Excel workbook, but: {error}; save the table as CSV"
        ) from None


def _check_cells(content: bytes, name: str, path: Path) -> None:
    most = min(MOST_CELLS, max(_LEAST_CELLS, len(content)))
    if name.endswith(".bin"):
        extents = [_extent_of_binary(content)]
    else:
        extents = [_extent_of_excel(content), _extent_of_opendocument(content)]
    rows, columns = max(extents, key=math.prod)
    if rows * columns > most:
        raise InputError(
            f"{path} must have sheets of at most {most:,} cells for their content, but {name} extends to row {rows:,}, "
            f"column {columns:,}: delete cells far below or beside the table, or save it as CSV"
        )


def _extent_of_excel(content: bytes) -> tuple[int, int]:
    """Last row and last column, both from 1. An element without a reference follows the previous one."""
    row = column = rows = columns = 0
    for found in _EXCEL.finditer(content):
        is_row, letters, digits = found.groups()
        if is_row:
            row, column = int(digits) if digits else row + 1, 0
        elif letters:
            row, column = int(digits), _column(letters)
        else:
            column += 1
        if row > rows or column > columns:
            rows, columns = max(rows, row), max(columns, column)
            if rows * columns > MOST_CELLS:
                break
    return rows, columns


@functools.cache
def _column(letters: bytes) -> int:
    number = 0
    for letter in letters[:_LONGEST_LETTERS].upper():
        number = number * 26 + letter - 64
    return number


def _extent_of_opendocument(content: bytes) -> tuple[int, int]:
    """Rows and columns of the largest sheet up to the last non-empty ones, counting repeated ones."""
    largest = (0, 0)
    rows = columns = waiting = width = column = times = 0
    for found in _OPEN.finditer(content):
        end, kind, attributes = found[1], found[2], found[3]
        closed = attributes.endswith(b"/")
        repeated = _REPEATED.search(attributes)
        count = int(repeated[1]) if repeated else 1
        if kind == b"table":
            rows = columns = waiting = 0
        elif kind != b"table-row":
            if not end:
                column += count
                width = width if closed and b"value" not in attributes else column
        else:
            if not end:
                width, column, times = 0, 0, count
            if end or closed:
                used = bool(width)
                rows, columns = rows + used * (waiting + times), max(columns, width)
                waiting = 0 if used else waiting + times
                largest = max(largest, (rows, columns), key=math.prod)
                if rows * columns > MOST_CELLS:
                    break
    return largest


def _extent_of_binary(content: bytes) -> tuple[int, int]:
    rows = columns = 1
    for kind, body in _records(content):
        if len(body) < 4:
            continue
        number = int.from_bytes(body[:4], "little") + 1
        if kind == _ROW:
            rows = max(rows, number)
        elif kind in _CELLS:
            columns = max(columns, number)
    return rows, columns


def _records(content: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(content):
        kind, offset = _number(content, offset, 2)
        size, offset = _number(content, offset, 4)
        yield kind, content[offset : offset + min(size, 4)]
        offset += size


def _number(content: bytes, offset: int, most: int) -> tuple[int, int]:
    """Decodes an integer with seven bits per byte; returns it and the offset after it."""
    value = 0
    for count in range(most):
        if offset >= len(content):
            break
        byte = content[offset]
        offset += 1
        value |= (byte & 0x7F) << (7 * count)
        if not byte & 0x80:
            break
    return value, offset
