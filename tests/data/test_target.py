"""The task that follows from a target, and the targets that are refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.target import infer_target
from genomes.errors import InputError

TARGETS: dict[str, tuple[list[Any], str, tuple[str, ...]]] = {
    "floats": ([0.1 * n for n in range(40)], "regression", ()),
    "many whole numbers": (list(range(40)), "regression", ()),
    "few rows of whole numbers": ([1, 2, 3] * 9, "regression", ()),
    "few whole numbers": ([1, 2, 3] * 10, "multiclass", ("1", "2", "3")),
    "whole floats": ([0.0, 1.0, 2.0] * 10, "multiclass", ("0", "1", "2")),
    "two whole numbers": ([5, -5, 5, -5], "binary", ("-5", "5")),
    "two halves": ([0.5, 1.5, 0.5, 1.5], "regression", ()),
    "booleans": ([True, False, True, False], "binary", ("False", "True")),
    "yes and no": (["yes", "no", "yes", "no"], "binary", ("no", "yes")),
    "words": (["b", "a", "c", "c", "b", "a"], "multiclass", ("a", "b", "c")),
    "text of numbers": (["01", "02", "01", "02"], "binary", ("01", "02")),
}


@pytest.mark.parametrize(("cells", "task", "classes"), TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("dtype", [None, "object", "category"])
def test_task(cells: list[Any], task: str, classes: tuple[str, ...], dtype: str | None) -> None:
    series = pd.Series(cells).astype(dtype) if dtype else pd.Series(cells)
    if dtype == "category" and task == "regression":
        pytest.skip("categories are never a regression")
    target = infer_target(series.to_frame("y"))
    assert (target.task, target.classes) == (task, classes)
    if task == "regression":
        assert target.values.tolist() == [[value] for value in cells]
    elif dtype != "category":
        labels = [str(cell).removesuffix(".0") for cell in cells]
        assert [classes[code] for code in target.values] == labels


def test_requested_task() -> None:
    numbers = pd.DataFrame({"y": [1, 2, 3] * 4})
    assert infer_target(numbers, "classification").task == "multiclass"
    assert infer_target(numbers, "regression").task == "regression"
    flags = pd.DataFrame({"y": [True, False] * 3})
    assert infer_target(flags, "multiclass").task == "multiclass"
    assert infer_target(flags, "regression").values.tolist() == [[1.0], [0.0]] * 3
    assert infer_target(pd.DataFrame({"a": [1, 2, 1], "b": [0.5, 1, 2]})).values.shape == (3, 2)


BAD: dict[str, tuple[dict[str, list[Any]], str | None, list[str]]] = {
    "constant numbers": ({"y": [3, 3, 3]}, None, ["'y'", "two different values", "name another"]),
    "constant text": ({"y": ["a", "a"]}, None, ["'y'", "two different values", "'a'"]),
    "missing": ({"y": [1.5, None, np.nan]}, None, ["'y'", "2 of 3", "data row 2", "remove these rows"]),
    "missing text": ({"y": ["a", "", "b"]}, None, ["'y'", "1 of 3", "data row 2"]),
    "a word among numbers": (
        {"y": ["1.5", "2.5", "3.5", "abc", "5.5", "6.5"]},
        None,
        ["'y'", "5 of its 6 values are numbers", "'abc' (data row 4)", "correct it"],
    ),
    "all missing": ({"y": [None, None]}, None, ["'y'", "has none", "name another column"]),
    "infinite": ({"y": [1.5, np.inf, 2]}, None, ["'y'", "finite", "inf", "data row 2", "correct"]),
    "as many classes as rows": ({"y": ["a", "b", "c"]}, None, ["'y'", "3 classes in 3 rows", "regression"]),
    "classes of numbers": ({"y": [0.5, 1.5, 2.5]}, "classification", ["3 classes in 3 rows", "task 'regression'"]),
    "single row of a class": ({"y": ["a", "a", "b", "b", "c"]}, None, ["2 rows", "'c' has only 1", "merge"]),
    "text for a regression": ({"y": ["a", "b", "a"]}, "regression", ["'y'", "numbers", "'a'", "classification"]),
    "three for binary": ({"y": [1, 2, 3, 1, 2, 3]}, "binary", ["2 classes", "has 3", "multiclass"]),
    "dates": ({"y": ["2024-01-01", "2024-01-02"]}, "regression", ["date", "2024-01-01"]),
    "two columns of classes": ({"a": [0, 1, 2], "b": [1, 0, 1]}, "binary", ["one column", "2", "regression"]),
    "several labels a row": ({"a": [0, 1, 1], "b": [1, 0, 1]}, None, ["data row 3 has 2", "separately", "regression"]),
    "two columns with text": ({"a": [0, 1], "b": ["x", "y"]}, None, ["'b'", "numbers"]),
    "no such task": ({"y": [0, 1]}, "ranking", ["regression, binary", "'ranking'"]),
}


@pytest.mark.parametrize(("columns", "task", "said"), BAD.values(), ids=BAD)
def test_a_bad_target_is_refused(columns: dict[str, list[Any]], task: str | None, said: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        infer_target(pd.DataFrame(columns), task)
    for words in said:
        assert words in str(refusal.value)
