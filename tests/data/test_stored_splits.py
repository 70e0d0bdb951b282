"""Stored targets and weights that contradict their problem are refused: kernels would access memory out of bounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evonas.data.prepared import PreparedData
from genomes.errors import InputError
from tests.training.networks import data


@pytest.mark.parametrize("kind", ["regression", "multi", "binary", "multiclass"])
@pytest.mark.parametrize("weighted", [False, True])
def test_splits_written_by_evonas_are_read(tmp_path: Path, kind: str, weighted: bool) -> None:
    written = data(kind, weighted=weighted)
    written.save(tmp_path / "data.npz")
    (read,), (split,) = PreparedData.load(tmp_path / "data.npz").splits, written.splits
    np.testing.assert_array_equal(read.y_train, split.y_train)
    assert (read.weight_train is not None) == weighted


@pytest.mark.parametrize(
    ("kind", "name", "change", "words"),
    [
        ("multiclass", "y_train", lambda y: y + 3, "classes 3 to 5 are not those of 3 outputs"),
        ("multiclass", "y_validation", lambda y: -y - 1, "classes -3 to -1"),
        ("multiclass", "y_train", lambda y: y.astype("f4"), "not class numbers"),
        ("multiclass", "y_train", lambda y: y[:, None], "not class numbers"),
        ("binary", "y_train", lambda y: y * 9, "not 0 or 1"),
        ("binary", "y_train", lambda y: y[:, 0], "not for 1 outputs"),
        ("multi", "y_validation", lambda y: y[:, :1], "not for 2 outputs"),
        ("multi", "y_train", lambda y: y * np.nan, "not finite"),
        ("multi", "weight_train", lambda y: -(y[:, 0] ** 2), "negative"),
        ("multi", "weight_train", lambda y: y, "do not match 150 rows"),
    ],
)
def test_targets_and_weights_of_another_problem_are_refused(tmp_path, kind, name, change, words) -> None:
    given = data(kind)
    (split,) = given.splits
    source = split.y_validation if name == "y_validation" else split.y_train
    replace(given, splits=(replace(split, **{name: change(source)}),)).save(tmp_path / "data.npz")
    with pytest.raises(InputError, match=words):
        PreparedData.load(tmp_path / "data.npz")


def test_test_targets_are_checked_too(tmp_path: Path) -> None:
    given = data("multiclass")
    assert given.y_test is not None
    replace(given, y_test=given.y_test + 3).save(tmp_path / "data.npz")
    with pytest.raises(InputError, match="classes 3 to 5"):
        PreparedData.load(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("regression", {"task": "nonsense"}, "is not a task"),
        ("regression", {"target_std": ()}, "not those of 1 outputs"),
        ("regression", {"target_std": (0.0,)}, "not those of 1 outputs"),
        ("regression", {"target_mean": (float("nan"),)}, "not those of 1 outputs"),
        ("binary", {"classes": ("a",)}, "1 classes"),
        ("multiclass", {"classes": ("a", "b", "c", "d")}, "4 classes"),
    ],
)
def test_outputs_are_those_of_the_target(tmp_path: Path, kind: str, changes: dict, words: str) -> None:
    given = data(kind)
    replace(given, problem=replace(given.problem, **changes)).save(tmp_path / "data.npz")
    with pytest.raises(InputError, match=words):
        PreparedData.load(tmp_path / "data.npz")
