"""Reading a CSV file into a table, or saying what is wrong with it and where. Imports pandas inside functions only.

The file is read twice with the standard library's parser: once to check it and to find each column's type, once to
fill arrays of exactly that type. So every fault is found by row and column, no type is guessed from the file's
beginning, and memory holds the table once, text packed, with one small batch of rows beside it.
"""

from __future__ import annotations

import csv
import enum
import gzip
import itertools
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.packing import FEW, Packing
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "check_file", "read_table"]

#: Texts that mean "no value".
MISSING = frozenset(
    ["", "?", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None"]
)
MOST_COLUMNS = 100_000
LONGEST_LINE = 1 << 26
BATCH_CHARACTERS = 1 << 22
BATCH_CELLS = 1 << 14
#: Different texts that are known again, of all columns together: some 10 MB.
REMEMBERED = 1 << 16

# "00123" is an id, and whole numbers of more than 18 digits fit no number type: both stay text.
_INTEGER = r"[+-]?(?:0|[1-9][0-9]{0,17})"
_NUMBER = r"[+-]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]{0,17})(?=[eE]))(?:[eE][+-]?[0-9]+)?|(?i:inf(?:inity)?))"
# A column's cells are matched at once, each ended by NUL, which no cell holds; not backing up (*+) keeps it linear.
_INTEGERS = re.compile(rf"(?:{_INTEGER}\0)*+")
_NUMBERS = re.compile(rf"(?:(?:{_INTEGER}|{_NUMBER})\0)*+")
_OTHER_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "a Parquet file",
    b"SQLi": "an SQLite database",
}


class _Type(enum.IntEnum):
    """What the cells seen so far can be; the later includes the earlier."""

    EMPTY = 0
    INTEGER = 1
    NUMBER = 2
    TEXT = 3


@dataclass
class _Column:
    """What the first reading learns of a column."""

    name: str
    type: _Type = _Type.EMPTY
    missing: bool = False
    width: int = 0
    infinite: str = ""
    few: set[str] | None = field(default_factory=set)

    def see(self, cells: tuple[str, ...], first_row: int) -> None:
        different = set(cells)
        present = different - MISSING
        self.missing |= len(present) < len(different)
        if self.few is not None:
            self.few |= present
            self.few = None if len(self.few) > FEW else self.few
        if self.type is _Type.TEXT:
            return
        found = _type_of(present)
        if found is _Type.NUMBER:
            for cell in present:
                if math.isinf(float(cell)):
                    self.infinite = f"{cell!r:.40} (data row {first_row + cells.index(cell)})"
        self.type = max(self.type, found)
        self.width = max(self.width, max(map(len, present), default=0))

    def array(self, count: int, remembered: int) -> NDArray[Any] | Packing:
        """An empty array of the smallest type that holds the cells."""
        if self.type is _Type.TEXT:
            return Packing(count, self.few is not None, MISSING, remembered)
        if self.type is not _Type.INTEGER or self.missing:
            narrow = self.type is not _Type.NUMBER and self.width < 8  # whole numbers that float32 holds exactly
            return np.full(count, np.nan, np.float32 if narrow else np.float64)
        return np.empty(count, dtype=np.int8 if self.width < 3 else np.int32 if self.width < 10 else np.int64)

    def values(self, cells: tuple[str, ...]) -> Any:
        if self.type is _Type.TEXT:
            return cells
        if self.type is _Type.INTEGER and not self.missing:
            return list(map(int, cells))
        return [float("nan") if cell in MISSING else float(cell) for cell in cells]


def _type_of(cells: set[str]) -> _Type:
    if not cells:
        return _Type.EMPTY
    joined = "\0".join([*cells, ""])
    if _INTEGERS.fullmatch(joined):
        return _Type.INTEGER
    return _Type.NUMBER if _NUMBERS.fullmatch(joined) else _Type.TEXT


def read_table(path: str | Path) -> pd.DataFrame:
    """Reads a CSV file, plain or gzip-compressed, with a header line.

    UTF-8, with or without byte-order mark; separated by commas, semicolons, tabs or bars, whichever the header has
    most. Space around a cell does not count. A column is numbers if every cell is a number or missing (see `MISSING`),
    otherwise text; whole numbers with leading zeros ("00123") are text.

    Returns:
        One row for each line that is not blank; integers, floats, or text (`evonas.data.packed`).

    Raises:
        InputError: the file is missing, no file, empty, not readable, not UTF-8 text or not CSV; a row is longer or
            shorter than the header; two columns have one name; there are no rows, or more than 100,000 columns; a
            column of numbers holds an infinite one.
    """
    import pandas as pd

    from evonas.data.packed import PackedTexts

    path = Path(path)
    check_file(path)
    count, columns = 0, []
    with _rows(path) as (header, batches):
        columns = [_Column(name) for name in header]
        for batch in batches:
            for column, cells in zip(columns, zip(*batch, strict=True), strict=True):
                column.see(cells, count + 1)
            count += len(batch)
    if not count:
        raise InputError(f"{path} must have at least one row below its header, not none: add rows")
    kept = len(columns)
    while kept > 1 and columns[kept - 1].type is _Type.EMPTY and columns[kept - 1].name == f"Unnamed: {kept - 1}":
        kept -= 1  # a separator at the end of every line makes no column
    columns = columns[:kept]
    for column in columns:
        if column.infinite and column.type is not _Type.TEXT:
            raise InputError(
                f"column {column.name!r} of {path} must hold finite numbers, not {column.infinite}: correct the cell "
                "or leave it empty"
            )
    remembered = REMEMBERED // max(1, sum(column.type is _Type.TEXT for column in columns))
    arrays = [column.array(count, remembered) for column in columns]
    start = 0
    with _rows(path) as (_, batches):
        for batch in batches:
            stop = start + len(batch)
            if stop > count:
                break
            for column, array, cells in zip(columns, arrays, zip(*batch, strict=True), strict=False):
                array[start:stop] = column.values(cells)
            start = stop
    if start != count:
        raise InputError(f"{path} must not change while it is read, but its number of rows did: try again")
    filled = {
        column.name: PackedTexts(array.codes, array.vocabulary()) if isinstance(array, Packing) else array
        for column, array in zip(columns, arrays, strict=True)
    }
    return pd.DataFrame(filled, copy=False)


def check_file(path: Path, other_formats: Mapping[bytes, str] = _OTHER_FORMATS) -> None:
    """Refuses what is no readable file with something in it.

    Args:
        path: of the file.
        other_formats: first bytes of files that are something else -> what.

    Raises:
        InputError: it is missing, a folder, empty, not readable, or one of the other formats.
    """
    if not path.exists():
        near = sorted(str(other) for other in path.parent.glob("*.csv*"))[:3] if path.parent.is_dir() else []
        hint = f" (there is {', '.join(near)})" if near else ""
        raise InputError(f"a table must be an existing file, not {str(path)!r}: correct the path{hint}")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or device"
        raise InputError(f"a table must be a regular file, not {what} ({path}): name a CSV file")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError(f"{path} must be readable, but: {error.strerror}; change its permissions") from None
    if not start:
        raise InputError(f"{path} must hold a header and rows, but is empty (0 bytes): write the table again")
    if start in other_formats:
        mend = "end its name in .parquet" if start == b"PAR1" else "save the table as CSV"
        raise InputError(f"{path} must be a CSV file, not {other_formats[start]}: {mend}")
    if other_formats and start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(
            f"{path} must be UTF-8 text, not UTF-16: save it as UTF-8, or run "
            f"iconv -f UTF-16 -t UTF-8 {path.name} > new.csv"
        )


@contextmanager
def _rows(path: Path) -> Iterator[tuple[list[str], Iterator[list[list[str]]]]]:
    """The header and batches of rows of equal length, with every fault of the file as an InputError."""
    reader = None
    begun = _Begun()
    try:
        with _open(path) as file:
            first = _first_line(file, path)
            begun.delimiter = max(",;\t|", key=first.count)
            reader = csv.reader(_lines(file, path), delimiter=begun.delimiter, skipinitialspace=True, strict=True)
            header = _header(next((row for row in reader if row), []), path)
            begun.line = reader.line_num
            yield header, _batches(reader, len(header), path, begun)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} must be UTF-8 text, but holds the byte {error.object[error.start]:#04x}{_near(reader)}: save it "
            f"as UTF-8, or run iconv -f LATIN1 -t UTF-8 {path.name} > new.csv"
        ) from None
    except csv.Error as error:
        raise InputError(_not_csv(path, str(error), begun)) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} must be a whole gzip file, but: {error}; compress or fetch it again") from None
    except OSError as error:
        raise InputError(f"{path} must be readable, but: {error.strerror or error}; copy it to another place") from None


@dataclass
class _Begun:
    """How far the rows are that were read whole: the last line, the data rows; and what separates cells."""

    line: int = 0
    rows: int = 0
    delimiter: str = ","


def _not_csv(path: Path, error: str, begun: _Begun) -> str:
    """What to say of a row that cannot be taken apart, whose fault often lies lines before the end that was seen."""
    place, mend = "", "close the quotes there"
    with _open(path) as file:
        line = next(itertools.islice(_lines(file, path), begun.line, None), "")
    with suppress(csv.Error, StopIteration):
        cells = next(csv.reader([line], delimiter=begun.delimiter, skipinitialspace=True))
        place = f", column {len(cells)}"
        # Quotes that never close take all the lines that follow.
    if "field limit" in error:
        error = f"a cell has more than {csv.field_size_limit():,} characters"
        mend = "shorten it, leave out the column, or close the quotes there"
    return f"{path} must be CSV, but: {error} (line {begun.line + 1}, data row {begun.rows + 1}{place}); {mend}"


def _near(reader: Any) -> str:
    return f" near line {reader.line_num + 1}" if reader is not None else ""


def _open(path: Path) -> IO[str]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    opened = gzip.open if compressed else open
    return opened(path, "rt", encoding="utf-8-sig", newline="")


def _first_line(file: IO[str], path: Path) -> str:
    """The first line that is not blank; the file stands at its beginning again."""
    line = next((line for line in _lines(file, path) if line.strip()), "")
    file.seek(0)
    return line


def _lines(file: IO[str], path: Path) -> Iterator[str]:
    for number in itertools.count(1):
        line = file.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) == LONGEST_LINE:
            raise InputError(
                f"{path} must have lines of fewer than {LONGEST_LINE:,} characters, not line {number}: is it a table?"
            )
        if "\0" in line:
            raise InputError(
                f"{path} must be text, but line {number} holds a NUL byte (binary data, or UTF-16): "
                "save it as UTF-8 CSV"
            )
        yield line


def _header(row: list[str], path: Path) -> list[str]:
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(row)]
    if not names:
        raise InputError(f"{path} must begin with a line of column names, not a blank one: remove blank lines")
    if len(names) > MOST_COLUMNS:
        raise InputError(
            f"{path} must have at most {MOST_COLUMNS:,} columns, not {len(names):,}: a column is what lies between two "
            "separators of one line; transpose the table or choose columns"
        )
    if len(set(names)) < len(names):
        first: dict[str, int] = {}
        for place, name in enumerate(names, start=1):
            if first.setdefault(name, place) != place:
                raise InputError(
                    f"column names must differ, but columns {first[name]} and {place} of {path} are both {name!r}: "
                    "rename one"
                )
    if _type_of(set(names)) is _Type.NUMBER:
        raise InputError(
            f"{path} must begin with a line of column names, not of numbers ({', '.join(names[:4])}): add a header line"
        )
    return names


def _batches(reader: Any, width: int, path: Path, begun: _Begun) -> Iterator[list[list[str]]]:
    size = max(1, BATCH_CELLS // width)
    count, characters, batch = 0, 0, []
    for row in reader:
        if not row:
            continue
        count += 1
        begun.line, begun.rows = reader.line_num, count
        if len(row) != width:
            raise InputError(
                f"every row of {path} must have {width} cells as the header has, but data row {count} (line "
                f"{reader.line_num}) has {len(row)}: correct it, or quote cells that hold the separator"
            )
        batch.append([cell.strip() for cell in row])
        characters += sum(map(len, row))
        if len(batch) == size or characters > BATCH_CHARACTERS:
            yield batch
            characters, batch = 0, []
    if batch:
        yield batch
