"""Reading of JSON tables: one object per line, an array of objects, or one object with a list for each column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.data.read_options import ReadOptions
from evonas.data.readers.text import decode
from evonas.io.opened import Opened
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_json", "read_json_lines"]

#: Maximum size of an array, which takes about ten times as much memory.
MOST_BYTES = 1 << 29
#: Limits on the table's size, which would grow as the square of the file's if each object had a different key.
_LEAST_CELLS, _CELLS_A_VALUE = 1 << 23, 64
_Pairs = list[tuple[str, Any]]


def read_json_lines(source: Opened, options: ReadOptions) -> pd.DataFrame:
    """Reads one JSON object per line; a key absent from a line is a missing value.

    Raises:
        InputError: a line is not an object of plain values; the message names it.
    """
    path = source.path

    def records() -> Iterator[tuple[str, Any]]:
        with decode(source, options.encoding or "utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"line {number}", _parse(line, f"line {number} of {path}")

    try:
        return _frame(records(), path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text, but: {error.reason}; save it as UTF-8") from None


def read_json(source: Opened, options: ReadOptions) -> pd.DataFrame:
    """Reads an array of objects or an object with a list for each column; other files are read by `read_json_lines`.

    Raises:
        InputError: the file has none of these forms.
    """
    path = source.path
    encoding = options.encoding or "utf-8-sig"
    try:
        text = source.read(MOST_BYTES).decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text, but: {error.reason}; save it as UTF-8") from None
    start = text.lstrip()[:1]
    if start == "{" and _is_lines(text):
        return read_json_lines(source, options)
    value = _parse(text, str(path))
    if start == "{":
        return _frame(_transpose(value, path), path)
    if not isinstance(value, list):
        raise InputError(f'{path} must hold an array of objects, such as [{{"a": 1}}], not {text.strip()[:40]!r}')
    return _frame(((f"item {number}", item) for number, item in enumerate(value, start=1)), path)


def _is_lines(text: str) -> bool:
    """Whether the first line is an object of plain values."""
    first = text.lstrip().partition("\n")[0]
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return not any(isinstance(cell, (list, dict)) for cell in value.values())


def _parse(text: str, what: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} must be JSON, but: {error}; correct it") from None


class _Object(list[Any]):
    """The pairs of a JSON object, which may repeat a key."""


def _transpose(value: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Yields the rows of an object that holds, for each column, a list or (as written by pandas) an object of cells."""
    columns: dict[str, list[Any]] = {}
    for name, cells in value:
        if isinstance(cells, _Object):
            cells = [cell for _, cell in cells]
        if not isinstance(cells, list):
            columns = {}
            break
        columns[name] = cells
    counts = {len(cells) for cells in columns.values()}
    if len(counts) != 1:
        raise InputError(
            f"{path} must hold an array of objects, or an object with lists of equal length, one for each column, "
            "not another object: write one object per row"
        )
    for row in range(counts.pop()):
        yield f"row {row + 1}", _Object((name, cells[row]) for name, cells in columns.items())


def _frame(records: Iterable[tuple[str, Any]], path: Path) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, list[Any]] = {}
    given = 0
    for count, (index, record) in enumerate(records):
        cells = _cells(record, path, index)
        given += len(cells)
        added = sum(name not in columns for name in cells)
        if (len(columns) + added) * (count + 1) > max(_LEAST_CELLS, _CELLS_A_VALUE * given):
            raise InputError(
                f"{path} must have the same keys in most of its objects, but {index} is the {count + 1:,}th, and there "
                f"are {len(columns) + added:,} different keys: is each object one row?"
            )
        for name, cell in cells.items():
            column = columns.setdefault(name, [None] * count)
            column.append(cell)
        for column in columns.values():
            if len(column) == count:
                column.append(None)
    if not columns:
        raise InputError(f"{path} must have at least one line with an object, but has none: add rows")
    return pd.DataFrame({name: pd.Series(cells, dtype=object).infer_objects() for name, cells in columns.items()})


def _cells(record: Any, path: Path, where: str) -> dict[str, Any]:
    if not isinstance(record, _Object):
        shown = json.dumps(record)[:40]
        raise InputError(f'{where} of {path} must be an object, such as {{"a": 1}}, not {shown!r}: correct it')
    cells: dict[str, Any] = {}
    for name, cell in record:
        if _utf8(name) in cells:
            raise InputError(f"{where} of {path} must name each column once, not {name!r} twice: leave one out")
        if isinstance(cell, list):
            raise InputError(
                f"{where} of {path} must hold numbers, text, true, false or null, but {name!r} is a list or an "
                f"object: flatten it"
            )
        cells[_utf8(name)] = _utf8(cell) if isinstance(cell, str) else cell
    return cells


def _utf8(text: str) -> str:
    r"""Replaces unpaired surrogates, which JSON can contain ("\ud83d", half of an emoji), by a replacement
    character."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
