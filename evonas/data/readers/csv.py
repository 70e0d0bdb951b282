"""Reading of CSV files into tables, with errors that name the line and column. Imports pandas and pyarrow lazily.

The file is read twice: once to determine each column's type and once to fill arrays of exactly that type. Types are
therefore never guessed from the beginning of the file, and memory holds one copy of the table, with packed text, plus a
small batch of rows. pyarrow parses the rows. Where it cannot, the standard library's reader does, and reports errors by
row and column.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.read_options import MISSING, ReadOptions, Style, Table
from evonas.data.readers.dialect import Dialect, find_dialect
from evonas.data.readers.rows import Unfit, arrow_rows, plain_rows
from evonas.data.readers.text import scan
from evonas.data.readers.text_codes import FEW, Packing
from evonas.io.opened import Opened, open_source
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "check_file", "read_csv", "read_table"]

LONGEST_CELL = 1 << 17
#: Maximum number of distinct texts that are deduplicated, over all columns: about 10 MB.
REMEMBERED = 1 << 16

# "00123" is an id, and integers of more than 18 digits fit no numeric type: both stay text.
_INTEGER = r"[+-]?(?:0|[1-9][0-9]{0,17})"
_NUMBER = r"[+-]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]{0,17}))(?:[eE][+-]?[0-9]+)?|(?i:inf(?:inity)?))"
#: A number whose point may be a thousands separator, such as 1.234 in a table that contains 0,5.
_GROUPED = r"[+-]?(?:[1-9][0-9]{0,2}\.[0-9]{3}|[0-9]{1,3})"
_AROUND = r"[^0-9A-Za-z.,+-]*"
#: A number that may have a decimal comma, and one whose comma can only be a decimal comma.
_COMMA = rf"{_AROUND}[+-]?{_AROUND}(?:[0-9]{{1,3}}(?:[. ][0-9]{{3}})+|[0-9]+)(?:,[0-9]+)?{_AROUND}"
_COMMA_FOR_SURE = (
    rf"{_AROUND}[+-]?{_AROUND}(?:[0-9]{{1,3}}(?:[. ][0-9]{{3}})*,(?:[0-9]{{1,2}}|[0-9]{{4,}})|0,[0-9]+){_AROUND}"
)
_OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "a Parquet file",
    b"SQLi": "an SQLite database",
    b"ARRO": "a Feather file",
    b"\x89HDF": "an HDF5 file",
    b"<sta": "a Stata file",
    b"$FL2": "an SPSS file",
    b"%PDF": "a PDF document",
    b"<htm": "an HTML page",
    b"<!DO": "an HTML page",
    b"<!do": "an HTML page",
    b"<tab": "an HTML page",
    b"<?xm": "an XML document",
    b"@REL": "an ARFF file",
    b"@rel": "an ARFF file",
}


class _Type(enum.IntEnum):
    """The narrowest type that fits all cells read so far; each type includes the previous ones."""

    EMPTY = 0
    INTEGER = 1
    NUMBER = 2
    TEXT = 3


@dataclass
class _Column:
    """Facts about a column collected in the first pass."""

    name: str
    words: frozenset[str]
    type: _Type = _Type.EMPTY
    missing: bool = False
    width: int = 0
    infinite: str = ""
    absent: tuple[str, int] = ("", 0)
    few: set[str] | None = field(default_factory=set)
    grouped: bool = True
    commas: bool = True
    sure: bool = False

    def see(self, cells: Any, first_row: int) -> None:
        """Updates the facts with cells, given as stripped text."""
        import pyarrow.compute as pc

        absent = pc.is_in(cells, value_set=_as_array(self.words))
        if pc.any(absent).as_py():
            self.missing = True
            self._remember_word(cells, absent, first_row)
            cells = cells.filter(pc.invert(absent))
        if not len(cells):
            return
        if self.few is not None:
            different = cells.unique()
            if len(different) <= FEW:
                self.few |= set(different.to_pylist())
            self.few = None if len(self.few) > FEW or len(different) > FEW else self.few
        self.width = max(self.width, pc.max(pc.utf8_length(cells)).as_py())
        if self.type < _Type.TEXT:
            before, self.type = self.type, max(self.type, _type_of(cells))
            if self.type is _Type.NUMBER and not self.infinite:
                self._look_for_infinite(cells, first_row)
            if self.type is _Type.NUMBER or before is _Type.INTEGER:
                self.grouped = self.grouped and _all_match(cells, _GROUPED)
        if self.commas:
            self.commas = _all_match(cells, _COMMA)
            self.sure = self.sure or (self.commas and _any_matches(cells, _COMMA_FOR_SURE))

    def _remember_word(self, cells: Any, absent: Any, first_row: int) -> None:
        import pyarrow.compute as pc

        if not self.absent[1]:
            words = pc.and_(absent, pc.not_equal(cells, ""))
            if (row := pc.index(words, True).as_py()) >= 0:
                self.absent = cells[row].as_py(), first_row + row

    def _look_for_infinite(self, cells: Any, first_row: int) -> None:
        for row, cell in enumerate(np.isinf(_floats(cells)).nonzero()[0][:1].tolist()):
            self.infinite = f"{cells[cell].as_py()!r:.40} (data row {first_row + cell + row})"

    def array(self, count: int, remembered: int) -> NDArray[Any] | Packing:
        """Returns an empty array of the smallest type that holds the cells."""
        if self.type is _Type.TEXT:
            return Packing(count, self.few is not None, self.words, remembered)
        if self.type is not _Type.INTEGER or self.missing:
            narrow = self.type is not _Type.NUMBER and self.width < 8  # integers that float32 represents exactly
            return np.full(count, np.nan, np.float32 if narrow else np.float64)
        return np.empty(count, dtype=np.int8 if self.width < 3 else np.int32 if self.width < 10 else np.int64)

    def values(self, cells: Any) -> Any:
        """Converts cells to the type of the array."""
        import pyarrow.compute as pc

        if self.type is _Type.TEXT:
            return tuple(cells.to_pylist())
        if self.type is _Type.INTEGER and not self.missing:
            return _whole(cells)
        absent = pc.is_in(cells, value_set=_as_array(self.words))
        values = np.full(len(cells), np.nan)
        values[~absent.to_numpy(zero_copy_only=False)] = _floats(cells.filter(pc.invert(absent)))
        return values


def _as_array(words: frozenset[str]) -> Any:
    import pyarrow as pa

    return pa.array(sorted(words), pa.string())


def _all_match(cells: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(cells, rf"\A(?:{pattern})\z")).as_py())


def _any_matches(cells: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(cells, rf"\A(?:{pattern})\z")).as_py())


def _type_of(cells: Any) -> _Type:
    first = cells[:32]  # enough to recognise most text columns
    if not _all_match(first, _NUMBER):
        return _Type.TEXT
    if _all_match(cells, _INTEGER):
        return _Type.INTEGER
    return _Type.NUMBER if _all_match(cells, _NUMBER) else _Type.TEXT


def _floats(cells: Any) -> NDArray[np.float64]:
    """Parses numbers to the nearest floats."""
    import pyarrow as pa

    try:
        return np.asarray(cells.cast(pa.float64()).to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:  # 1e999
        return np.array([float(cell) for cell in cells.to_pylist()])


def _whole(cells: Any) -> NDArray[np.int64]:
    import pyarrow as pa

    try:
        return np.asarray(cells.cast(pa.int64()).to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:  # +5
        return np.array([int(cell) for cell in cells.to_pylist()])


def read_table(path: str | Path, options: ReadOptions | None = None) -> pd.DataFrame:
    """Reads a CSV file with a header line, plain or compressed, in any common encoding.

    The cell separator, lines above the header and quoting are detected
    (`evonas.data.readers.dialect`). Space around a cell is ignored. A column is numeric if every cell is either missing
    (see `MISSING`) or a number with a decimal point; otherwise it is text. Integers with leading zeros ("00123") stay
    text, as do numbers in other notations, which `evonas.data.notation` parses.

    Returns:
        One row for each line that is not blank; integers, floats, or text (`evonas.data.readers.text_column`).

    Raises:
        InputError: the file is missing, not a regular file, empty, unreadable, or not CSV text; a row is longer or
            shorter than the header; two columns have the same name; there are no rows or more than 100,000 columns; a
            numeric column holds an infinite value.
    """
    path = Path(path)
    return read_csv(open_source(path, check_file(path)), options or ReadOptions()).frame


def read_csv(source: Opened, options: ReadOptions) -> Table:
    """Like `read_table`, with notes on how the file was read."""
    text = scan(source, options.encoding)
    dialect = find_dialect(source, text, options)
    rows: Callable[[], Iterator[list[Any]]] = lambda: arrow_rows(source, text, dialect)  # noqa: E731
    odd = text.quotes % 2 == 1 and not dialect.escape and dialect.quote == '"'
    try:
        if dialect.spaced or odd:
            raise Unfit
        columns, count = _scan_columns(rows, dialect, options)
    except Unfit:
        rows = lambda: plain_rows(source, text, dialect)  # noqa: E731
        columns, count = _scan_columns(rows, dialect, options)
    if not count:
        raise InputError(f"{source.path} must have at least one row below its header, but has none: add rows")
    kept = len(columns)
    while kept > 1 and columns[kept - 1].type is _Type.EMPTY and columns[kept - 1].name == f"Unnamed: {kept - 1}":
        kept -= 1  # a separator at the end of every line does not add a column
    columns = columns[:kept]
    comma = _settle(columns, options, dialect)
    for column in columns:
        if column.infinite and column.type is not _Type.TEXT:
            raise InputError(
                f"column {column.name!r} of {source.path} must hold finite numbers, not {column.infinite}: correct the "
                "cell or leave it empty"
            )
    frame = _fill(rows, columns, count, source.path)
    style = Style(options.decimal, options.thousands, options.date_order, comma, in_file=True)
    absent = {column.name: column.absent for column in columns if column.absent[1]}
    return Table(frame, tuple(note for note in (text.note, *dialect.notes) if note), style, absent)


def _scan_columns(
    rows: Callable[[], Iterator[list[Any]]], dialect: Dialect, options: ReadOptions
) -> tuple[list[_Column], int]:
    """Returns the columns and the number of rows."""
    columns, count = [_Column(name, options.words) for name in dialect.names], 0
    for batch in rows():
        for column, cells in zip(columns, batch, strict=False):
            column.see(cells, count + 1)
            if column.width > LONGEST_CELL:
                raise Unfit
        count += len(batch[0])
    return columns, count


def _settle(columns: list[_Column], options: ReadOptions, dialect: Dialect) -> bool:
    """Returns whether the table uses decimal commas; columns whose points then separate thousands become text."""
    sure = any(column.type is _Type.TEXT and column.commas and column.sure for column in columns)
    points = any(column.type is _Type.NUMBER and not column.grouped for column in columns)
    comma = options.decimal == "," or (
        options.decimal != "." and options.thousands != "," and (sure or (dialect.separator == ";" and not points))
    )
    known = comma and (sure or options.decimal == "," or options.thousands == ".")
    for column in columns:
        if column.type is _Type.NUMBER and known and column.grouped:
            column.type = _Type.TEXT
    return comma


def _fill(rows: Callable[[], Iterator[list[Any]]], columns: list[_Column], count: int, path: Path) -> pd.DataFrame:
    import pandas as pd

    from evonas.data.readers.text_column import PackedTexts

    remembered = REMEMBERED // max(1, sum(column.type is _Type.TEXT for column in columns))
    arrays = [column.array(count, remembered) for column in columns]
    start = 0
    for batch in rows():
        stop = start + len(batch[0])
        if stop > count:
            break
        for column, array, cells in zip(columns, arrays, batch, strict=False):
            array[start:stop] = column.values(cells)
        start = stop
    if start != count:
        raise InputError(f"{path} must not change while it is read, but its number of rows did: try again")
    filled = {
        column.name: PackedTexts(array.codes, array.vocabulary()) if isinstance(array, Packing) else array
        for column, array in zip(columns, arrays, strict=True)
    }
    return pd.DataFrame(filled, copy=False)


def check_file(path: Path, other_formats: Mapping[bytes, str] = _OTHER_FORMATS) -> bytes:
    """Checks that a path is a readable, non-empty table file.

    Args:
        path: path of the file.
        other_formats: first bytes of files in other formats -> name of the format.

    Returns:
        The first bytes, at most eight.

    Raises:
        InputError: the file is missing, a folder, empty, unreadable, or in one of the other formats.
    """
    if not path.exists():
        near = sorted(str(other) for other in path.parent.glob("*.csv*"))[:3] if path.parent.is_dir() else []
        hint = f" (there is {', '.join(near)})" if near else ""
        raise InputError(f"data must be an existing file or folder, not {str(path)!r}: correct the path{hint}")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or device"
        raise InputError(f"a table must be a regular file, not {what} ({path}): name a CSV file")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputError(f"{path} must be readable, but: {error.strerror}; change its permissions") from None
    if not start:
        raise InputError(f"{path} must hold a header and rows, but is empty (0 bytes): save the table again")
    for magic, what in other_formats.items():
        if start.startswith(magic):
            fix = "end its name in .parquet" if magic == b"PAR1" else "save the table as CSV"
            raise InputError(f"{path} must be a CSV file, not {what}: {fix}")
    return start
