"""Raw rows in a file of plain arrays: numbers as they are, text as codes with a list of its values. Imports no pandas.

Rows are what `Preparation.inputs` gives: one float32 array, or columns by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack_rows", "unpack_rows"]


def pack_rows(rows: Any, place: str) -> tuple[dict[str, NDArray[Any]], Any]:
    """The arrays by their names in the file, which begin with `place`, and JSON values that say what they are.

    Of columns by name: (name, its different texts, or None for a numeric column), in the order of the arrays.
    """
    if not isinstance(rows, Mapping):
        return {f"{place}/array": rows}, None
    arrays: dict[str, NDArray[Any]] = {}
    columns: list[tuple[str, list[str] | None]] = []
    for number, (name, cells) in enumerate(rows.items()):
        texts = None
        if cells.dtype == object:
            known: dict[str, int] = {}
            cells = np.array([known.setdefault(cell, len(known)) for cell in cells], dtype=np.int32)
            texts = list(known)
        arrays[f"{place}/{number}"] = cells
        columns.append((name, texts))
    return arrays, columns


def unpack_rows(arrays: Mapping[str, NDArray[Any]], place: str, about: Any) -> Any:
    """The rows that `pack_rows` was given.

    Raises:
        KeyError, IndexError, TypeError, ValueError: they do not fit together.
    """
    if about is None:
        return arrays[f"{place}/array"]
    rows: dict[str, NDArray[Any]] = {}
    for number, (name, texts) in enumerate(about):
        cells = arrays[f"{place}/{number}"]
        if cells.ndim != 1:
            raise ValueError(f"{place}/{number} must be one column, not of shape {cells.shape}")
        if texts is not None:
            cells = np.array([*map(str, texts), ""], dtype=object)[:-1][cells]
        rows[str(name)] = cells
    return rows
