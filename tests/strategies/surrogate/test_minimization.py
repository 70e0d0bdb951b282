"""Descent from many starts at once."""

from __future__ import annotations

import numpy as np

from evonas.strategies.surrogate.minimization import minimize_all

SCALES = np.array([1.0, 30.0, 4.0])
LEAST = np.array([0.3, 0.7, -0.5])


def bowls(places: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A bowl for each start, with unequal axes and a different minimum."""
    away = places - LEAST
    return (SCALES * away * away).sum(axis=1) + starts, 2.0 * SCALES * away


def test_every_start_reaches_the_least_within_its_bounds() -> None:
    starts = np.random.default_rng(0).random((7, 3))
    low, high = np.zeros_like(starts), np.ones_like(starts)
    low[0, 1] = high[0, 1] = starts[0, 1]  # a coordinate fixed by its bounds
    found, value = minimize_all(bowls, starts, low, high, 60)
    expected = np.tile([0.3, 0.7, 0.0], (7, 1))
    expected[0, 1] = starts[0, 1]
    np.testing.assert_allclose(found, expected, atol=0.03)
    np.testing.assert_allclose(value, bowls(found, np.arange(7))[0])


def test_starts_do_not_change_each_other_and_none_ends_higher() -> None:
    starts = np.random.default_rng(1).random((5, 3))
    bounds = np.zeros_like(starts), np.ones_like(starts)
    together, values = minimize_all(bowls, starts, *bounds, 6)
    alone = [minimize_all(bowls, starts[k : k + 1], *(b[:1] for b in bounds), 6)[0][0] for k in range(5)]
    np.testing.assert_allclose(together, alone, atol=1e-9)
    assert (values <= bowls(starts, np.arange(5))[0]).all()
