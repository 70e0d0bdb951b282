"""Greedy ensemble selection on synthetic predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.metrics.scores import compute_scores, predictions
from evonas.networks.ensemble_selection import blend_outputs, select_ensemble
from genomes import InputError
from tests.metrics.test_named import PROBLEMS, rows

METRIC = {"regression": "rmse", "binary": "log_loss", "multiclass": "log_loss"}


def noisy(task: str, count: int, seed: int = 0) -> tuple[Any, list[Any]]:
    """Targets, and outputs that equal them up to independent noise."""
    y, _ = rows(task)
    rng = np.random.default_rng(seed)
    if task == "regression":
        right = y
    elif task == "binary":
        right = 2 * y - 1
    else:
        right = 2 * np.eye(7)[y] - 1
    return y, [right + rng.normal(size=right.shape) for _ in range(count)]


@pytest.mark.parametrize("task", PROBLEMS)
@pytest.mark.parametrize("size", [1, 3, 8])
def test_an_ensemble_is_no_worse_than_the_best_and_no_larger_than_asked(task: str, size: int) -> None:
    y, outputs = noisy(task, 12)

    def loss(raw: Any) -> float:
        return compute_scores(PROBLEMS[task], y, raw)[METRIC[task]]

    counts = select_ensemble(outputs, loss, PROBLEMS[task], size)
    assert len(counts) == 12
    assert 1 <= np.count_nonzero(counts) <= size
    mean = loss(blend_outputs(outputs, np.array(counts) / sum(counts), PROBLEMS[task]))
    best = min(map(loss, outputs))
    assert mean <= best + 1e-9
    if size > 1:
        assert mean < (0.8 if task == "regression" else 1.0) * best  # independent errors cancel
    else:
        assert mean == pytest.approx(best)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000), st.sampled_from(sorted(PROBLEMS)))
def test_blending_is_the_mean_prediction(count: int, size: int, seed: int, task: str) -> None:
    _, outputs = noisy(task, count, seed)
    weights = np.random.default_rng(seed).dirichlet(np.ones(count))
    wanted = sum(w * predictions(PROBLEMS[task], each) for w, each in zip(weights, outputs, strict=True))
    np.testing.assert_allclose(
        predictions(PROBLEMS[task], blend_outputs(outputs, weights, PROBLEMS[task])), wanted, rtol=1e-9
    )


def test_networks_without_a_loss_are_left_out() -> None:
    y, outputs = noisy("regression", 3)
    outputs[1][:] = np.nan
    loss = lambda raw: compute_scores(PROBLEMS["regression"], y, raw).get("rmse", np.inf)  # noqa: E731
    counts = select_ensemble(outputs, loss, PROBLEMS["regression"], 3)
    assert counts[1] == 0
    assert sum(counts) >= 2
    with pytest.raises(InputError, match="at least one network"):
        select_ensemble([], loss, PROBLEMS["regression"], 3)
