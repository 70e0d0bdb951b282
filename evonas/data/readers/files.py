"""Reading a table from a file of any kind that is known. Imports pandas late.

CSV and other text with separators, JSON (lines, or an array), Parquet, Feather, workbooks of Excel and LibreOffice;
text also compressed or alone in a zip archive. What a file is, its first bytes say, and its name where they do not.
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.data.readers.csv import check_file, read_csv
from evonas.data.readers.json_table import read_json, read_json_lines
from evonas.data.readers.options import ReadOptions, Style, Table
from evonas.data.readers.spreadsheet import read_workbook
from evonas.io.opened import Opened, most_bytes, open_source
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_any", "read_file"]

#: Files that are read in one piece are decompressed into memory.
_MOST_BYTES = 1 << 31
_PARQUET, _FEATHER = (".parquet", ".pq"), (".feather", ".arrow", ".ipc")


def read_file(path: str | Path, options: ReadOptions | None = None) -> pd.DataFrame:
    """Reads a table. Arguments and errors are those of `read_any`."""
    return read_any(path, options).frame


def read_any(path: str | Path, options: ReadOptions | None = None) -> Table:
    """Reads a table, with what is to be said of it.

    Args:
        path: of the file; what is not a workbook, Parquet, Feather or JSON file is read as CSV.
        options: how it is written, where it is not as it looks.

    Raises:
        InputError: as `table.read_table`; or the package that reads this kind of file is not installed.
    """
    path, options = Path(path), options or ReadOptions()
    start = check_file(path, {})
    source = open_source(path, start)
    if source.kind:
        start = source.head(8) if source.kind != "workbook" else start
        if not start:
            raise InputError(
                f"{path} must hold a header and rows, but what it decompresses to is empty: write it again"
            )
    ending = Path(source.name).suffix.lower()
    if source.kind == "workbook" or start.startswith(b"\xd0\xcf\x11\xe0") or ending in (".xlsx", ".xls", ".ods"):
        if not start.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
            check_file(path)
            return _without_empty_rows(read_csv(source, options))  # text that is called a workbook
        return _without_empty_rows(read_workbook(source, options))
    if start.startswith(b"PAR1") or ending in _PARQUET:
        return Table(_columnar(source, "parquet"), style=_style(options))
    if start.startswith((b"ARROW1", b"FEA1")) or ending in _FEATHER:
        return Table(_columnar(source, "feather"), style=_style(options))
    if ending in (".jsonl", ".ndjson"):
        return Table(read_json_lines(source, options), style=_style(options))
    if ending == ".json":
        return Table(read_json(source, options), style=_style(options))
    check_file(path)
    return _without_empty_rows(read_csv(source, options))


def _style(options: ReadOptions) -> Style:
    return Style(options.decimal, options.thousands, options.date_order, options.decimal == ",")


def _without_empty_rows(table: Table) -> Table:
    """Without rows at the end in which there is nothing, as spreadsheets write them."""
    from dataclasses import replace

    frame = table.frame
    last = len(frame)
    while last and bool(frame.iloc[last - 1 : last].isna().to_numpy().all()):
        last -= 1
    if last == len(frame):
        return table
    if not last:
        raise InputError("a table must have at least one row with a value, not empty ones only: add rows")
    note = f"{len(frame) - last} rows at the end without any value: left out"
    return replace(table, frame=frame.iloc[:last], notes=(*table.notes, note))


def _columnar(source: Opened, kind: str) -> pd.DataFrame:
    path = source.path
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            f"pyarrow must be installed to read {path.name}: pip install 'evonas[parquet]', or save the table as CSV"
        )
    from evonas.data.frames import as_frame

    where: Any = io.BytesIO(source.read(_MOST_BYTES)) if source.kind else str(path)
    try:
        frame = as_frame(_arrow_table(where, kind, most_bytes(path.stat().st_size)), str(path))
    except InputError:
        raise
    except Exception as error:  # pyarrow's errors have no common class but this
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} must be a whole {kind} file, but: {reason:.200}; write it again") from None
    if not len(frame) or not frame.shape[1]:
        raise InputError(f"{path} must have rows and columns, not {len(frame)} and {frame.shape[1]}: write it again")
    return frame.reset_index(drop=True)


def _arrow_table(where: Any, kind: str, most: int) -> Any:
    if kind == "parquet":
        from evonas.data.readers.parquet import read_parquet

        return read_parquet(where, most)
    from evonas.data.readers.arrow_file import read_arrow

    return read_arrow(where, most)
