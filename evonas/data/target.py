"""The target: inference of the task, and encoding of the values as numbers. Imports pandas inside functions only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import as_text, flags, kind_of, numbers, texts
from evonas.data.columns import describe_mixed_column
from evonas.data.notation import PLAIN
from evonas.data.read_options import Style
from evonas.data.written import convert_column, detect_notation
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TASKS", "Target", "check_absent", "infer_target"]

#: Valid tasks; "classification" is binary or multiclass, depending on the number of classes.
TASKS = ("regression", "binary", "multiclass", "classification")

#: Integers with at most this many distinct values, each in ROWS_A_CLASS rows on average, are classes.
MOST_NUMBER_CLASSES = 20
ROWS_A_CLASS = 10


@dataclass(frozen=True, eq=False)
class Target:
    """The prediction task and its target values.

    Attributes:
        task: "regression", "binary" or "multiclass".
        names: names of the target columns.
        values: float64 `(num_samples, num_targets)` for regression; otherwise class indices, intp `(num_samples,)`.
        classes: labels as text in the order of the class indices; the second class of a binary task is the positive
            one.
        label_type: original type of the labels: "text", "integer", "number" or "boolean"; empty for regression.
        notes: messages for the user about how the target was read.
    """

    task: str
    names: tuple[str, ...]
    values: NDArray[Any]
    classes: tuple[str, ...] = ()
    label_type: str = ""
    notes: tuple[str, ...] = ()


def infer_target(columns: pd.DataFrame, task: str | None = None, style: Style | None = None) -> Target:
    """Infers the task and encodes the values.

    Several target columns are a multi-output regression, unless each row has a single 1 among zeros: then they are
    classes. One column is a classification if it holds text, booleans, two distinct integers, or integers with at most
    20 distinct values and at least 10 rows per value; otherwise it is a regression. `task` overrides the inference.

    Args:
        columns: the target columns, shape `(num_samples, num_targets)`.
        task: one of `TASKS`, or None to infer it.
        style: notation of numbers in text, if known.

    Raises:
        InputError: a value is missing or infinite, the target is constant, text where numbers are needed, or a class
            has a single row.
    """
    import pandas as pd

    if task is not None and task not in TASKS:
        raise InputError(f"task must be one of {', '.join(TASKS)}, not {task!r}")
    style = style or Style()
    for name in columns.columns:
        _check_present(columns[name])
    if columns.shape[1] > 1:
        return _several(columns, task, style)
    series = columns.iloc[:, 0]
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)  # labels have the type of the categories
        holds_classes = True
    else:
        holds_classes = False
    written = detect_notation(series, style, "numeric" if task == "regression" else None)
    if written is None or written.notation is None:
        if task == "regression" or (task is None and not holds_classes and not _holds_classes(series)):
            return _regression(columns)
        return _classification(series, task)
    read = convert_column(series, written)
    example = next(cell for cell in texts(series) if cell is not None)
    note = f"target {str(series.name)!r} is read as {written.notation.words(example)}"
    notes = () if style.in_file and written.notation == PLAIN else (note,)
    _check_present(read)
    if task == "regression" or (task is None and not holds_classes and not _holds_classes(read)):
        return replace(_regression(read.to_frame()), notes=notes)
    if style.in_file and written.notation != PLAIN:
        return replace(_classification(read, task), notes=notes)
    return _classification(series, task)  # labels stay text


def _several(columns: pd.DataFrame, task: str | None, style: Style) -> Target:
    """The target in several columns: of a regression, or one-hot encoded classes."""
    if task == "regression":
        return _regression(_read(columns, style))
    if not all(kind_of(columns[name]) in ("number", "boolean") for name in columns.columns):
        read = _read(columns, style)
        if all(kind_of(read[name]) == "number" for name in read.columns) and task is None:
            return _regression(read)
        wrong = next(str(name) for name in read.columns if kind_of(read[name]) not in ("number", "boolean"))
        raise InputError(
            f"several target columns must hold numbers, but {wrong!r} holds text such as "
            f"{texts(read[wrong])[0]!r:.40}: name one column; for several labels per row, search each separately"
        )
    values = np.stack([flags(columns[name]) for name in columns.columns], axis=1)
    if not np.isin(values, (0.0, 1.0)).all():
        if task is not None:
            raise InputError(
                f"a {task} target must be one column, or columns of 0 and 1 with a single 1 per row, not "
                f"{columns.shape[1]} columns: name one, or ask for regression"
            )
        return _regression(columns)
    if not (values.sum(axis=1) == 1).all():
        row = int((values.sum(axis=1) != 1).argmax())
        raise InputError(
            f"target columns of 0 and 1 must have a single 1 per row, which marks its class, but data row {row + 1} "
            f"has {int(values[row].sum())}: several labels per row are not supported; search each separately, or "
            "ask for task 'regression' to predict them as numbers"
        )
    return _one_hot(columns, values.argmax(axis=1), task)


def _read(columns: pd.DataFrame, style: Style) -> pd.DataFrame:
    """The columns, with numbers in text converted."""
    read = columns.copy()
    for name in columns.columns:
        written = detect_notation(columns[name], style, "numeric")
        if written is not None:
            read[name] = convert_column(columns[name], written)
    return read


def _one_hot(columns: pd.DataFrame, indices: NDArray[np.intp], task: str | None) -> Target:
    """Decodes one-hot encoded classes, which are labelled by the names of the columns, or by numbers if there are no
    names.
    """
    import pandas as pd

    names = [str(name) for name in columns.columns]
    nameless = names == [f"y{index}" for index in range(len(names))]
    labels = indices if nameless else np.array(names, dtype=object)[indices]
    target = _classification(pd.Series(labels, name="y"), task)
    how = f"numbers 0 to {len(names) - 1}" if nameless else "names of columns"
    note = f"the target's {len(names)} columns have one 1 per row: treated as classes, with the {how} as labels"
    return replace(target, notes=(note,))


def check_absent(columns: pd.DataFrame, absent: Mapping[str, tuple[str, int]]) -> None:
    """Raises InputError for a target in which a word was read as "no value"; the message names the word.

    Args:
        columns: the target columns.
        absent: column -> the word and its row.
    """
    for name, (word, row) in absent.items():
        missing = int(columns[name].isna().sum())
        if missing:
            raise InputError(
                f"target {name!r} must have a value in every row, but {missing} of {len(columns)} are missing, such as "
                f"{word!r} in data row {row}: remove these rows, or, if {word!r} is a class, specify which words mean "
                "that a value is missing (--missing '?'; missing=['?'])"
            )


def _check_present(series: pd.Series[Any]) -> None:
    name = str(series.name)
    kind = kind_of(series)
    if kind == "number":
        missing = np.isnan(numbers(series))
    else:
        missing = np.array([cell is None for cell in texts(series)], dtype=bool)
    if missing.all():
        raise InputError(f"target {name!r} must have a value in every row, but has none: name another column")
    if missing.any():
        raise InputError(
            f"target {name!r} must have a value in every row, but {missing.sum()} of {len(missing)} are missing (NaN "
            f"or empty; the first in data row {missing.argmax() + 1}): remove these rows or fill them in"
        )


def _holds_classes(series: pd.Series[Any]) -> bool:
    kind = kind_of(series)
    if kind != "number":
        return kind != "date"
    values = numbers(series)
    if (values != np.floor(values)).any():
        return False
    distinct = len(np.unique(values))
    return distinct == 2 or (distinct <= MOST_NUMBER_CLASSES and len(values) >= ROWS_A_CLASS * distinct)


def _regression(columns: pd.DataFrame) -> Target:
    values = []
    for name in columns.columns:
        series = columns[name]
        kind = kind_of(series)
        if kind not in ("number", "boolean"):
            raise InputError(
                f"a regression target must hold numbers, but {str(name)!r} holds {kind} such as "
                f"{texts(series)[0]!r:.40}: name another column, or ask for task 'classification'"
            )
        values.append(numbers(series) if kind == "number" else flags(series))
        _check_varied(str(name), len(np.unique(values[-1])), float(values[-1][0]))
    return Target("regression", tuple(map(str, columns.columns)), np.stack(values, axis=1))


def _check_varied(name: str, distinct: int, value: Any) -> None:
    if distinct == 1:
        raise InputError(
            f"target {name!r} must have at least two different values, not only {value!r}: there is nothing to learn; "
            "name another column"
        )


def _classification(series: pd.Series[Any], task: str | None) -> Target:
    name = str(series.name)
    labels, codes, label_type = _labels(series)
    _check_varied(name, len(labels), labels[0])
    counts = np.bincount(codes)
    if (
        counts.min() < 2
        and label_type == "text"
        and (warning := describe_mixed_column(texts(series), "correct it, or leave out such rows"))
    ):
        raise InputError(f"target {name!r} must be numbers or classes, but {warning}")
    if len(labels) == len(codes):
        raise InputError(
            f"a classification target must have fewer classes than rows, but {name!r} has {len(labels)} classes in "
            f"{len(codes)} rows: name another column, or ask for task 'regression' if it holds numbers"
        )
    if counts.min() < 2:
        single = [label for label, count in zip(labels, counts, strict=True) if count == 1]
        raise InputError(
            f"every class of target {name!r} must have at least 2 rows, but {_list(single)} only 1: add rows, merge "
            "classes or remove these rows; for numbers that are not classes ask for task 'regression'"
        )
    found = "binary" if len(labels) == 2 else "multiclass"
    if task == "binary" and found != "binary":
        raise InputError(
            f"a binary target must have 2 classes, but {name!r} has {len(labels)} ({_list(labels)}): ask for task "
            "'multiclass' or merge classes"
        )
    task = "multiclass" if task == "multiclass" else found
    return Target(task, (name,), codes.astype(np.intp), tuple(labels), label_type)


def _labels(series: pd.Series[Any]) -> tuple[list[str], NDArray[np.intp], str]:
    """The labels as text, sorted in their own type, each row's index among them, and the type."""
    import pandas as pd

    kind = kind_of(series)
    if kind == "number":
        whole = pd.api.types.is_integer_dtype(series) or (
            series.dtype == object and pd.api.types.infer_dtype(series) == "integer"
        )
        given = series.astype(object).to_numpy() if whole else numbers(series)
        values, codes = np.unique(given, return_inverse=True)
        return [str(int(v)) if whole else as_text(v) for v in values], codes, "integer" if whole else "number"
    if kind == "boolean":
        values, codes = np.unique(flags(series), return_inverse=True)
        return [str(value == 1) for value in values], codes, "boolean"
    values, codes = np.unique(texts(series).astype(str), return_inverse=True)
    return [str(value) for value in values], codes, "text"


def _list(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    return shown + (f" and {len(labels) - 5} more have" if len(labels) > 5 else " has" if len(labels) == 1 else " have")
