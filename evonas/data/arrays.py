"""Conversion of rows passed from Python into a DataFrame with column names as text and rows numbered from 0.

Imports pandas inside functions only.
"""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from evonas.data.cells import is_utf8
from evonas.data.frames import as_array_of, as_frame, is_table, plain_columns
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_column", "feature_columns", "join_parts", "named_columns", "target_columns"]


def named_columns(frame: Any) -> pd.DataFrame:
    """Returns the table with cells of plain types, column names as text and rows numbered from 0.

    Raises:
        InputError: two columns have the same name, or a name cannot be encoded as UTF-8.
    """
    columns: pd.DataFrame = plain_columns(as_frame(frame).reset_index(drop=True))
    for name in map(str, columns.columns):
        if not is_utf8(name):
            raise InputError(f"column names must be text encodable as UTF-8, not {name!a:.60}: rename the column")
    columns.columns = [str(name) for name in columns.columns]
    twice = [name for name, count in Counter(columns.columns).items() if count > 1]
    if twice:
        raise InputError(f"column names must differ, but {', '.join(map(repr, twice[:5]))} occurs twice: rename one")
    return columns


def check_column(frame: pd.DataFrame, name: str, what: str) -> None:
    """Raises an error that suggests similar names if a name is not a column.

    Raises:
        InputError: the table has no such column.
    """
    known = list(frame.columns)
    if name in known:
        return
    close = [other for other in known if other.lower() == name.lower()] + difflib.get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(map(repr, dict.fromkeys(close)))}?" if close else "name one of these"
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    raise InputError(f"the {what} column must be one of the table's columns ({shown}), not {name!r}: {hint}")


def join_parts(parts: dict[str, tuple[Any, Any] | None]) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
    """Concatenates the rows of all parts.

    Args:
        parts: name -> (x, y), or None for an absent part; the first must be present.

    Returns:
        Feature columns, target columns, and the number of rows of each part that is present, in order.

    Raises:
        InputError: a part is not a pair of arrays, its x and y differ in length, or its columns differ from those of
            the first.
    """
    import pandas as pd

    frames: list[pd.DataFrame] = []
    targets: list[pd.DataFrame] = []
    sizes: dict[str, int] = {}
    for part, pair in parts.items():
        if pair is None:
            continue
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InputError(f"{part} must be a pair (x, y), not {type(pair).__name__}: pass both arrays")
        features, target = feature_columns(pair[0], f"{part} x"), target_columns(pair[1], f"{part} y")
        if len(features) != len(target):
            raise InputError(
                f"{part} x and y must have the same number of rows, not {len(features)} and {len(target)}: "
                "pass one target for each row"
            )
        if frames and (list(features.columns) != list(frames[0].columns) or target.shape[1] != targets[0].shape[1]):
            raise InputError(
                f"{part} x and y must have the columns of the training rows, {_list(frames[0])} and "
                f"{_list(targets[0])}, not {_list(features)} and {_list(target)}: pass the same columns in "
                "the same order"
            )
        if not len(features):
            raise InputError(f"{part} x and y must have at least one row, not 0: pass rows, or leave the part out")
        if targets:
            target.columns = targets[0].columns
        frames.append(features)
        targets.append(target)
        sizes[part] = len(features)
    if len(frames) == 1:
        return frames[0], targets[0], sizes
    return pd.concat(frames, ignore_index=True), pd.concat(targets, ignore_index=True), sizes


def feature_columns(x: Any, what: str) -> pd.DataFrame:
    """Features as a table, shape `(num_samples, num_columns)`; columns without a name are x0, x1, ...

    Arrays of more dimensions, such as images, are flattened.

    Raises:
        InputError: x has fewer than two dimensions, or is sparse, ragged or complex.
    """
    if is_table(x):
        return named_columns(as_frame(x, what))
    if hasattr(x, "toarray"):
        raise InputError(f"{what} must be dense, not a sparse {type(x).__name__}: pass its .toarray()")
    array = flat(_array(x, what))
    if array.ndim != 2 or array.shape[1] == 0:
        fix = ".reshape(-1, 1) makes one column" if array.ndim == 1 else "pass rows"
        raise InputError(f"{what} must have shape (num_samples, num_columns), not {array.shape}: {fix}")
    return _frame(array, [f"x{index}" for index in range(array.shape[1])])


def target_columns(y: Any, what: str) -> pd.DataFrame:
    """The target as a table, shape `(num_samples, num_targets)`; a target without a name is y, or y0, y1, ...

    Raises:
        InputError: y is not one- or two-dimensional, or is ragged or complex.
    """
    import pandas as pd

    if is_table(y):
        return named_columns(as_frame(y, what))
    y = as_array_of(y)
    if isinstance(y, pd.Series):
        return named_columns(y.to_frame("y" if y.name is None else y.name))
    array = _array(y, what)
    if array.ndim not in (1, 2) or array.shape[1:] == (0,):
        raise InputError(
            f"{what} must have shape (num_samples,) or (num_samples, num_targets), not {array.shape}: reshape it"
        )
    columns = array[:, None] if array.ndim == 1 else array
    return _frame(columns, ["y"] if columns.shape[1] == 1 else [f"y{index}" for index in range(columns.shape[1])])


def flat(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Flattens each row of an array of more than two dimensions."""
    return array.reshape(len(array), -1) if array.ndim > 2 and len(array) else array


def _array(values: Any, what: str) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(values)
        if array.dtype.kind in "US" and not isinstance(values, np.ndarray):
            array = np.asarray(values, dtype=object)  # otherwise one string in a list would turn its numbers into text
    except ValueError:
        raise InputError(f"{what} must have rows of equal length, but their lengths differ: correct them") from None
    if isinstance(values, np.ma.MaskedArray) and values.mask.any():  # masked values are missing
        array = array.astype(np.result_type(array, np.float64) if array.dtype.kind in "biuf" else object)
        array[np.ma.getmaskarray(values)] = np.nan if array.dtype.kind == "f" else None
    if array.dtype.kind == "T":  # NumPy's variable-length strings
        array = array.astype(object)
    if array.dtype.kind not in "biufOUM":
        raise InputError(f"{what} must hold real numbers, booleans, text or dates, not {array.dtype}: convert it")
    return array


def _frame(array: np.ndarray[Any, Any], names: list[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.DataFrame(array, columns=names)
        return frame.infer_objects() if array.dtype == object else frame
    except UnicodeEncodeError as error:
        raise InputError(
            f"text must be encodable as UTF-8, not {error.object!a:.60}: replace the invalid characters, for example "
            'with text.encode("utf-8", "replace").decode()'
        ) from None


def _list(frame: pd.DataFrame) -> str:
    names = [str(name) for name in frame.columns]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
