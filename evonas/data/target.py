"""The target: which task it makes, and its values as numbers. Imports pandas inside functions only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import as_text, flags, kind_of, numbers, texts
from evonas.data.columns import mixed
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TASKS", "Target", "infer_target"]

#: What may be asked for; "classification" is binary or multiclass, whichever the classes say.
TASKS = ("regression", "binary", "multiclass", "classification")

#: Whole numbers with at most this many different values, each in ROWS_A_CLASS rows on average, are classes.
MOST_NUMBER_CLASSES = 20
ROWS_A_CLASS = 10


@dataclass(frozen=True, eq=False)
class Target:
    """What is predicted, row by row.

    Attributes:
        task: "regression", "binary" or "multiclass".
        names: of the target columns.
        values: float64 `(num_samples, num_targets)` for regression; class numbers, intp `(num_samples,)`, otherwise.
        classes: labels as text in the order of the class numbers; the second of a binary task is the positive class.
    """

    task: str
    names: tuple[str, ...]
    values: NDArray[Any]
    classes: tuple[str, ...] = ()


def infer_target(columns: pd.DataFrame, task: str | None = None) -> Target:
    """Decides the task and codes the values.

    Several target columns make a multi-output regression. One column is a classification if it holds text or booleans,
    two different whole numbers, or whole numbers with at most 20 different values and at least 10 rows a value;
    otherwise it is a regression. `task` overrides.

    Args:
        columns: the target columns, shape `(num_samples, num_targets)`.
        task: one of `TASKS`, or None to infer it.

    Raises:
        InputError: a value is missing or infinite, the target is constant, text where numbers are needed, or a class
            has a single row.
    """
    if task is not None and task not in TASKS:
        raise InputError(f"task must be one of {', '.join(TASKS)}, not {task!r}")
    for name in columns.columns:
        _check_present(columns[name])
    if columns.shape[1] > 1:
        if task not in (None, "regression"):
            raise InputError(
                f"a {task} target must be one column, not {columns.shape[1]}: name one, or ask for regression"
            )
        return _regression(columns)
    series = columns.iloc[:, 0]
    if task == "regression" or (task is None and not _holds_classes(series)):
        return _regression(columns)
    return _classification(series, task)


def _check_present(series: pd.Series[Any]) -> None:
    name = str(series.name)
    kind = kind_of(series)
    if kind == "number":
        missing = np.isnan(numbers(series))
    else:
        missing = np.array([cell is None for cell in texts(series)], dtype=bool)
    if missing.all():
        raise InputError(f"target {name!r} must have a value in every row, but has none at all: name another column")
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
        _check_varied(str(name), len(np.unique(values[-1])), values[-1][0])
    return Target("regression", tuple(map(str, columns.columns)), np.stack(values, axis=1))


def _check_varied(name: str, distinct: int, value: Any) -> None:
    if distinct == 1:
        raise InputError(
            f"target {name!r} must have at least two different values, not only {value!r}: there is nothing to learn; "
            "name another column"
        )


def _classification(series: pd.Series[Any], task: str | None) -> Target:
    name = str(series.name)
    kind = kind_of(series)
    if kind == "number":
        values, codes = np.unique(numbers(series), return_inverse=True)
        labels = [as_text(value) for value in values]
    elif kind == "boolean":
        values, codes = np.unique(flags(series), return_inverse=True)
        labels = [str(value == 1) for value in values]
    else:
        values, codes = np.unique(texts(series).astype(str), return_inverse=True)
        labels = [str(value) for value in values]
    _check_varied(name, len(labels), labels[0])
    counts = np.bincount(codes)
    if counts.min() < 2 and kind == "text" and (said := mixed(texts(series), "correct it, or leave out such rows")):
        raise InputError(f"target {name!r} must be numbers or classes, but {said}")
    if len(labels) == len(codes):
        raise InputError(
            f"a classification target must have fewer classes than rows, but {name!r} has {len(labels)} classes in "
            f"{len(codes)} rows: name another column, or ask for task 'regression' if it holds numbers"
        )
    if counts.min() < 2:
        single = [label for label, count in zip(labels, counts, strict=True) if count == 1]
        raise InputError(
            f"every class of target {name!r} must have at least 2 rows, but {_listed(single)} only 1: add rows, merge "
            "classes or remove these rows; for numbers that are no classes ask for task 'regression'"
        )
    found = "binary" if len(labels) == 2 else "multiclass"
    if task == "binary" and found != "binary":
        raise InputError(
            f"a binary target must have 2 classes, but {name!r} has {len(labels)} ({_listed(labels)}): ask for task "
            "'multiclass' or merge classes"
        )
    task = "multiclass" if task == "multiclass" else found
    return Target(task, (name,), codes.astype(np.intp), tuple(labels))


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    return shown + (f" and {len(labels) - 5} more have" if len(labels) > 5 else " has" if len(labels) == 1 else " have")
