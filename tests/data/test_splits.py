"""Splitting rows: every row is used once, and shares and classes are kept, also for tiny tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonas.data.splits import share_for_validation, split_by_time, split_groups, split_rows
from genomes.errors import InputError


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.2, 0.4]),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.sampled_from([None, 2, 3]),
    st.integers(0, 2**32),
)
def test_every_row_once_and_every_class_in_training(
    sizes: list[int], test_share: float, validation_share: float, folds: int | None, seed: int
) -> None:
    classes = np.repeat(np.arange(len(sizes)), sizes)
    if len(classes) < (folds or 2) + 2:
        return
    rows = split_rows(classes, seed=seed, test_share=test_share, validation_share=validation_share, folds=folds)
    assert len(rows.splits) == (folds or 1)
    for train, validation in rows.splits:
        assert sorted([*train, *validation, *rows.test]) == list(range(len(classes)))
        assert len(train)
        assert set(classes[train]) == set(classes)
    validated = np.concatenate([validation for _, validation in rows.splits])
    assert len(set(validated)) == len(validated)
    assert folds is None or len(validated) + len(rows.test) == len(classes)
    again = split_rows(classes, seed=seed, test_share=test_share, validation_share=validation_share, folds=folds)
    np.testing.assert_array_equal(again.test, rows.test)


def test_shares_are_of_all_rows_and_stratified() -> None:
    classes = np.repeat([0, 1], [900, 100])
    rows = split_rows(classes, seed=3)
    ((train, validation),) = rows.splits
    assert (len(train), len(validation), len(rows.test)) == (600, 200, 200)
    for part in (train, validation, rows.test):
        assert np.mean(classes[part]) == pytest.approx(0.1, abs=0.01)
    for _, fold in split_rows(classes, seed=3, folds=5).splits:
        assert np.mean(classes[fold]) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("count", "rows"), [(10, 2), (1_000, 200), (10_000, 2_000), (15_000, 2_000), (20_000, 2_000), (100_000, 10_000)]
)
def test_a_fifth_of_the_rows_is_for_validation_and_a_tenth_of_many(count: int, rows: int) -> None:
    assert round(count * share_for_validation(None, count)) == rows
    assert share_for_validation(0.3, count) == 0.3


def test_every_row_is_as_likely_to_be_tested() -> None:
    taken = np.zeros(20)
    for seed in range(2000):
        taken[split_rows(np.zeros(20, np.intp), seed=seed).test] += 1
    # One row is kept for training, a different one for each of two seeds.
    assert taken.mean() == 400
    assert np.abs(taken - 400).max() < 100


@pytest.mark.parametrize("count", [3, 4, 5, 10])
def test_tiny(count: int) -> None:
    rows = split_rows(np.zeros(count, np.intp), seed=0)
    assert all(len(part) for part in (*rows.splits[0], rows.test))


def test_seeds_differ_and_zero_is_a_seed() -> None:
    classes = np.zeros(100, np.intp)
    parts = [tuple(split_rows(classes, seed=seed).test) for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"test_share": 1.0}, ["test share", "[0, 1)", "1.0"]),
        ({"test_share": -0.1}, ["test share", "-0.1"]),
        ({"validation_share": 0.0}, ["validation share", "0.0"]),
        ({"validation_share": 0.9}, ["validation share", "0.9", "0.2"]),
        ({"folds": 1}, ["folds", "2", "not 1"]),
        ({"folds": 99}, ["rows", "not 9"]),
        ({"seed": -1}, ["seed", "-1"]),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], said: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        split_rows(np.zeros(9, np.intp), **({"seed": 0} | settings))  # type: ignore[arg-type]
    for words in said:
        assert words in str(refusal.value)


@given(st.integers(0, 99), st.integers(3, 12), st.sampled_from([0.0, 0.2]), st.sampled_from([None, 2]))
def test_groups_stay_together(seed: int, count: int, test_share: float, folds: int | None) -> None:
    groups = np.random.default_rng(seed).permutation(np.arange(60) % count)
    rows = split_groups(groups, seed=seed, test_share=test_share, folds=folds)
    assert bool(rows.test.size) == bool(test_share)
    for train, validation in rows.splits:
        parts = [set(groups[part].tolist()) for part in (train, validation, rows.test)]
        assert parts[0]
        assert parts[1]
        assert sum(map(len, parts)) == count
        assert len(train) + len(validation) + len(rows.test) == 60


@given(st.integers(0, 99), st.integers(3, 40), st.sampled_from([0.0, 0.1, 0.2, 0.6]))
def test_test_rows_are_the_latest(seed: int, count: int, test_share: float) -> None:
    stamps = np.random.default_rng(seed).permutation(np.arange(60) % count).astype(float)
    rows = split_by_time(stamps, test_share=test_share)
    ((train, validation),) = rows.splits
    assert stamps[train].max() < stamps[validation].min()
    assert len(train) + len(validation) + len(rows.test) == 60
    assert bool(rows.test.size) == bool(test_share)
    if test_share:
        assert stamps[validation].max() < stamps[rows.test].min()


def test_too_few_groups_or_instants_are_refused() -> None:
    with pytest.raises(InputError, match="at least 3 groups"):
        split_groups(np.arange(20) % 2, seed=0)
    with pytest.raises(InputError, match="at least 3 different values"):
        split_by_time(np.arange(20) % 2.0)
    with pytest.raises(InputError, match="data row 2 has none"):
        split_by_time(np.array([1.0, np.nan, 3.0]))
