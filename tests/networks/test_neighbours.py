"""Predictions from reference rows in numpy, against sums over pairs."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.networks import neighbours
from evonas.networks.neighbours import FLOOR, LEAST_SHARE, neighbour_outputs, reference_rows, target_columns


@pytest.mark.parametrize(("task", "outputs"), [("regression", 2), ("binary", 1), ("multiclass", 3)])
def test_outputs_are_means_weighted_by_the_softmax_of_negative_distances(monkeypatch, task, outputs):
    rng = np.random.default_rng(0)
    z, others = rng.normal(size=(9, 4)), rng.normal(size=(7, 4))
    y = rng.normal(size=(7, outputs)) if task == "regression" else rng.integers(max(2, outputs), size=7)
    known = target_columns(y, task, outputs).astype(float)
    parts = {"references": others, "targets" if task == "regression" else "classes": known}
    expected = []
    for row in z:
        weights = np.exp([-np.sqrt(((row - other) ** 2).sum() + FLOOR) for other in others])
        mean = weights @ known / weights.sum()
        if task != "regression":
            mean = np.log(mean + LEAST_SHARE)
            mean = mean[1:] - mean[:1] if task == "binary" else mean
        expected.append(mean)
    np.testing.assert_allclose(neighbour_outputs(z, parts), expected, rtol=1e-9)
    monkeypatch.setattr(neighbours, "_MOST_PAIRS", 15)  # two rows at a time
    np.testing.assert_allclose(neighbour_outputs(z, parts), expected, rtol=1e-9)
    assert neighbour_outputs(z[:0], parts).shape == (0, outputs)


def test_references_depend_on_the_seed_alone():
    first = reference_rows(3, 10_000)
    np.testing.assert_array_equal(first, reference_rows(3, 10_000))
    assert len(set(first.tolist())) == len(first) == 4096
    assert not np.array_equal(first, reference_rows(4, 10_000))
    np.testing.assert_array_equal(reference_rows(3, 4096), np.arange(4096))
