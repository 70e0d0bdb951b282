"""Calibration errors and temperatures of synthetic logits whose correct temperature is known."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.data.prepared import Problem
from evonas.metrics.calibration import calibration_of, expected_calibration_error, temperature_of
from evonas.metrics.scores import compute_scores, predictions

PROBLEMS = {
    "binary": Problem("binary", 1, 1, classes=("a", "b")),
    "multiclass": Problem("multiclass", 1, 3, classes=("a", "b", "c")),
}


def draw(task: str, count: int = 4000):
    """Classes drawn with the probabilities of the logits."""
    rng, problem = np.random.default_rng(0), PROBLEMS[task]
    logits = rng.normal(size=(count, problem.num_outputs)) * 2
    chances = predictions(problem, logits)
    return problem, (rng.random((count, 1)) > chances.cumsum(axis=1)).sum(axis=1), logits


@pytest.mark.parametrize("task", PROBLEMS)
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_found_and_reduces_the_error(task: str, temperature: float):
    problem, y, logits = draw(task)
    assert expected_calibration_error(problem, y, logits) < 0.03
    raw = logits * temperature
    found = temperature_of(problem, y, raw)
    assert found == pytest.approx(temperature, rel=0.1)
    before, after = compute_scores(problem, y, raw), compute_scores(problem, y, raw / found)
    assert after["log_loss"] <= before["log_loss"]
    assert after["accuracy"] == before["accuracy"]
    if temperature != 1.0:
        about = calibration_of(problem, y, raw / found, found)
        assert about["ece"] < 0.03 < about["ece_before"] - 0.02


def test_sure_and_wrong_is_an_error_of_one_and_sure_and_right_of_none():
    problem = PROBLEMS["binary"]
    logits = np.full((10, 1), 50.0)
    assert expected_calibration_error(problem, np.zeros(10), logits) == pytest.approx(1.0)
    assert expected_calibration_error(problem, np.ones(10), logits) == pytest.approx(0.0)


def test_a_model_that_is_never_wrong_has_a_bounded_temperature():
    problem = PROBLEMS["binary"]
    assert 0.05 <= temperature_of(problem, np.ones(10), np.full((10, 1), 2.0)) < 1.0


def test_a_regression_has_no_calibration():
    problem = Problem("regression", 1, 1, (0.0,), (1.0,))
    assert calibration_of(problem, np.zeros((3, 1)), np.zeros((3, 1))) == {}
