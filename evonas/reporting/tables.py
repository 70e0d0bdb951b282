"""Writing of prediction tables in the format of the file extension. Existing files are never replaced."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from evonas.io.atomic import write_new
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_table_place", "write_table"]

#: Library and extra that a format needs.
_NEEDED = {".parquet": ("pyarrow", "parquet"), ".feather": ("pyarrow", "parquet"), ".xlsx": ("xlsxwriter", "excel")}
#: Rows of a sheet, including the header.
_SHEET_ROWS = 1 << 20


def check_table_place(path: Path) -> None:
    """Raises InputError if the table cannot be written, before anything is predicted."""
    ending = path.suffix.lower()
    if ending not in _FORMATS:
        raise InputError(f"output must end in {', '.join(_FORMATS)}, not {path.name!r}: rename it")
    library, extra = _NEEDED.get(ending, ("", ""))
    if library and find_spec(library) is None:
        raise InputError(
            f"{library} must be installed to write {path.name}: pip install 'evonas[{extra}]', or write a .csv"
        )
    if os.path.lexists(path):
        # A table has no mark by which evonas could recognise its own files.
        raise InputError(f"output must be a new file, but {path} exists: choose another name, or move it away")
    if not path.absolute().parent.is_dir():
        raise InputError(f"output must be in an existing folder, not {path.parent}: make the folder")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Writes a table to a new file atomically.

    Raises:
        InputError: see `check_table_place`, or the file cannot be written.
    """
    check_table_place(path)
    content = _FORMATS[path.suffix.lower()](frame)
    try:
        write_new(path, lambda file: file.write(content))
    except OSError as error:
        raise InputError(f"output must be writable, but {path} is not ({error.strerror}): choose another") from None


def _csv(frame: pd.DataFrame, separator: str = ",") -> bytes:
    return frame.to_csv(index=False, sep=separator, lineterminator="\n").encode()


def _json(frame: pd.DataFrame, lines: bool = False) -> bytes:
    text = frame.to_json(orient="records", lines=lines, force_ascii=False, double_precision=15)
    return text.encode() if lines else text.encode() + b"\n"


def _arrow(frame: pd.DataFrame, feather: bool = False) -> bytes:
    buffer = io.BytesIO()
    if feather:
        frame.to_feather(buffer)
    else:
        frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _workbook(frame: pd.DataFrame) -> bytes:
    """One sheet. Text stays text: a label that begins with an equals sign is no formula, and an address no link."""
    import pandas as pd

    if len(frame) >= _SHEET_ROWS:
        raise InputError(f"a workbook must have fewer than {_SHEET_ROWS:,} rows, not {len(frame):,}: write a .csv")
    buffer = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False}
    with pd.ExcelWriter(buffer, engine="xlsxwriter", engine_kwargs={"options": options}) as writer:
        frame.to_excel(writer, index=False, sheet_name="predictions")
    return buffer.getvalue()


#: File extension -> the content of such a file.
_FORMATS: Mapping[str, Callable[[pd.DataFrame], bytes]] = {
    ".csv": _csv,
    ".tsv": lambda frame: _csv(frame, "\t"),
    ".json": _json,
    ".jsonl": lambda frame: _json(frame, lines=True),
    ".parquet": _arrow,
    ".feather": lambda frame: _arrow(frame, feather=True),
    ".xlsx": _workbook,
}
