"""Tables and files whose rows are series, texts or images: how they are read, split and refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.load import read_data
from evonas.data.prepared import PreparedData
from evonas.data.sample_kind import SampleOptions
from evonas.deploy.new_rows import new_rows
from genomes.errors import InputError

RNG = np.random.default_rng(0)
WORDS = ["good", "bad", "film", "plot", "very", "never", "again", "seen"]


def read(x: Any, y: Any = None, **options: Any) -> PreparedData:
    given = {name: options.pop(name) for name in ("architecture", "series", "series_id", "split") if name in options}
    return read_data(x, y, samples=SampleOptions(**given), **options)[0]


def reviews(count: int = 60) -> pd.DataFrame:
    texts = [" ".join(RNG.choice(WORDS, 5)) + f" {row}" for row in range(count)]
    return pd.DataFrame({"review": texts, "liked": [("yes", "no")[row % 2] for row in range(count)]})


def long_table(count: int = 30) -> pd.DataFrame:
    parts = []
    for sample in range(count):
        steps = 4 + sample % 3
        part = pd.DataFrame({"id": f"s{sample}", "day": pd.date_range("2024-01-01", periods=steps).astype(str)})
        parts.append(part.assign(a=np.arange(steps) + sample, b=RNG.normal(size=steps), label=("x", "y")[sample % 2]))
    return pd.concat(parts)


def test_one_column_of_text_is_a_sequence_of_words() -> None:
    data = read(reviews(), "liked")
    assert data.problem.vocabulary == len(WORDS) + 2
    assert data.problem.sample_shape == (6,)
    assert data.notes[0].startswith("texts of up to 6 words, 8 of them known: sequence networks (architecture dense")
    assert data.preparation is not None
    assert set(data.raw["test"]) == {"review"}
    same = read(reviews().review.tolist(), reviews().liked.to_numpy())
    assert same.problem.sample_shape == (6,)
    assert set(same.raw["test"]) == {"text"}
    dense = read(reviews(), "liked", roles={"review": "text"}, architecture="dense")
    assert not dense.problem.sample_shape


@pytest.mark.parametrize("form", ["table", "frame", "list", "series", "file"])
def test_a_single_text_is_recognised_for_dense_networks_too(form: str, tmp_path: Path) -> None:
    table = reviews()
    x, y = {
        "table": (table, "liked"),
        "frame": (table[["review"]], table.liked),
        "list": (table.review.tolist(), table.liked.to_numpy()),
        "series": (table.review, table.liked),
        "file": (tmp_path / "reviews.csv", "liked"),
    }[form]
    table.to_csv(tmp_path / "reviews.csv", index=False)
    test: Any = table[:9] if isinstance(y, str) else (table.review[:9], table.liked[:9])
    words = read(x, y, test=test)
    assert words.problem.vocabulary == len(WORDS) + 2
    dense = read(x, y, test=test, architecture="dense")
    assert dense.problem.num_features == len(WORDS)
    assert dense.y_test is not None
    assert len(dense.y_test) == 9
    assert dense.preparation is not None
    assert dense.preparation.columns() == ("text" if form == "list" else "review",)


def test_text_beside_other_columns_is_unchanged_and_reported() -> None:
    table = reviews().assign(length=RNG.normal(size=60), picture=[f"{row}.png" for row in range(60)])
    data = read(table, "liked", roles={"review": "text"})
    assert not data.problem.sample_shape
    assert "the table has text and other columns" in "\n".join(data.notes)
    assert "column 'picture' holds names of images" in "\n".join(data.notes)


def test_columns_of_a_row_as_steps() -> None:
    table = pd.DataFrame(RNG.normal(size=(40, 6)), columns=[f"t{step}" for step in range(6)])
    table["label"] = ["up", "down"] * 20
    data = read(table, "label", series=True, drop=["t0"])
    assert data.problem.sample_shape == (5, 1)
    assert data.preparation is not None
    assert data.preparation.columns() == ("t1", "t2", "t3", "t4", "t5")
    np.testing.assert_array_equal(data.preparation.apply(table), data.preparation.apply(table.iloc[:, 1:6].to_numpy()))
    assert not read(table, "label").problem.sample_shape
    assert read(table, "label", series=True, architecture="dense").problem.num_features == 6
    with pytest.raises(InputError, match="roles must be left out with series"):
        read(table, "label", series=True, roles={"t1": "categorical"})
    with pytest.raises(InputError, match="numbers"):
        read(table.assign(t1="a b"), "label", series=True)


def test_rows_of_one_id_are_one_sample_in_the_order_of_time() -> None:
    table = long_table()
    data = read(table.sample(frac=1, random_state=0), "label", series_id="id", time_column="day")
    assert data.problem.sample_shape == (6, 3)
    assert data.problem.masked
    assert data.y_test is None  # too few for a test split
    assert {len(split.y_train) + len(split.y_validation) for split in data.splits} == {30}
    assert sum(len(split.y_validation) for split in data.splits) == 30
    assert data.preparation is not None
    features = data.preparation.apply(table).reshape(30, 6, 3)
    assert (np.diff(features[2, :, 0]) > 0).all()
    assert features[0, :, 2].tolist() == [1, 1, 1, 1, 0, 0]
    dense_error = "series_id must be given for networks over series"
    with pytest.raises(InputError, match=dense_error):
        read(table, "label", series_id="id", architecture="dense")


def test_rows_without_values_are_steps() -> None:
    table = long_table().reset_index(drop=True)
    table["step"] = table.groupby("id").cumcount()
    equal = table[table.step < 4].copy()
    equal.loc[equal.step == 3, ["a", "b"]] = np.nan
    equal.loc[equal.id == "s5", ["a", "b"]] = np.nan
    data = read(equal.drop(columns="step"), "label", series_id="id", time_column="day")
    assert not data.problem.masked
    assert "the last 1 of 4 steps have no value in any series: leave them out" in data.notes
    assert "1 of 30 series have no value at all" in data.notes
    assert "66 values of series are missing: they are filled with their channel's mean" in data.notes


def test_rows_without_values_at_the_end_of_shorter_series_are_steps() -> None:
    table = long_table().reset_index(drop=True).drop(columns="label").assign(y=1.0)
    table["y"] = table.id.str[1:].astype(float)
    known = read(table, "y", series_id="id", time_column="day")
    empty = table.copy()
    rows = empty.index[empty.id == "s0"]
    empty.loc[rows[-2:], ["a", "b"]] = np.nan
    data = read(empty, "y", series_id="id", time_column="day")
    assert "4 values of series are missing: they are filled with their channel's mean" in data.notes
    assert data.fingerprint != known.fingerprint
    assert data.preparation is not None
    features = data.preparation.apply(empty).reshape(30, 6, 3)[0]
    assert features[:, 2].tolist() == [1, 1, 1, 1, 0, 0]
    assert not features[2:4, :2].any()
    new = new_rows(empty, SimpleNamespace(problem=data.problem, series=data.preparation, model=None))  # type: ignore[arg-type]
    np.testing.assert_array_equal(data.preparation.apply(new.x)[0].reshape(6, 3), features)
    parts = [data.splits[0].x_train, data.splits[0].x_validation]
    assert any((part.reshape(-1, 6, 3) == features).all(axis=(1, 2)).any() for part in parts)


def test_steps_without_a_time_are_in_the_order_of_the_rows() -> None:
    table = long_table()
    said = "the steps of a series are in the order of its rows, and 'a', 'b' are its channels"
    assert read(table.drop(columns="day"), "label", series_id="id").notes[1].startswith(said)
    assert said not in " ".join(read(table, "label", series_id="id", time_column="day").notes)


def test_windows_with_a_time_share_no_steps_between_parts() -> None:
    line = np.cumsum(RNG.normal(size=309))
    windows = np.lib.stride_tricks.sliding_window_view(line, 10)
    table = pd.DataFrame(windows[:, :9]).assign(y=windows[:, 9], day=pd.date_range("2024-01-01", periods=300))
    mixed = table.sample(frac=1, random_state=0)
    data = read(mixed, "y", series=True, time_column="day")
    assert "overlapping windows of one series" in data.notes[1]
    ordered = read(table.drop(columns="day"), "y", series=True)
    for part in ("x_train", "x_validation"):
        found, wanted = getattr(data.splits[0], part), getattr(ordered.splits[0], part)
        np.testing.assert_allclose(np.sort(found, axis=0), np.sort(wanted, axis=0), rtol=1e-5)
    with pytest.raises(InputError, match="split must not be random with a time column"):
        read(mixed, "y", series=True, time_column="day", split="random")
    for x, y in ((table.drop(columns="day"), "y"), (windows[:, :9, None], windows[:, 9])):
        dense = read(x, y, series=True, architecture="dense")
        assert "overlapping windows of one series and split at random" in dense.notes[0]
    assert not read(table, "y", series=True, time_column="day", architecture="dense").notes
    alone = read(mixed.sample(frac=1).assign(day=RNG.permutation(300)), "y", series=True, time_column="day")
    assert len(alone.splits[0].y_train) == 180


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": lambda t: ["x", *["y"] * (len(t) - 1)]}, "one value for each 'id', but 's0' has 'x' and 'y'"),
        ({"day": lambda t: ["2024-01-01"] * len(t)}, "'s0' has one time twice"),
        ({"id": lambda t: [None, *t.id[1:]]}, "must be in every row, but data row 1 has none"),
        ({"a": lambda t: ["word"] * len(t)}, "number"),
    ],
)
def test_malformed_series_in_long_form_are_refused(change: dict[str, Any], message: str) -> None:
    table = long_table().reset_index(drop=True)
    (name, values), *_ = change.items()
    with pytest.raises(InputError, match=message):
        read(table.assign(**{name: values(table)}), "label", series_id="id", time_column="day")


def test_arrays_of_images_and_series_choose_their_networks(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (40, 8, 8)).astype(np.uint8)
    labels = np.arange(40) % 2
    data = read(pixels, labels)
    assert data.problem.sample_shape == (8, 8, 1)
    assert data.notes[0].startswith("images of 8 x 8 pixels, 1 channel: convolutional networks")
    assert read(pixels, labels, architecture="dense").problem.num_features == 64
    assert read(RNG.normal(size=(40, 5, 2)), labels).problem.sample_shape == (5, 2)
    np.savez(tmp_path / "m.npz", x_train=pixels, y_train=labels, x_test=pixels[:7], y_test=labels[:7])
    data = read(tmp_path / "m.npz", "y_train")
    assert data.y_test is not None
    assert len(data.y_test) == 7
    for options, message in [
        ({"architecture": "sequence"}, "architecture must be convolutional or dense for images"),
        ({"architecture": "cnn"}, "architecture must be one of convolutional, dense, sequence"),
        ({"series_id": "id"}, "series_id must be given with a table"),
        ({"split": "half"}, "split must be random or time"),
    ]:
        with pytest.raises(InputError, match=message):
            read(pixels, labels, **options)


def test_networks_over_sequences_need_series_or_text() -> None:
    table = pd.DataFrame({"a": RNG.normal(size=20), "b": RNG.normal(size=20), "y": RNG.normal(size=20)})
    with pytest.raises(InputError, match=r"architecture must be dense for rows of a table, not 'sequence'.*--series"):
        read(table, "y", architecture="sequence")
