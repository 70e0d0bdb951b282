"""From raw rows to `PreparedData`: shapes, encoding, what is never fitted, saving, fingerprints, refusals."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evonas.data.prepare import Preparation, prepare_arrays, prepare_table
from evonas.data.prepared import PreparedData, Split
from evonas.data.readers.csv import read_table
from genomes.errors import InputError
from tests.reliability.counts import count

TARGETS = {
    "california_housing": ("median_house_value", "regression", 14),
    "kin8nm": ("y", "regression", 8),
    "power_plant": ("energy_output", "regression", 4),
    "concrete": ("strength_mpa", "regression", 8),
    "titanic": ("Survived", "binary", 13),
}


def table(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "c": rng.choice(list("xyz"), rows)})
    frame.loc[rng.choice(rows, 10, replace=False), "b"] = np.nan
    frame["price"] = 1000 + 50 * frame["a"] + rng.normal(size=rows)
    frame["kind"] = rng.choice(["red", "green", "blue"], rows, p=[0.6, 0.3, 0.1])
    return frame


def arrays_of(data: PreparedData) -> dict[str, Any]:
    found = {"x_test": data.x_test, "y_test": data.y_test}
    for number, split in enumerate(data.splits):
        found |= {f"{number}/{name}": value for name, value in vars(split).items()}
    return found


def assert_same(one: PreparedData, other: PreparedData) -> None:
    assert (one.problem, one.preparation, one.notes, one.fingerprint) == (
        *(other.problem, other.preparation, other.notes, other.fingerprint),
    )
    assert arrays_of(one).keys() == arrays_of(other).keys()
    for name, value in arrays_of(one).items():
        np.testing.assert_array_equal(value, arrays_of(other)[name])


def check(data: PreparedData) -> None:
    """Checks the invariants of `Split` and `PreparedData`."""
    problem = data.problem
    assert len(problem.feature_names) == problem.num_features
    parts = [(s.x_train, s.y_train) for s in data.splits] + [(s.x_validation, s.y_validation) for s in data.splits]
    if data.x_test is not None and data.y_test is not None:
        parts.append((data.x_test, data.y_test))
    for x, y in parts:
        assert x.dtype == np.float32
        assert np.isfinite(x).all()
        assert x.shape == (len(y), problem.num_features)
        assert len(x)
        if problem.task == "multiclass":
            assert y.dtype == np.int32
            assert y.shape == (len(x),)
        else:
            assert y.dtype == np.float32
            assert y.shape == (len(x), problem.num_outputs)


@pytest.mark.parametrize("folds", [None, 4])
def test_real_tables(real_files: list[Path], folds: int | None) -> None:
    for path in real_files:
        target, task, num_features = TARGETS[path.stem]
        frame = read_table(path)
        data = prepare_table(frame, target, seed=0, folds=folds)
        check(data)
        assert (data.problem.task, data.problem.num_features) == (task, num_features)
        assert len(data.splits) == (folds or 1)
        if path.stem == "titanic":
            assert data.problem.classes == ("0", "1")
            assert len(data.notes) == 5
        if path.stem == "california_housing":
            assert "total_bedrooms:missing" in data.problem.feature_names


@pytest.mark.parametrize(
    ("target", "task", "outputs"),
    [("price", "regression", 1), ("kind", "multiclass", 3), (["price", "a"], "regression", 2)],
)
def test_table(target: Any, task: str, outputs: int, tmp_path: Path) -> None:
    data = prepare_table(table(), target, seed=1)
    check(data)
    assert (data.problem.task, data.problem.num_outputs) == (task, outputs)
    assert [len(data.splits[0].x_train), len(data.splits[0].x_validation)] == [72, 24]
    data.save(tmp_path / "data.npz")
    assert_same(PreparedData.load(tmp_path / "data.npz"), data)
    assert_same(prepare_table(table(), target, seed=1), data)


def test_regression_targets_are_standardised_by_the_training_rows() -> None:
    data = prepare_table(table(), "price", seed=1)
    split = data.splits[0]
    assert split.y_train.mean() == pytest.approx(0, abs=1e-6)
    assert split.y_train.std() == pytest.approx(1, abs=1e-6)
    back = split.y_validation * data.problem.target_std + data.problem.target_mean
    assert set(back[:, 0].round(2)) <= set(table()["price"].round(2))


def test_only_training_rows_are_fitted() -> None:
    # Row numbers pass through the preparation in a column that is only scaled.
    frame = table().assign(place=np.arange(120) + 0.5)
    data = prepare_table(frame, "price", seed=1)
    column = data.problem.feature_names.index("place")
    assert data.preparation is not None
    step = next(step for step in data.preparation.steps if step.column == "place")
    places = data.splits[0].x_train[:, column] * step.std + step.mean - 0.5  # type: ignore[union-attr]
    train = places.round().astype(int)
    assert step.mean == pytest.approx(frame["place"][train].mean())  # type: ignore[union-attr]
    changed = frame.copy()
    others = np.setdiff1d(np.arange(120), train)
    changed.loc[others, ["a", "b", "place"]] = changed.loc[others, ["a", "b", "place"]] * 100 + 7
    changed.loc[others, "price"] += 1e4
    changed.loc[others, "c"] = "elsewhere"
    again = prepare_table(changed, "price", seed=1)
    assert again.preparation == data.preparation
    assert again.problem == data.problem
    np.testing.assert_array_equal(again.splits[0].x_train, data.splits[0].x_train)
    assert again.fingerprint != data.fingerprint


def test_each_fold_has_its_own_fit_and_the_test_rows_none() -> None:
    frame = table(60).assign(c=["rare"] + ["x", "y"] * 29 + ["x"])
    data = prepare_table(frame, "price", seed=1, folds=3)
    check(data)
    for split in data.splits:
        a = split.x_train[:, data.problem.feature_names.index("a")]
        assert a.mean() == pytest.approx(0, abs=1e-6)
        assert a.std() == pytest.approx(1, abs=1e-6)


def test_features_know_their_categorical_columns() -> None:
    rng = np.random.default_rng(0)
    kinds = {"a": rng.choice(list("xyz"), 60), "b": rng.normal(size=60), "c": rng.choice(list("uvw"), 60)}
    problem = prepare_table(pd.DataFrame({**kinds, "y": rng.normal(size=60)}), "y", seed=0).problem
    assert problem.categorical == (0, 0, 0, -1, 1, 1, 1)
    assert problem.for_views("standard").categorical == problem.categorical
    assert prepare_table(pd.DataFrame({"b": kinds["b"], "y": kinds["b"]}), "y", seed=0).problem.categorical == ()


def test_weights() -> None:
    frame = table().assign(w=np.linspace(0, 1, 120))
    data = prepare_table(frame, "kind", seed=1, sample_weight="w", class_weight={"red": 1, "green": 2, "blue": 3})
    split = data.splits[0]
    assert "w" not in data.problem.feature_names
    assert split.weight_train is not None
    assert split.weight_train.dtype == np.float32
    assert split.weight_train.max() <= 3
    assert data.problem.classes == ("blue", "green", "red")
    as_array = prepare_table(frame.drop(columns="w"), "kind", seed=1, sample_weight=frame["w"]).splits[0].weight_train
    assert as_array is not None
    np.testing.assert_allclose(split.weight_train, as_array * np.array([3, 2, 1])[split.y_train])
    balanced = prepare_table(frame, "kind", seed=1, class_weight="balanced").splits[0].weight_train
    assert balanced is not None
    sums = np.bincount(split.y_train, balanced)
    np.testing.assert_allclose(sums, 24, rtol=1e-5)


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_arrays_lists_and_series_agree(task: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    y = {"regression": x[:, 0], "binary": (x[:, 0] > 0) * 1, "multiclass": rng.choice(list("abc"), 60)}[task]
    data = prepare_arrays(x, y, seed=0)
    check(data)
    assert data.problem.task == task
    assert data.problem.feature_names == ("x0", "x1", "x2")
    assert_same(prepare_arrays(x.tolist(), y.tolist(), seed=0), data)
    assert_same(prepare_arrays(x, y[:, None], seed=0), data)
    shuffled_index = np.arange(60)[::-1]
    frame, series = pd.DataFrame(x, index=shuffled_index), pd.Series(y, index=shuffled_index)
    for one, other in zip(data.splits, prepare_arrays(frame, series, seed=0).splits, strict=True):
        np.testing.assert_array_equal(one.x_train, other.x_train)
        np.testing.assert_array_equal(one.y_train, other.y_train)


def test_mixed_lists_and_outputs_of_several_targets() -> None:
    x = [[1.5, "a", True], [2.5, "b", False], [None, "a", True], [0.5, "b", True]] * 5
    y = np.arange(40.0).reshape(20, 2)
    data = prepare_arrays(x, y, seed=0)
    check(data)
    assert data.problem.feature_names == ("x0", "x0:missing", "x1=a", "x1=b", "x2")
    assert data.problem.target_names == ("y0", "y1")


def test_given_parts() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 2)), rng.normal(size=50)
    given, more = (x[:10], y[:10]), (x[10:17], y[10:17])
    data = prepare_arrays(x, y, seed=0, validation=given, test=more)
    assert [len(data.splits[0].x_train), len(data.splits[0].x_validation)] == [50, 10]
    assert data.x_test is not None
    assert len(data.x_test) == 7
    np.testing.assert_array_equal(data.splits[0].x_validation, data.splits[0].x_train[:10])
    np.testing.assert_array_equal(data.x_test, data.splits[0].x_train[10:17])
    only = prepare_arrays(x, y, seed=0, validation=given)
    assert only.x_test is not None
    assert [len(only.splits[0].x_train), len(only.splits[0].x_validation), len(only.x_test)] == [40, 10, 10]
    rest = prepare_arrays(x, y, seed=0, test=more)
    assert rest.x_test is not None
    assert [len(rest.splits[0].x_train), len(rest.splits[0].x_validation), len(rest.x_test)] == [40, 10, 7]
    assert prepare_arrays(x, y, seed=0, test_share=0).x_test is None


@pytest.mark.parametrize("rows", [3, 4, 10])
def test_tiny(rows: int) -> None:
    rng = np.random.default_rng(0)
    check(prepare_arrays(rng.normal(size=(rows, 2)), rng.normal(size=rows), seed=0))
    check(prepare_table(pd.DataFrame({"a": range(rows), "y": rng.normal(size=rows)}), "y", seed=0))


def test_fingerprint() -> None:
    frame = table()
    first = prepare_table(frame, "price", seed=0).fingerprint
    assert first == prepare_table(frame, "price", seed=0).fingerprint
    assert len(first) == 64
    as_objects = frame.astype({"a": "Float64", "c": "category"}).set_index(np.arange(120)[::-1])
    assert prepare_table(as_objects, "price", seed=0).fingerprint == first
    others = [
        prepare_table(frame, "price", seed=1),
        prepare_table(frame, "price", seed=0, test_share=0.3),
        prepare_table(frame, "price", seed=0, folds=3),
        prepare_table(frame, "price", seed=0, drop=["a"]),
        prepare_table(frame, "a", seed=0),
        prepare_table(frame.rename(columns={"a": "A"}), "price", seed=0),
        prepare_table(frame[["b", "a", "c", "price", "kind"]], "price", seed=0),
        prepare_table(frame.iloc[::-1], "price", seed=0),
    ]
    for column in frame.columns:
        changed = frame.copy()
        changed.loc[7, column] = "x?" if column in ("c", "kind") else np.nextafter(changed.loc[7, column], 9e9)
        others.append(prepare_table(changed, "price", seed=0))
    prints = [data.fingerprint for data in others]
    assert len({first, *prints}) == len(prints) + 1


FRAME = table(20)
X, Y = np.arange(20.0).reshape(10, 2), np.arange(10) * 1.5

BAD: dict[str, tuple[Any, list[str]]] = {
    "no such target": (lambda: prepare_table(FRAME, "prise", seed=0), ["target", "'prise'", "did you mean 'price'"]),
    "target in capitals": (lambda: prepare_table(FRAME, "KIND", seed=0), ["did you mean 'kind'"]),
    "nothing like it": (lambda: prepare_table(FRAME, "qqq", seed=0), ["a, b, c, price, kind", "name one of these"]),
    "no such column to drop": (lambda: prepare_table(FRAME, "price", seed=0, drop=["d"]), ["dropped", "'d'"]),
    "target dropped": (lambda: prepare_table(FRAME, "a", seed=0, drop=["a"]), ["different columns", "'a', 'a'"]),
    "no target": (lambda: prepare_table(FRAME, [], seed=0), ["at least one a target", "none"]),
    "one row": (lambda: prepare_table(FRAME[:1], "price", seed=0), ["3 rows", "not 1", "add rows"]),
    "two rows": (lambda: prepare_table(FRAME[:2], "price", seed=0), ["3 rows", "not 2", "add rows"]),
    "no row": (lambda: prepare_table(FRAME[:0], "price", seed=0), ["3 rows", "not 0"]),
    "duplicate": (lambda: prepare_table(FRAME[["a", "a", "price"]], "price", seed=0), ["'a'", "twice", "rename"]),
    "weights": (lambda: prepare_table(FRAME, "kind", seed=0, sample_weight="a"), ["weights", "not negative"]),
    "class weights": (
        lambda: prepare_table(FRAME, "kind", seed=0, class_weight={"red": 1}),
        ["each of the classes blue, green, red", "not red"],
    ),
    "weighted regression": (lambda: prepare_table(FRAME, "price", seed=0, class_weight="balanced"), ["leave them out"]),
    "one dimension": (lambda: prepare_arrays(Y, Y, seed=0), ["training x", "(10,)", "reshape(-1, 1)"]),
    "ragged": (lambda: prepare_arrays([[1, 2], [3]], [1, 2], seed=0), ["rows of equal length", "differ"]),
    "lengths": (lambda: prepare_arrays(X, Y[:9], seed=0), ["same number of rows", "10 and 9"]),
    "complex": (lambda: prepare_arrays(X * 1j, Y, seed=0), ["real numbers", "complex128"]),
    "nan target": (lambda: prepare_arrays(X, Y * np.nan, seed=0), ["'y'", "has none"]),
    "infinite target": (lambda: prepare_arrays(X, Y / np.eye(10)[0], seed=0), ["'y'"]),
    "infinite feature": (
        lambda: prepare_arrays(X + np.array([np.inf, 0]), Y, seed=0),
        ["'x0'", "finite", "inf", "data row "],
    ),
    "no pair": (lambda: prepare_arrays(X, Y, seed=0, validation=X), ["validation", "pair (x, y)"]),
    "other columns": (lambda: prepare_arrays(X, Y, seed=0, test=(X[:, :1], Y)), ["test", "x0, x1", "not x0"]),
    "no rows in a part": (lambda: prepare_arrays(X, Y, seed=0, test=(X[:0], Y[:0])), ["test", "at least one row"]),
    "folds and validation": (lambda: prepare_arrays(X, Y, seed=0, folds=2, validation=(X, Y)), ["folds", "leave one"]),
    "class only in a part": (
        lambda: prepare_arrays(X, list("aabbaabbaa"), seed=0, validation=(X[:2], list("cc"))),
        ["'c'", "training row"],
    ),
    "weights of other length": (lambda: prepare_arrays(X, Y, seed=0, sample_weight=[1, 2]), ["10", "(2,)"]),
    "weights that are text": (lambda: prepare_arrays(X, Y, seed=0, sample_weight=["a"] * 10), ["weights", "numbers"]),
}


@pytest.mark.parametrize(("attempt", "said"), BAD.values(), ids=BAD)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_unusable_tables_are_refused(attempt: Any, said: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        attempt()
    for words in said:
        assert words in str(refusal.value)


CELLS = {
    "numbers": st.floats(width=32) | st.none(),
    "whole": st.integers(-(2**70), 2**70) | st.none(),
    "words": st.sampled_from(["a", "b", "yes", "no", "", "1", "2024-01-01", "9999-99-99"]) | st.none(),
    "texts": st.text(max_size=4),
    "flags": st.booleans() | st.none(),
    "dates": st.dates() | st.none(),
    "times": st.datetimes() | st.none(),
    "mixed": st.integers()
    | st.text(max_size=2)
    | st.booleans()
    | st.none()
    | st.dates()
    | st.decimals(allow_nan=False),
    "odd": st.lists(st.integers(), max_size=2) | st.binary(max_size=2) | st.complex_numbers() | st.floats(),
}


def test_an_outlier_outside_training_is_held_in_or_refused() -> None:
    x = np.full(40, 1.0)
    data = prepare_arrays(
        np.stack([x, np.arange(40.0)], axis=1), np.arange(40.0), seed=0, validation=([[1e30, 3]], [5.0])
    )
    assert data.splits[0].x_validation.tolist()[0][0] == 20
    y = np.where(np.arange(40) % 2, 1e-20, 0.0)
    with pytest.raises(InputError, match="wrong row"):
        prepare_arrays(np.arange(80.0).reshape(40, 2), y, seed=0, task="regression", test=([[1.0, 3]], [1e29]))


@pytest.mark.battery
@settings(deadline=None, max_examples=count(60, 300), suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_table_is_prepared_or_refused(data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 12))
    columns = {}
    for index, kind in enumerate(data.draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=3))):
        cells = data.draw(st.lists(CELLS[kind], min_size=rows, max_size=rows))
        columns[f"{kind}{index}"] = pd.Series(cells, dtype=data.draw(st.sampled_from(["object", None])))
    columns["y"] = pd.Series(data.draw(st.lists(st.sampled_from([0.5, 1, 2]), min_size=rows, max_size=rows)))
    frame = pd.DataFrame(columns)
    try:
        prepared = prepare_table(
            frame, data.draw(st.sampled_from(list(columns))), seed=0, folds=data.draw(st.sampled_from([None, 2]))
        )
    except InputError:
        return
    check(prepared)
    assert prepared.preparation is not None
    assert Preparation.from_json(prepared.preparation.to_json()) == prepared.preparation


def test_a_file_that_is_not_prepared_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    for content in (b"", b"text", b"PK\x03\x04 damaged"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"data\.npz"):
            PreparedData.load(path)
    with pytest.raises(InputError, match="missing"):
        PreparedData.load(tmp_path / "missing.npz")
    data = prepare_arrays(X, Y, seed=0)
    without = replace(data, preparation=None, x_test=None, y_test=None, raw={})
    without.save(path)
    assert PreparedData.load(path).preparation is None
    assert isinstance(PreparedData.load(path).splits[0], Split)


def test_importing_loads_neither_pandas_nor_scikit_learn() -> None:
    code = (
        "import sys, evonas.data, evonas.data.prepare, evonas.data.readers.csv, evonas.metrics.scores\n"
        "print([name for name in ('pandas', 'sklearn', 'scipy', 'keras') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
