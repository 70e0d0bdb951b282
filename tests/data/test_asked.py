"""Splits and column roles given by the user: by group, by time, as separate files, and roles."""

import numpy as np
import pandas as pd
import pytest

from evonas.data.prepare import prepare_table
from genomes.errors import InputError


def split_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=120).strftime("%Y-%m-%d"),
            "house": rng.integers(0, 12, 120).astype(str),
            "code": rng.integers(0, 5, 120),
            "y": rng.normal(size=120),
        }
    )


def test_splits_by_group_and_by_time() -> None:
    frame = split_table()
    grouped = prepare_table(frame, "y", seed=0, group="house")
    assert not [name for name in grouped.problem.feature_names if name.startswith("house")]
    timed = prepare_table(frame, "y", seed=0, time_column="day")
    rows = frame["day"].sort_values().to_numpy()
    assert sorted(cell[:10] for cell in timed.raw["test"]["day"]) == list(rows[-24:])
    assert len({data.fingerprint for data in (grouped, timed, prepare_table(frame, "y", seed=0))}) == 3
    for options, words in (
        ({"group": "house", "time_column": "day"}, "not by both"),
        ({"time_column": "day", "folds": 3}, "folds must not be given with a time column"),
        ({"group": "hous"}, "did you mean 'house'"),
        ({"group": "y"}, "must be different columns"),
    ):
        with pytest.raises(InputError, match=words):
            prepare_table(frame, "y", seed=0, **options)


@pytest.mark.parametrize(
    ("column", "wrong"),
    [(["3", "1.5", "soon", "7"], "soon"), (["2020-01-01", "2020-01-02", "03.05.2020 noon", "2020-02-01"], "noon")],
)
def test_the_cell_that_is_no_time_is_named(column: list[str], wrong: str) -> None:
    frame = split_table().assign(day=(column * 30))
    with pytest.raises(InputError, match=f"the time column 'day' must hold .*, not text such as '[^']*{wrong}'"):
        prepare_table(frame, "y", seed=0, time_column="day")


def test_given_tables_are_the_parts() -> None:
    frame = split_table()
    data = prepare_table(frame[:80], "y", seed=0, validation=frame[80:100], test=frame[100:])
    assert (len(data.splits[0].y_train), len(data.splits[0].y_validation), len(data.y_test)) == (80, 20, 20)
    with pytest.raises(InputError, match="the test table must have the columns 'house'"):
        prepare_table(frame[:80], "y", seed=0, test=frame[80:].drop(columns="house"))


def test_requested_roles_are_used() -> None:
    frame = split_table()
    data = prepare_table(frame, "y", seed=0, roles={"code": "categorical", "house": "numeric"})
    names = data.problem.feature_names
    assert "house" in names
    assert {"code=0", "code=4"} <= set(names)
    with pytest.raises(InputError, match=r"'day' must hold numbers, not '2024-01-01' \(data row 1\)"):
        prepare_table(frame, "y", seed=0, roles={"day": "numeric"})
    with pytest.raises(InputError, match="must be one of numeric, boolean, categorical, date, text, not 'x'"):
        prepare_table(frame, "y", seed=0, roles={"day": "x"})
