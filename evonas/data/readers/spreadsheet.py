"""Reading of Excel (.xlsx, .xls, .xlsb) and LibreOffice (.ods) workbooks. Needs python-calamine, `evonas[excel]`."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING, Any

from evonas.data.read_options import ReadOptions, Style, Table
from evonas.data.readers.workbook_bounds import check_bounds
from evonas.data.readers.workbook_trial import check_by_trial
from evonas.io.opened import Opened
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_workbook"]

#: Maximum size of a workbook in bytes.
MOST_BYTES = 1 << 28


def read_workbook(source: Opened, options: ReadOptions) -> Table:
    """Reads the first sheet that holds a table: a header and rows below it.

    Raises:
        InputError: python-calamine is not installed, or the workbook is damaged, too large, or without a table.
    """
    path = source.path
    try:
        import python_calamine
    except ImportError:
        raise InputError(
            f"python-calamine must be installed to read {path.name}: pip install 'evonas[excel]', or save the table as "
            "CSV"
        ) from None
    data = (Opened(path, source.name) if source.kind == "workbook" else source).read(MOST_BYTES)
    check_bounds(data, source.path)
    check_by_trial(data, source.path)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = list(book.sheet_names)
        for name in names:
            rows: list[list[Any]] = book.get_sheet_by_name(name).to_python(skip_empty_area=True)
            if len(rows) > 1:
                break
        else:
            raise InputError(f"{path} must have a sheet with a header and rows, but none of {len(names)} has: add rows")
    except InputError:
        raise
    except BaseException as error:  # its errors have no common class, and its panics are not Exceptions
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} must be a whole Excel workbook, but: {reason:.200}; save the table as CSV") from None
    notes = [] if len(names) == 1 else [f"{path.name} has {len(names)} sheets: {name!r} is read"]
    if options.skip_rows >= len(rows):
        raise InputError(f"skip_rows must leave a header and rows of {path}, which has {len(rows)} rows: skip fewer")
    frame = _table(rows[options.skip_rows :], source, notes, bool(options.skip_rows), options.words)
    style = Style(options.decimal, options.thousands, options.date_order, options.decimal == ",")
    return Table(frame, tuple(notes), style)


def _table(rows: list[list[Any]], source: Opened, notes: list[str], asked: bool, words: frozenset[str]) -> pd.DataFrame:
    import pandas as pd

    width = max(map(len, rows), default=0)
    filled = [sum(cell != "" for cell in row) for row in rows]
    titles = 0
    while not asked and width > 2 and titles + 2 < len(rows) and filled[titles] <= 1:
        titles += 1
    if titles:
        notes.append(f"{titles} row{'s' * (titles > 1)} above the header of {source.path.name} skipped")
    header, body = rows[titles], [row for row in rows[titles + 1 :] if any(cell != "" for cell in row)]
    names = [_name(cell, index) for index, cell in enumerate(header)]
    names += [f"Unnamed: {index}" for index in range(len(names), width)]
    if not body:
        raise InputError(f"{source.path} must have at least one row below its header, but has none: add rows")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"column names must differ, but {twice[0]!r} of {source.path} occurs twice: rename one")
    columns = {
        name: pd.Series([_cell(row, index, words) for row in body], dtype=object).infer_objects()
        for index, name in enumerate(names)
    }
    kept = {
        name: column
        for name, column in columns.items()
        if not (name.startswith("Unnamed: ") and bool(column.isna().all()))
    }
    return pd.DataFrame(kept)


def _name(cell: Any, column: int) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip() or f"Unnamed: {column}"


def _cell(row: list[Any], column: int, words: frozenset[str]) -> Any:
    cell = row[column] if column < len(row) else ""
    if isinstance(cell, str):
        return None if cell.strip() in words else cell
    return int(cell) if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53 else cell
