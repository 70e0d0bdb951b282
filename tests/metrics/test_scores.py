"""Scores against scikit-learn, and cases without scores."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from evonas.data.prepared import Problem
from evonas.metrics.scores import compute_scores, predictions
from evonas.objective import METRICS
from genomes.errors import InputError

BINARY = Problem("binary", 3, 1, classes=("no", "yes"))
MULTICLASS = Problem("multiclass", 3, 4, classes=("a", "b", "c", "d"))


def regression(outputs: int) -> Problem:
    return Problem(
        "regression", 3, outputs, target_mean=tuple(10.0 * n for n in range(outputs)), target_std=(2.0, 30.0)[:outputs]
    )


@pytest.mark.parametrize("outputs", [1, 2])
def test_regression(outputs: int) -> None:
    rng = np.random.default_rng(outputs)
    problem = regression(outputs)
    y_true = rng.normal(size=(50, outputs)).astype(np.float32)
    raw = rng.normal(size=(50, outputs)).astype(np.float32)
    true, predicted = predictions(problem, y_true), predictions(problem, raw)
    found = compute_scores(problem, y_true, raw)
    assert found == pytest.approx(
        {
            "mse": metrics.mean_squared_error(true, predicted),
            "rmse": metrics.root_mean_squared_error(true, predicted),
            "mae": metrics.mean_absolute_error(true, predicted),
            "r2": metrics.r2_score(true, predicted),
        }
    )
    assert set(found) == {name for name, (_, tasks) in METRICS.items() if "regression" in tasks} - {"pinball"}


def test_binary() -> None:
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, (60, 1)).astype(np.float32)
    raw = rng.normal(size=(60, 1)).astype(np.float32)
    chance = predictions(BINARY, raw)
    np.testing.assert_allclose(chance.sum(axis=1), 1)
    true, predicted = y_true[:, 0].astype(int), chance.argmax(axis=1)
    found = compute_scores(BINARY, y_true, raw)
    assert found == pytest.approx(
        {
            "log_loss": metrics.log_loss(true, chance),
            "accuracy": metrics.accuracy_score(true, predicted),
            "f1": metrics.f1_score(true, predicted),
            "auc": metrics.roc_auc_score(true, chance[:, 1]),
        }
    )
    assert set(found) == {name for name, (_, tasks) in METRICS.items() if "binary" in tasks}


def test_multiclass() -> None:
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 4, 60).astype(np.int32)
    raw = rng.normal(size=(60, 4)).astype(np.float32)
    chance = predictions(MULTICLASS, raw)
    found = compute_scores(MULTICLASS, y_true, raw)
    assert found == pytest.approx(
        {
            "log_loss": metrics.log_loss(y_true, chance),
            "accuracy": metrics.accuracy_score(y_true, chance.argmax(axis=1)),
            "f1": metrics.f1_score(y_true, chance.argmax(axis=1), average="macro"),
        }
    )
    assert set(found) == {name for name, (_, tasks) in METRICS.items() if "multiclass" in tasks}


def test_one_class_only() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compute_scores(BINARY, np.zeros((5, 1)), np.full((5, 1), -3.0))
        assert set(found) == {"log_loss", "accuracy", "f1"}
        assert found["accuracy"] == 1
        assert compute_scores(MULTICLASS, np.zeros(5, int), np.eye(4)[[0] * 5])["f1"] == 1


def test_logits_of_any_size_have_a_log_loss() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compute_scores(BINARY, np.array([[1.0], [0.0]]), np.array([[-1e30], [-1e30]]))["log_loss"] == 5e29
        raw = np.array([[1e30, -1e30, 0, 0], [0, 0, 0, 1e4]])
        assert compute_scores(MULTICLASS, np.array([1, 3]), raw)["log_loss"] == 1e30


def test_constant_validation_target_has_no_r2() -> None:
    assert set(compute_scores(regression(1), np.ones((4, 1)), np.zeros((4, 1)))) == {"mse", "rmse", "mae"}


def test_large_targets_keep_their_digits() -> None:
    problem = Problem("regression", 1, 1, target_mean=(1e12,), target_std=(1e-3,))
    found = compute_scores(problem, np.array([[0.0], [1.0]]), np.array([[1.0], [0.0]]))
    assert found["rmse"] == pytest.approx(1e-3)


@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 9))
def test_no_scores_of_outputs_that_are_not_finite(value: float, row: int) -> None:
    raw = np.zeros((10, 1))
    raw[row] = value
    assert compute_scores(BINARY, np.zeros((10, 1)), raw) == {}
    assert compute_scores(regression(1), np.zeros((10, 1)), raw) == {}


def test_no_scores_where_errors_overflow() -> None:
    assert compute_scores(regression(1), np.array([[0.0], [1.0]]), np.array([[1e300], [0.0]])) == {}


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match=r"\(5, 4\).*\(5, 1\)"):
        compute_scores(MULTICLASS, np.zeros(5, int), np.zeros((5, 1)))
    with pytest.raises(InputError, match="at least one row"):
        compute_scores(BINARY, np.zeros((0, 1)), np.zeros((0, 1)))


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([-2.0, -1.0, 0.5, 0.5, 3.0])), min_size=2, max_size=30))
def test_f1_and_auc_are_scikit_learns_with_ties_and_empty_classes(rows: list[tuple[bool, float]]) -> None:
    y, raw = np.array([row[0] for row in rows], int), np.array([row[1] for row in rows])
    found = compute_scores(BINARY, y[:, None], raw[:, None])
    assert found["f1"] == pytest.approx(metrics.f1_score(y, raw > 0, zero_division=0))
    if 0 < y.sum() < len(y):
        assert found["auc"] == pytest.approx(metrics.roc_auc_score(y, raw))
    classes = np.eye(4)[(raw + 2).astype(int) % 4]
    expected = metrics.f1_score(y, classes.argmax(axis=1), average="macro", zero_division=0)
    assert compute_scores(MULTICLASS, y, classes)["f1"] == pytest.approx(expected)
