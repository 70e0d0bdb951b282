"""Writing of prediction tables as CSV, JSON lines or Parquet, by file extension. Existing files are never replaced."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from evonas.io.atomic import write_new
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_table_place", "write_table"]

_ENDINGS = (".csv", ".jsonl", ".parquet")


def check_table_place(path: Path) -> None:
    """Raises InputError if the table cannot be written, before anything is predicted."""
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"output must end in {', '.join(_ENDINGS)}, not {path.name!r}: rename it")
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
    ending = path.suffix.lower()
    if ending == ".parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        content = buffer.getvalue()
    elif ending == ".jsonl":
        content = frame.to_json(orient="records", lines=True, force_ascii=False).encode()
    else:
        content = frame.to_csv(index=False, lineterminator="\n").encode()
    try:
        write_new(path, lambda file: file.write(content))
    except OSError as error:
        raise InputError(f"output must be writable, but {path} is not ({error.strerror}): choose another") from None
