"""Gradient boosting and the linear model on prepared tables: which rows they see and which rows they are scored on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from evonas.baselines import fitting
from evonas.baselines.features import tree_columns
from evonas.data.load import read_data
from evonas.data.prepared import PreparedData
from evonas.runs.baselines import BaselineModel


def table(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=rows), "kind": rng.choice(list("xyz"), rows)})
    frame["gap"] = np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows))
    frame["y"] = np.where(frame["kind"] == "x", 3.0, -1.0) * np.abs(frame["a"]) + frame["gap"].fillna(4.0)
    return frame


def prepare(frame: pd.DataFrame, target: Any = "y", **options: Any) -> PreparedData:
    return read_data(frame, target, seed=0, **{"folds": None, **options})[0]


def last(data: PreparedData, seconds: float = float("inf")) -> dict[str, BaselineModel]:
    return {model.name: model for model in fitting.fit_baselines(data, seconds=seconds)}


def test_trees_see_categories_as_codes_and_gaps_as_gaps():
    frame = table()
    data = prepare(frame)
    assert data.preparation is not None
    columns = tree_columns(data)
    found = columns.apply(data.preparation.apply(frame))
    assert found.shape == (300, 3)
    assert columns.categorical == [0]
    assert len(pd.crosstab(found[:, 0], frame["kind"]).to_numpy().nonzero()[0]) == 3  # one code per category
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), frame["gap"].isna())


def test_boosting_beats_the_linear_model_where_columns_interact():
    found = last(prepare(table()))
    boosting, linear = found["gradient boosting"], found["linear model"]
    assert boosting.complete
    assert boosting.about.startswith("HistGradientBoostingRegressor, ")
    assert linear.about == "Ridge"
    assert boosting.validation["rmse"] < 0.8 * linear.validation["rmse"]
    assert boosting.test["rmse"] < linear.test["rmse"]


def test_where_the_final_model_learns_from_validation_rows_so_do_the_tested_baselines():
    data = prepare(table())
    plain, again = last(data), {model.name: model for model in fitting.fit_baselines(data, all_rows=True)}
    (split,) = data.splits
    for name, model in again.items():
        assert model.validation == plain[name].validation  # no model was trained on these rows
        assert model.test != plain[name].test
        assert model.about == f"{plain[name].about}; tested after training on all rows"
    joined = replace(
        data,
        splits=(
            replace(
                split,
                x_train=np.concatenate([split.x_train, split.x_validation]),
                y_train=np.concatenate([split.y_train, split.y_validation]),
            ),
        ),
    )
    assert again["linear model"].test == pytest.approx(last(joined)["linear model"].test)


def with_labels(frame: pd.DataFrame, classes: int) -> pd.DataFrame:
    names: NDArray[Any] = np.array(["low", "mid", "high"])[-classes:]
    return frame.assign(y=names[pd.qcut(frame["y"], classes, labels=False)])


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("frame", "options"),
    [
        (with_labels(table(), 2), {}),
        (with_labels(table(), 3), {"class_weight": "balanced"}),
        (with_labels(table(), 3), {"folds": 3}),
        (table(), {"folds": 3}),
        (table().assign(words=["good day", "bad night", "good night"] * 100), {"roles": {"words": "text"}}),
    ],
    ids=["binary", "weighted", "folds of classes", "folds", "text"],
)
def test_every_kind_of_table_has_scores(frame: pd.DataFrame, options: dict[str, Any]):
    data = prepare(frame, **options)
    for model in last(data).values():
        assert model.validation
        assert model.validation.keys() == model.test.keys()
        assert model.rows == len(data.splits[0].y_train)


def test_each_of_several_targets_has_a_model():
    frame = table()
    frame["z"] = -frame["y"]
    data = prepare(frame, frame.pop("y").to_frame().assign(z=frame.pop("z")))
    assert data.problem.num_outputs == 2
    assert last(data)["gradient boosting"].test["r2"] > 0.5


@pytest.mark.soak
def test_row_weights_have_an_effect():
    data = prepare(table())
    split = data.splits[0]
    weight = (np.asarray(split.y_train)[:, 0] > 0).astype(np.float32)
    weighted = replace(data, splits=(replace(split, weight_train=weight),))
    for name, model in last(weighted).items():
        assert model.validation["rmse"] > last(data)[name].validation["rmse"]


def test_many_rows_are_sampled_and_a_time_limit_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fitting, "MOST_ROWS", 50)
    found = last(prepare(table()), seconds=0.0)
    assert {model.rows for model in found.values()} == {50}
    assert not found["gradient boosting"].complete
    assert found["gradient boosting"].test


@pytest.mark.soak
def test_a_class_without_a_training_row_stops_nothing():
    data = prepare(with_labels(table(), 3))
    split = data.splits[0]
    known = split.y_train != 2
    fewer = replace(split, x_train=np.asarray(split.x_train)[known], y_train=split.y_train[known])
    found = last(replace(data, splits=(fewer,)))
    assert all(np.isfinite(model.test["log_loss"]) for model in found.values())


def test_texts_get_a_bag_of_words_and_no_trees():
    rng = np.random.default_rng(0)
    words = np.array(["great", "awful", "film", "plot", "scene", "music"])
    texts = [" ".join([words[row % 2], *rng.choice(words[2:], 4)]) for row in range(200)]
    data = prepare(texts, np.arange(200) % 2)
    found = last(data)
    assert set(found) == {"linear model"}
    assert found["linear model"].about == "LogisticRegression over TF-IDF"
    assert found["linear model"].test["accuracy"] > 0.95
    regression = last(prepare(texts, np.arange(200) % 2 + rng.normal(0, 0.1, 200)))["linear model"]
    assert regression.about == "Ridge over TF-IDF"
    assert regression.test["r2"] > 0.5


def test_images_of_many_pixels_have_no_trees(monkeypatch: pytest.MonkeyPatch):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 5, 4, 3)).astype(np.uint8)
    pixels[::2] //= 4
    data = prepare(pixels, np.arange(60) % 2)
    assert set(last(data)) == {"linear model", "gradient boosting"}
    monkeypatch.setattr(fitting, "MOST_PIXELS", 59)
    assert set(last(data)) == {"linear model"}
