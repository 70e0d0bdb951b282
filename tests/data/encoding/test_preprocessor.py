"""Encoding: equal to scikit-learn's own transformers, fitted to training rows only, serialised as plain JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from evonas.data.columns import Role, infer_columns
from evonas.data.encoding.fit import fit_encoding
from evonas.data.encoding.preprocessor import BOUND, Categories, Number, Preparation
from evonas.data.readers.csv import read_table
from genomes.errors import InputError


def mixed_table(count: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.normal(50, 20, count),
            "rooms": rng.integers(1, 9, count),
            "heated": rng.choice(["yes", "no"], count),
            "town": rng.choice(["north", "south", "east", "a", "b"], count, p=[0.5, 0.3, 0.18, 0.01, 0.01]),
            "built": pd.Timestamp("2000-01-01") + pd.to_timedelta(rng.integers(0, 9999, count), "D"),
        }
    )
    frame["heated"] = frame["heated"].astype(object)
    frame.loc[rng.choice(count, 30, replace=False), "size"] = np.nan
    frame.loc[rng.choice(count, 30, replace=False), "heated"] = None
    frame.loc[rng.choice(count, 30, replace=False), "town"] = None
    return frame


def scikit_learn(frame: pd.DataFrame, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same coding by scikit-learn's transformers, clipped as ours, feature by feature in our order."""
    parts = []
    for column in infer_columns(frame).used():
        cells = frame[[column.name]]
        if column.role is Role.CATEGORICAL:
            cells = cells.astype(object).where(cells.notna(), "")
            step: Any = OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                min_frequency=max(1, min(10, len(rows) // 50)),
                max_categories=50,
                sparse_output=False,
            )
        elif column.role is Role.NUMERIC:
            cells = cells.astype(np.float32).astype(np.float64)  # in the order of the models' inputs
            step = make_pipeline(
                SimpleImputer(strategy="median", add_indicator=True),
                ColumnTransformer([("scale", StandardScaler(), [0])], remainder="passthrough"),
            )
        else:
            continue
        parts.append(step.fit(cells.iloc[rows].to_numpy()).transform(cells.to_numpy()))
    return np.clip(np.concatenate(parts, axis=1), -BOUND, BOUND)


def test_equals_scikit_learn() -> None:
    frame = mixed_table()[["size", "rooms", "town"]]
    rows = np.arange(0, 300, 2)
    preparation = fit_encoding(frame, infer_columns(frame), rows)
    assert preparation.feature_names() == (
        *("size", "size:missing", "rooms"),
        *("town=(missing)", "town=east", "town=north", "town=south", "town=(other)"),
    )
    np.testing.assert_allclose(preparation.apply(frame), scikit_learn(frame, rows), rtol=1e-6, atol=1e-7)


def test_equals_scikit_learn_on_real_tables(real_files: list[Path]) -> None:
    for path in real_files:
        frame = read_table(path).drop(columns=["Cabin"], errors="ignore")
        rows = np.arange(0, len(frame), 3)
        ours = fit_encoding(frame, infer_columns(frame), rows).apply(frame)
        used = frame[[c.name for c in infer_columns(frame).used() if c.role in (Role.NUMERIC, Role.CATEGORICAL)]]
        theirs = scikit_learn(used, rows)
        if used.shape[1] < len(infer_columns(frame).used()):
            ours = fit_encoding(used, infer_columns(used), rows).apply(used)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


def test_flags_dates_and_presence() -> None:
    frame = mixed_table()
    frame["cabin"] = [None if row % 3 else f"C{row}" for row in range(300)]
    rows = np.arange(200)
    preparation = fit_encoding(frame, infer_columns(frame), rows)
    coded = pd.DataFrame(preparation.apply(frame), columns=preparation.feature_names())
    frequent = frame["heated"][:200].mode()[0]
    assert (coded["heated"] == (frame["heated"].fillna(frequent) == "yes")).all()
    assert (coded["heated:missing"] == frame["heated"].isna()).all()
    assert (coded["cabin:present"] == frame["cabin"].notna()).all()
    days = (frame["built"] - pd.Timestamp("1970-01-01")).dt.days
    for part, values in {
        "days": days,
        "month": frame["built"].dt.month,
        "weekday": frame["built"].dt.day_of_week,
    }.items():
        scaled = (values - values[:200].mean()) / values[:200].std(ddof=0)
        np.testing.assert_allclose(coded[f"built:{part}"], scaled, rtol=1e-4, atol=1e-5)
    assert (coded["built:hour"] == 0).all()


def test_only_training_rows_are_fitted() -> None:
    frame, rows = mixed_table(), np.arange(0, 300, 2)
    plan = infer_columns(frame)
    changed = frame.copy()
    others = np.setdiff1d(np.arange(300), rows)
    changed.loc[others, "size"] = 1e6
    changed.loc[others, "rooms"] = 999
    changed.loc[others, "town"] = "elsewhere"
    changed.loc[others, "heated"] = "no"
    changed.loc[others, "built"] = pd.Timestamp("1900-01-01")
    assert fit_encoding(changed, plan, rows) == fit_encoding(frame, plan, rows)


def test_applies_to_rows_it_has_not_seen() -> None:
    frame = mixed_table()
    preparation = fit_encoding(frame, infer_columns(frame), np.arange(300))
    expected = preparation.apply(frame[:50])
    np.testing.assert_array_equal(preparation.apply(frame[:50][list(reversed(frame.columns))].assign(more=1)), expected)
    as_text = frame[:50].astype({"rooms": str, "built": str})
    np.testing.assert_array_equal(preparation.apply(as_text), expected)
    as_floats = frame[:50].astype({"rooms": "float32", "town": "category"})
    np.testing.assert_array_equal(preparation.apply(as_floats), expected)
    new = pd.DataFrame({"size": [None], "rooms": [None], "heated": [None], "town": ["moon"], "built": [None]})
    coded = dict(zip(preparation.feature_names(), preparation.apply(new)[0], strict=True))
    assert coded["town=(other)"] == coded["size:missing"] == coded["heated:missing"] == 1
    assert np.isfinite(list(coded.values())).all()
    assert preparation.apply(frame[:0]).shape == (0, len(coded))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.rename(columns={"rooms": "room"}), ["'rooms'", "did you mean 'room'"]),
        (lambda frame: frame.drop(columns="size"), ["'size'", "add it"]),
        (lambda frame: frame.assign(rooms=["3"] * 299 + ["many"]), ["'rooms'", "numbers", "'many'", "data row 300"]),
        (lambda frame: frame.assign(size=np.inf), ["'size'", "finite", "inf", "data row 1"]),
        (lambda frame: frame.assign(heated="perhaps"), ["'heated'", "yes or no", "'perhaps'"]),
    ],
)
def test_rows_that_do_not_fit_are_refused(change: Any, said: list[str]) -> None:
    frame = mixed_table()
    preparation = fit_encoding(frame, infer_columns(frame), np.arange(300))
    with pytest.raises(InputError) as refusal:
        preparation.apply(change(frame))
    for words in said:
        assert words in str(refusal.value)


def test_a_number_far_from_the_training_rows_is_clipped() -> None:
    frame = pd.DataFrame({"a": np.arange(100.0)})
    preparation = fit_encoding(frame, infer_columns(frame), np.arange(100))
    far = pd.DataFrame({"a": [1e9, -1e9, 49.5]})
    np.testing.assert_allclose(preparation.apply(far)[:, 0], [BOUND, -BOUND, 0.0])


def test_a_preparation_of_an_older_version_is_not_clipped() -> None:
    step = Preparation.from_json({"steps": [NUMBER]})
    assert step.apply(pd.DataFrame({"a": [1000.0]})).tolist() == [[1000.0]]


finite = st.floats(allow_nan=False, allow_infinity=False)
steps = st.one_of(
    st.builds(
        Number,
        column=st.text(),
        part=st.sampled_from(["number", "flag", "days", "month", "weekday", "hour", "present"]),
        imputed=finite,
        mean=finite,
        std=st.floats(min_value=1e-300, max_value=1e300),
        indicator=st.booleans(),
    ),
    st.builds(
        Categories, column=st.text(), categories=st.lists(st.text(), unique=True).map(tuple), other=st.booleans()
    ),
)


@given(st.lists(steps, min_size=1, max_size=5).map(tuple).map(Preparation))
def test_json_round_trip(preparation: Preparation) -> None:
    text = json.dumps(preparation.to_json())
    assert Preparation.from_json(json.loads(text)) == preparation


NUMBER = {"column": "a", "part": "number", "imputed": 0.0, "mean": 0.0, "std": 1.0, "indicator": False}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, ["steps"]),
        ({"steps": []}, ["steps", "at least one"]),
        ({"steps": [NUMBER], "format": 2}, ["format", "2"]),
        ({"steps": [NUMBER], "more": 1}, ["more"]),
        ({"steps": [NUMBER | {"std": 0.0}]}, ["std", "positive"]),
        ({"steps": [NUMBER | {"mean": float("nan")}]}, ["mean"]),
        ({"steps": [NUMBER | {"bound": 0.0}]}, ["bound", "positive"]),
        ({"steps": [NUMBER | {"part": "square"}]}, ["part", "square"]),
        ({"steps": [NUMBER | {"mean": "1"}]}, ["mean", "'1'"]),
        ({"steps": [{"column": "a", "categories": "abc", "other": False}]}, ["categories", "abc"]),
        ({"steps": [{"column": "a", "categories": ["b", "b"], "other": False}]}, ["categories", "differ"]),
        ([], ["preparation"]),
    ],
)
def test_json_of_anything_but_a_preparation_is_refused(value: Any, said: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        Preparation.from_json(value)
    for words in said:
        assert words in str(refusal.value)
