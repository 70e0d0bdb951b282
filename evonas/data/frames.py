"""Conversion of tables of other libraries, and of unusual cell types, to DataFrames of plain cells. Imports pandas
lazily.

polars and pyarrow tables are converted by column; columns with special pandas types (Arrow types, intervals, periods,
durations, sparse arrays) become numbers, dates, booleans or text. Cells are inspected one by one only if the type
requires it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_array_of", "as_frame", "is_table", "plain_column", "plain_columns"]


def is_table(x: Any) -> bool:
    """Whether the value has named columns: a pandas or polars DataFrame, or a pyarrow table."""
    if type(x).__name__ == "LazyFrame":
        return True  # rejected by `as_frame`
    return (hasattr(x, "columns") and hasattr(x, "shape")) or _is_arrow(x, "Table", "RecordBatch")


def _is_arrow(x: Any, *names: str) -> bool:
    return type(x).__module__.startswith("pyarrow") and type(x).__name__ in names


def as_frame(x: Any, what: str = "x") -> pd.DataFrame:
    """Converts a table of any library to a DataFrame.

    Raises:
        InputError: the table is a query plan that was not collected, or cannot be converted.
    """
    import pandas as pd

    if isinstance(x, pd.DataFrame):
        return x
    if type(x).__name__ == "LazyFrame":
        raise InputError(f"{what} must be a table, not a plan for one (LazyFrame): pass its .collect()")
    if hasattr(x, "__arrow_c_stream__") or _is_arrow(x, "Table", "RecordBatch"):
        import pyarrow as pa

        try:
            table = x if isinstance(x, pa.Table) else pa.table(x)
        except pa.ArrowException as error:  # 128-bit integers
            raise InputError(
                f"{what} must have columns that pyarrow knows, but: {error!s:.200}; cast the column to another type"
            ) from None
        return _from_arrow(table, what)
    if hasattr(x, "to_pandas"):
        found: pd.DataFrame = x.to_pandas()
        return found
    raise InputError(f"{what} must be a DataFrame of pandas or polars or a table of pyarrow, not {type(x).__name__}")


def _from_arrow(table: Any, what: str) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    twice = [name for name, count in Counter(table.column_names).items() if count > 1]
    if twice:
        raise InputError(f"column names must differ, but {min(twice)!r} of {what} occurs twice: rename one")
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns[name] = _plain_arrow(column)
        except (pa.ArrowException, ValueError, TypeError) as error:
            zone = getattr(column.type, "tz", None)
            if zone:  # pandas would report a missing package
                raise InputError(
                    f"column {name!r} of {what} must have a time zone that is known here, not {zone!r:.60}: convert "
                    "it to UTC, or install tzdata if the name is right"
                ) from None
            raise InputError(
                f"column {name!r} of {what} must be of a type that pandas knows, not {column.type!s:.100} "
                f"({str(error).splitlines()[0]:.100}): cast it to numbers, dates or text, or leave it out"
            ) from None
    return pd.DataFrame(columns)


def _plain_arrow(column: Any) -> Any:
    """Converts an Arrow column to a pandas Series with plain cells."""
    import pandas as pd
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _from_codes(column)
    if _is_string(kind):
        return column.cast(pa.string()).to_pandas()
    if column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        missing = column.is_null().to_numpy()
        masked = pd.arrays.BooleanArray if pa.types.is_boolean(kind) else pd.arrays.IntegerArray
        return pd.Series(masked(column.fill_null(pa.scalar(0).cast(kind)).to_numpy(), missing))
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64()).to_pandas()
    return column.to_pandas()


def _from_codes(column: Any) -> pd.Series[Any]:
    """Converts a dictionary-encoded column: floats to numbers, everything else to categories.

    The dictionary is never expanded, since a long text may occur in every row.
    """
    import pandas as pd
    import pyarrow as pa

    kind = column.type.value_type
    plain = pa.string() if _is_string(kind) else kind
    if pa.types.is_floating(plain):
        return pd.Series(column.cast(plain).to_pandas())
    # Many chunks may share one dictionary, which is then encoded once; it may contain duplicates or a null.
    keys = [_identity(part.dictionary) for part in column.chunks]
    given = {key: part.dictionary for key, part in zip(keys, column.chunks, strict=True) if len(part.dictionary)}
    lists = {key: values.cast(plain) for key, values in given.items()}
    distinct = pa.chunked_array(list(lists.values()), plain).dictionary_encode()
    positions = dict(zip(lists, (part.indices for part in distinct.chunks), strict=True))
    empty = pa.array([], pa.int32())
    parts = [positions.get(key, empty).take(part.indices) for key, part in zip(keys, column.chunks, strict=True)]
    codes = pa.chunked_array(parts, pa.int32()).fill_null(-1).to_numpy()
    values = distinct.chunk(0).dictionary if distinct.num_chunks else pa.array([], plain)
    found = pd.Categorical.from_codes(codes, values.to_pandas()).remove_unused_categories()
    return pd.Series(found.reorder_categories(found.categories.sort_values()))


def _identity(array: Any) -> tuple[int, ...]:
    """A key that is equal for two arrays that view the same memory."""
    return (array.offset, len(array), *(buffer.address if buffer else 0 for buffer in array.buffers()))


def _is_string(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "string_view")


def as_array_of(y: Any) -> Any:
    """Converts a column of another library to a Series or an array; other values are returned unchanged."""
    if type(y).__module__.startswith("polars") and type(y).__name__ == "Series":
        import pyarrow as pa

        return _name(as_frame(pa.table({"y": y.to_arrow()})), y.name)
    if _is_arrow(y, "ChunkedArray") or (
        type(y).__module__.startswith("pyarrow") and type(y).__name__.endswith("Array")
    ):
        import pyarrow as pa

        return as_frame(pa.table({"y": y}))["y"]
    return y


def _name(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    return frame["y"].rename(name or None)


def plain_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with unusual cell types converted; the frame itself if it has none."""
    changed = {}
    for index in range(frame.shape[1]):
        series = frame.iloc[:, index]
        plain = plain_column(series)
        if plain is not series:
            changed[index] = plain
    if not changed:
        return frame
    import pandas as pd

    columns = {index: changed.get(index, frame.iloc[:, index]) for index in range(frame.shape[1])}
    made = pd.DataFrame(columns, index=frame.index)
    made.columns = frame.columns
    return made


def plain_column(series: pd.Series[Any]) -> pd.Series[Any]:
    """The column with plain cells; the column itself if its cells are plain."""
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        array: Any = series.array
        column = (
            pa.chunked_array([pa.array(array)]) if not hasattr(array, "__arrow_array__") else array.__arrow_array__()
        )
        found = as_frame(pa.table({"c": column}))["c"]
        return plain_column(pd.Series(found.array, index=series.index, name=series.name))
    if isinstance(dtype, pd.PeriodDtype):
        stamps: pd.Series[Any] = series.dt.to_timestamp()
        return stamps
    if isinstance(dtype, pd.IntervalDtype):
        return _texts_of(series)
    if isinstance(dtype, pd.SparseDtype):
        dense: pd.Series[Any] = pd.Series(np.asarray(series), index=series.index, name=series.name)
        return dense
    if isinstance(dtype, pd.CategoricalDtype):
        inner = dtype.categories.dtype
        if isinstance(inner, (pd.IntervalDtype, pd.PeriodDtype, pd.ArrowDtype)):
            return _texts_of(series).astype("category")
        return series
    if pd.api.types.is_timedelta64_dtype(series):
        spans: pd.Series[Any] = series.dt.total_seconds()
        return spans
    if pd.api.types.is_object_dtype(dtype):
        return _plain_objects(series)
    return series


def _texts_of(series: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    cells = [None if missing else str(cell) for cell, missing in zip(series.astype(object), series.isna(), strict=True)]
    return pd.Series(cells, index=series.index, name=series.name, dtype=object)


def _plain_objects(series: pd.Series[Any]) -> pd.Series[Any]:
    """Converts objects known to pandas: intervals and periods to text or dates, durations and times to seconds."""
    import pandas as pd

    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind == "interval":
        return _texts_of(series)
    if kind == "period":
        cells = [None if missing else cell.to_timestamp() for cell, missing in zip(series, series.isna(), strict=True)]
        return pd.Series(pd.to_datetime(pd.Series(cells, index=series.index)), name=series.name)
    if kind in ("timedelta", "timedelta64"):
        return pd.to_timedelta(series).dt.total_seconds()
    if kind == "time":
        cells = [
            np.nan if missing else cell.hour * 3600 + cell.minute * 60 + cell.second + cell.microsecond / 1e6
            for cell, missing in zip(series, series.isna(), strict=True)
        ]
        return pd.Series(cells, index=series.index, name=series.name, dtype=np.float64)
    return series
