"""Neighbour features: their values, that no target leaks into them, and that they are computed once."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.data import kernel_regression, neighbours
from evonas.data.kernel_regression import fit_kernel_regression
from evonas.data.memo import Memo
from evonas.data.neighbour_screen import promising_columns
from evonas.data.neighbours import candidate_columns, marks_of, num_visible_columns, rank_columns
from evonas.data.prepare import prepare_table
from evonas.data.views import Views
from genomes.architecture.neighbours import Neighbours, neighbours_of_view, neighbours_view
from genomes.errors import InputError

NEAR = Neighbours(("a", "b"), (0.1, 0.5))


def table(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "word": rng.choice(["u", "v"], rows)})
    return frame.assign(y=np.sin(3 * frame.a) * np.cos(2 * frame.b), kind=rng.choice(["x", "y", "z"], rows))


def estimate(point, centres, values, bandwidth):
    """The sum exactly as in the formula, in float64."""
    squares = [sum((float(p) - float(c)) ** 2 for p, c in zip(point, centre, strict=True)) for centre in centres]
    nearest = min(squares)
    kernel = [math.exp(-(square - nearest) / (2 * bandwidth**2)) for square in squares]
    return sum(k * float(value) for k, value in zip(kernel, values, strict=True)) / sum(kernel)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(2, 30),
    columns=st.integers(1, 4),
    bandwidth=st.sampled_from([0.01, 0.1, 1.0, 3.0]),
    weighted=st.booleans(),
    classes=st.sampled_from([0, 3, 5]),
)
def test_estimates_are_those_of_a_loop(seed, rows, columns, bandwidth, weighted, classes):
    rng = np.random.default_rng(seed)
    points, targets = rng.normal(size=(rows, columns)), rng.normal(size=(rows, 2))
    if classes:
        targets = np.eye(classes)[rng.integers(0, classes, rows)]
    weights = None
    if weighted:
        weights = rng.integers(0, 2, rows)
        weights[:2] = 1
    found = fit_kernel_regression("", tuple("abcd"[:columns]), bandwidth, points.astype(np.float32), targets, weights)
    kept = range(rows) if weights is None else np.flatnonzero(weights).tolist()
    assert found.rows.tolist() == list(kept)
    x, values = points.astype(np.float32), found.values
    alone, new = found.leave_one_out(x), found(x + 0.01)
    for row in range(rows):
        others = [k for k, each in enumerate(kept) if each != row]
        expected = [
            estimate(x[row], x[found.rows[others]], values[others, k], bandwidth) for k in range(targets.shape[1])
        ]
        assert alone[row] == pytest.approx(expected, abs=2e-3 if bandwidth < 0.1 else 1e-4)
        expected = [estimate((x + 0.01)[row], found.centres, values[:, k], bandwidth) for k in range(targets.shape[1])]
        assert new[row] == pytest.approx(expected, abs=2e-3 if bandwidth < 0.1 else 1e-4)


def test_a_row_far_from_all_gets_the_target_of_the_nearest():
    found = fit_kernel_regression("", ("a",), 0.01, np.array([[0.0], [1.0]], np.float32), np.array([[-1.0], [1.0]]))
    assert found(np.array([[1e5], [-1e5]], np.float32)).tolist() == [[1.0], [-1.0]]


def test_many_rows_always_give_the_same_centres(monkeypatch):
    monkeypatch.setattr(kernel_regression, "MOST_CENTRES", 10)
    points = np.arange(50, dtype=np.float32)[:, None]
    one, two = (fit_kernel_regression("", ("a",), 1.0, points, points) for _ in range(2))
    assert len(one.centres) == 10
    assert np.array_equal(one.rows, two.rows)
    assert np.isfinite(one.leave_one_out(points)).all()


@pytest.mark.parametrize(("target", "width"), [("y", 1), ("kind", 3)])
def test_neighbour_features_follow_the_other_features(target, width):
    data = prepare_table(table(), target, seed=0)
    seen = data.for_views("standard", *NEAR.views)
    problem, split = seen.problem, seen.splits[0]
    assert problem.num_features == data.problem.num_features + 2 * width == len(set(problem.feature_names))
    assert problem.views[-2 * width :] == tuple(view for view in NEAR.views for _ in range(width))
    for x in (split.x_train, split.x_validation, seen.x_test):
        assert x.shape[1] == problem.num_features
        assert x.dtype == np.float32
    assert np.array_equal(split.x_train[:, : -2 * width], data.splits[0].x_train)
    assert seen.preparation.feature_names() == problem.feature_names
    assert seen.preparation.views() == problem.views
    alone = data.preparation_of("standard", *NEAR.views)
    assert np.array_equal(alone.apply(table().iloc[:9]), seen.preparation.apply(table().iloc[:9]))
    rows = table().iloc[:9]
    assert seen.preparation.apply(rows).shape == (9, problem.num_features)
    assert data.problem.for_views("standard", *NEAR.views) == problem
    assert num_visible_columns(
        data.problem.views, data.problem.num_features, data.problem.num_outputs, *NEAR.views
    ) == (problem.num_features)
    assert np.array_equal(data.new_rows(data.x_test, "standard", *NEAR.views), seen.x_test)
    without = data.for_views("standard", *NEAR.views, training=False)
    assert np.array_equal(without.splits[0].x_validation, split.x_validation)
    assert without.splits[0].x_train.shape == (0, problem.num_features)


def test_a_network_sees_its_own_features_among_those_of_several():
    data = prepare_table(table(), "y", seed=0, numbers=("standard", "quantile"))
    other = neighbours_view(("a",), 1.0)
    several = data.for_views("standard", "quantile", other, *NEAR.views)
    alone = data.for_views("quantile", *NEAR.views)
    places = several.problem.columns("quantile", *NEAR.views)
    assert np.array_equal(several.splits[0].x_train[:, places], alone.splits[0].x_train)
    again = several.for_views("quantile", *NEAR.views)
    assert again.problem.feature_names == alone.problem.feature_names
    assert again.preparation.feature_names() == alone.problem.feature_names


def test_no_target_of_validation_or_test_rows_is_in_any_feature():
    data = prepare_table(table(), "y", seed=0, folds=3)
    changed = tuple(replace(split, y_validation=split.y_validation * -7) for split in data.splits)
    other = replace(data, splits=changed, y_test=data.y_test * 5)
    one, two = (each.for_views("standard", *NEAR.views) for each in (data, other))
    assert np.array_equal(one.x_test, two.x_test)
    for mine, theirs in zip(one.splits, two.splits, strict=True):
        assert np.array_equal(mine.x_train, theirs.x_train)
        assert np.array_equal(mine.x_validation, theirs.x_validation)


def test_a_training_row_does_not_see_its_own_target_and_folds_see_their_own_rows():
    data = prepare_table(table(), "y", seed=0, folds=3)
    seen = data.for_views("standard", *NEAR.views)
    for fold, split in enumerate(data.splits):
        y = split.y_train.copy()
        y[0] += 5.0
        splits = tuple(replace(each, y_train=y) if k == fold else each for k, each in enumerate(data.splits))
        moved = replace(data, splits=splits).for_views("standard", *NEAR.views)
        for k, (before, after) in enumerate(zip(seen.splits, moved.splits, strict=True)):
            assert (k != fold) == np.array_equal(before.x_train, after.x_train)
        before, after = (each.splits[fold].x_train[:, -1] for each in (seen, moved))
        # Targets are scaled by all training rows, so compare the row's position relative to the other means.
        scale = np.polyfit(before[1:], after[1:], 1)
        assert after[0] == pytest.approx(np.polyval(scale, before[0]), abs=0.5)


def test_rows_held_out_in_a_fold_do_not_see_their_own_targets():
    data = prepare_table(table(), "y", seed=0, folds=3)
    views = "standard", *(neighbours_view(NEAR.columns, bandwidth) for bandwidth in NEAR.bandwidths)
    seen = data.for_views(*views)
    for fold, split in enumerate(data.splits):
        rows = data.new_rows(split.x_validation, *views, fold=fold)
        np.testing.assert_array_equal(rows, seen.splits[fold].x_validation)


def test_columns_that_the_table_does_not_have_are_refused():
    data = prepare_table(table(), "y", seed=0)
    with pytest.raises(InputError, match="neighbours must use numeric columns of the table, which 'c' is not"):
        data.for_views("standard", neighbours_view(("a", "c"), 0.1))


def test_several_threads_make_each_view_once(monkeypatch):
    made, lock = [], threading.Lock()
    original = neighbours.NeighbourFeatures._compute

    def counted(self, key):
        with lock:
            made.append(key)
        return original(self, key)

    monkeypatch.setattr(neighbours.NeighbourFeatures, "_compute", counted)
    views = Views(prepare_table(table(), "y", seed=0))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: views("standard", *NEAR.views), range(16)))
    assert all(each is found[0] for each in found)
    assert len(made) == len(set(made)) == 6  # two bandwidths, for training, validation and test rows each
    views("standard", NEAR.views[1])
    assert len(made) == 6


def test_a_memo_keeps_within_its_memory():
    computed = []
    memo = Memo(lambda key: computed.append(key) or key, lambda value: 10, most_bytes=25)
    assert [memo(key) for key in (1, 2, 1, 3, 1, 2)] == [1, 2, 1, 3, 1, 2]
    assert computed == [1, 2, 3, 2]


def test_view_names_are_parsed_back_in_order():
    marks = [neighbours_view(("b",), 0.1), neighbours_view(("a", 'q"[, '), 1.5), neighbours_view(("a",), 1.5)]
    assert marks_of([marks[0], "standard", *marks]) == [marks[2], marks[1], marks[0]]
    assert neighbours_of_view(marks[1]) == (("a", 'q"[, '), 1.5)


def test_the_screen_finds_columns_that_act_together():
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=1500).astype(np.float32) for name in "abcdefgh"}
    y = (np.sin(3 * columns["c"]) * np.sin(3 * columns["f"]) + columns["a"])[:, None]
    sets = promising_columns(columns, y)
    assert sets[0] == ("c", "f")
    assert sets == promising_columns(dict(reversed(columns.items())), y)
    assert promising_columns({}, y) == promising_columns(columns, np.zeros_like(y)) == ()


def test_candidates_are_columns_of_numbers():
    data = prepare_table(table(200).assign(flag=np.arange(200) % 2, number=7.0), "y", seed=0)
    assert candidate_columns(data) == ("a", "b")
    columns, sets = rank_columns(data, ("a", "b"))
    assert set(columns) == {"a", "b"}
    assert all(set(each) <= {"a", "b"} for each in sets)
