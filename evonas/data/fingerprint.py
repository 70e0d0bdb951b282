"""A digest that identifies data, independent of how pandas stores a cell. Does not import pandas."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evonas.data.cells import flags, kind_of, numbers, seconds, texts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fingerprint"]


def fingerprint(features: pd.DataFrame, targets: pd.DataFrame, settings: Mapping[str, Any], *arrays: Any) -> str:
    """SHA-256 over cell values, column names and kinds, the target and the settings of the split.

    Args:
        features, targets: the columns; their order matters.
        settings: settings of the split as JSON values.
        arrays: further arrays that affect training (such as sample weights); None for an absent one.

    Returns:
        The digest, 64 hexadecimal digits.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for role, frame in (("feature", features), ("target", targets)):
        for index, name in enumerate(frame.columns):
            _add_column(digest, role, frame.iloc[:, index], str(name))
    for array in arrays:
        digest.update(b"none" if array is None else np.ascontiguousarray(array, "<f8").tobytes())
    return digest.hexdigest()


def _add_column(digest: hashlib._Hash, role: str, series: pd.Series[Any], name: str) -> None:
    kind = kind_of(series)
    digest.update(json.dumps([role, name, kind, len(series)]).encode())
    if kind == "text":
        places: dict[Any, int] = {}
        codes = [places.setdefault(cell, len(places)) for cell in texts(series)]
        digest.update(json.dumps(list(places)).encode())
        digest.update(np.array(codes, "<i8").tobytes())
        return
    values = {"date": seconds, "boolean": flags}.get(kind, numbers)(series)
    values = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, one zero
    digest.update(np.ascontiguousarray(values, "<f8").tobytes())
