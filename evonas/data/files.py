"""Reading a table from a file of any kind that is known: CSV, Parquet, Feather or JSON lines. Imports pandas late."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.data.table import check_file, read_table
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_file"]


def read_file(path: str | Path) -> pd.DataFrame:
    """Reads a table.

    Args:
        path: ending in .parquet, .pq, .feather, .arrow, .jsonl or .ndjson; any other file is taken for CSV, plain or
            gzip-compressed.

    Raises:
        InputError: as `table.read_table`; or the package that reads this kind of file is not installed.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower(), read_table)
    return reader(path)


def _columnar(path: Path) -> pd.DataFrame:
    import pandas as pd

    check_file(path, {})
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            f"pyarrow must be installed to read {path.name}: pip install 'evonas[parquet]', or save the table as CSV"
        )
    read = pd.read_parquet if path.suffix.lower() in (".parquet", ".pq") else pd.read_feather
    try:
        frame: pd.DataFrame = read(path)
    except Exception as error:  # pyarrow's errors have no common class but this
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} must be a whole {path.suffix[1:]} file, but: {reason:.200}; write it again") from None
    if not len(frame) or not frame.shape[1]:
        raise InputError(f"{path} must have rows and columns, not {len(frame)} and {frame.shape[1]}: write it again")
    return frame.reset_index(drop=True)


def _json_lines(path: Path) -> pd.DataFrame:
    """One JSON object a line; a key that a line lacks is a missing value there."""
    import pandas as pd

    check_file(path, {})
    columns: dict[str, list[Any]] = {}
    count = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                for name, cell in _record(line, path, number).items():
                    column = columns.setdefault(name, [None] * count)
                    column.append(cell)
                count += 1
                for column in columns.values():
                    if len(column) < count:
                        column.append(None)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text, but: {error.reason}; save it as UTF-8") from None
    if not columns:
        raise InputError(f"{path} must have at least one line with an object, not none: add rows")
    return pd.DataFrame({name: pd.Series(cells, dtype=object).infer_objects() for name, cells in columns.items()})


def _record(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {number} of {path} must be JSON, but: {error}; correct it") from None
    if not isinstance(record, list) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in record):
        raise InputError(
            f'line {number} of {path} must be an object, such as {{"a": 1}}, not {line[:40]!r}: correct it'
        )
    cells: dict[str, Any] = {}
    for name, cell in record:
        if name in cells:
            raise InputError(f"line {number} of {path} must name each column once, not {name!r} twice: leave one out")
        if isinstance(cell, list):
            raise InputError(
                f"line {number} of {path} must hold numbers, text, true, false or null, but {name!r} is a list or an "
                "object there: flatten it"
            )
        cells[name] = cell
    return cells


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    **dict.fromkeys((".parquet", ".pq", ".feather", ".arrow"), _columnar),
    **dict.fromkeys((".jsonl", ".ndjson"), _json_lines),
}
