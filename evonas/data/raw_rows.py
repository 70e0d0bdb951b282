"""Storage of raw rows as plain arrays: numbers unchanged, text as codes with a list of values. Does not import pandas.

Rows are as returned by `Preparation.inputs`: one float32 array, or columns by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack_rows", "unpack_rows"]


def pack_rows(rows: Any, place: str) -> tuple[dict[str, NDArray[Any]], Any]:
    """The arrays by their names in the file, which begin with `place`, and JSON values that describe them.

    The description of named columns is (name, distinct texts or None for a numeric column), in the order of the arrays.
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
    """Restores the rows from the result of `pack_rows`.

    Raises:
        KeyError, IndexError, TypeError, ValueError: the arguments are inconsistent.
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
