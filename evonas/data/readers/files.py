"""Reading of a table from a file in any supported format. Imports pandas lazily.

Supported are CSV and other delimited text, JSON (lines or an array), Parquet, Feather, and Excel and LibreOffice
workbooks; text may be compressed, or the only file in a zip archive. The format is recognised by the first bytes, or
else by the file's name.
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.data.read_options import ReadOptions, Style, Table
from evonas.data.readers.csv import check_file, read_csv
from evonas.data.readers.json_table import read_json, read_json_lines
from evonas.data.readers.spreadsheet import read_workbook
from evonas.io.opened import Opened, most_bytes, open_source
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_any", "read_file"]

#: Formats that are read as a whole are decompressed into memory.
_MOST_BYTES = 1 << 31
_PARQUET, _FEATHER = (".parquet", ".pq"), (".feather", ".arrow", ".ipc")


def read_file(path: str | Path, options: ReadOptions | None = None) -> pd.DataFrame:
    """Reads a table; arguments and errors as in `read_any`."""
    return read_any(path, options).frame


def read_any(path: str | Path, options: ReadOptions | None = None) -> Table:
    """Reads a table, with notes on how it was read.

    Args:
        path: path of the file; any file that is not a workbook, Parquet, Feather or JSON file is read as CSV.
        options: format details that override detection.

    Raises:
        InputError: see `read_table`, or the package for this format is not installed.
    """
    path, options = Path(path), options or ReadOptions()
    start = check_file(path, {})
    source = open_source(path, start)
    if source.kind:
        start = source.head(8) if source.kind != "workbook" else start
        if not start:
            raise InputError(
                f"{path} must hold a header and rows, but its decompressed content is empty: save it again"
            )
    ending = Path(source.name).suffix.lower()
    if source.kind == "workbook" or start.startswith(b"\xd0\xcf\x11\xe0") or ending in (".xlsx", ".xls", ".ods"):
        if not start.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
            check_file(path)
            return _without_empty_rows(read_csv(source, options))  # a text file with the name of a workbook
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
    """Drops empty rows at the end, as written by spreadsheets."""
    from dataclasses import replace

    frame = table.frame
    last = len(frame)
    while last and bool(frame.iloc[last - 1 : last].isna().to_numpy().all()):
        last -= 1
    if last == len(frame):
        return table
    if not last:
        raise InputError("a table must have at least one row with a value, not empty ones only: add rows")
    note = f"{len(frame) - last} empty rows at the end left out"
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
    except Exception as error:  # pyarrow's errors have no other common class
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
