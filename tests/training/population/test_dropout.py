"""Dropout masks: their distribution, and that they depend on (seed, step, layer, row, unit) only."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.keras

ROWS, UNITS = 64, 96


def masks(seeds, steps, layer=1, rate=0.5, rows=ROWS, units=UNITS):
    """One mask for each pair of seed and step, `(slots, rows, units)`."""
    import keras

    from evonas.training.population.dropout import keep_mask

    rates = np.broadcast_to(np.asarray(rate, np.float32).reshape(-1, 1, 1), (len(seeds), 1, 1))
    seed, step = (keras.ops.convert_to_tensor(np.asarray(v, np.int32)) for v in (seeds, steps))
    return np.asarray(keep_mask(seed, step, layer, keras.ops.convert_to_tensor(rates), rows, units))


def correlation(a, b):
    return float(np.corrcoef((a > 0).ravel(), (b > 0).ravel())[0, 1])


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 0.5, 0.9])
def test_the_share_and_the_scale_are_those_of_inverted_dropout(rate):
    found = masks(range(8), range(100, 108), rate=rate)
    np.testing.assert_allclose(np.unique(found), [0.0, 1.0 / (1.0 - rate)], rtol=1e-6)
    dropped = (found == 0.0).mean()
    assert dropped == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / found.size))
    # Also by unit and by row: no unit is always kept.
    for axes in ((0, 1), (0, 2)):
        shares = (found == 0.0).mean(axis=axes)
        deviation = np.sqrt(rate * (1 - rate) * shares.size / found.size)
        assert np.abs(shares - rate).max() < 5 * deviation
        # Nor is any more regular than chance.
        assert shares.std() == pytest.approx(deviation, rel=0.4)


def test_a_rate_of_zero_keeps_everything():
    assert (masks(range(4), range(4), rate=0.0) == 1.0).all()


def test_rates_side_by_side_are_those_alone():
    together = masks([1, 2, 3], [7, 8, 9], rate=[0.0, 0.2, 0.7])
    for k, rate in enumerate([0.0, 0.2, 0.7]):
        np.testing.assert_array_equal(together[k], masks([k + 1], [k + 7], rate=rate)[0])


def test_masks_of_steps_layers_and_seeds_are_independent():
    bound = 5 / np.sqrt(ROWS * UNITS)
    step_masks = masks([11] * 24, range(24))
    seed_masks = masks([*range(12), *(2**31 - 1 - np.arange(6)), *(-(2**31) + np.arange(6))], [3] * 24)
    layer_masks = [masks([11], [3], layer=layer)[0] for layer in range(1, 9)]
    for family in (step_masks, seed_masks, layer_masks):
        found = [correlation(a, b) for k, a in enumerate(family) for b in family[k + 1 :]]
        assert np.abs(found).max() < bound
        # As far from 0 as chance predicts: a shared, shifted stream would be too close or too far.
        assert np.std(found) == pytest.approx(1 / np.sqrt(ROWS * UNITS), rel=0.35)


def test_neighbouring_rows_and_units_are_independent():
    kept = (masks(range(40), [0] * 40) > 0).astype(float)
    for a, b in ((kept[:, 1:], kept[:, :-1]), (kept[:, :, 1:], kept[:, :, :-1]), (kept[:, :, 2:], kept[:, :, :-2])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)


def test_a_mask_is_not_a_shift_of_another():
    """Rows and steps enter as multiples of odd constants: no later step may repeat an earlier one, shifted by rows."""
    found = masks([11] * 12, range(12)) > 0
    bound = 6 / np.sqrt(ROWS * UNITS / 2)
    for a in range(12):
        for b in range(12):
            for shift in (1, 2, 3, 8):
                assert abs(correlation(found[a, shift:], found[b, :-shift])) < bound


def test_padding_changes_no_element():
    small = masks([5, 6], [1, 2], rate=0.4, rows=9, units=7)
    large = masks([5, 6], [1, 2], rate=0.4, rows=32, units=128)
    np.testing.assert_array_equal(small, large[:, :9, :7])


def test_the_same_call_gives_the_same_mask():
    np.testing.assert_array_equal(masks([5], [1]), masks([5], [1]))


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1, 2**32 - 1])
def test_the_native_kernel_has_the_same_masks(seed):
    """The gradient passes through the mask: rows one at a time are enough to see each factor."""
    from evonas.training.native.program_builder import Builder
    from tests.training.native.reference import keep_mask as in_numpy
    from tests.training.native.test_operations import gradients

    rate, rows, units = 0.3, 5, 9
    expected = masks([np.int64(seed).astype(np.int32)], [0], layer=4, rate=rate, rows=rows, units=units)[0]
    np.testing.assert_array_equal(in_numpy(seed, 0, 4, rate, rows, units), expected)
    builder = Builder(rows, rows)
    program = builder.finish(builder.dropout(builder.dense([builder.input], units, "h", bias=False), rate, 4))
    weights = {"h/kernel": np.zeros((rows, units), np.float32)}
    # Each row has its own weights, so the gradient of a mean absolute error is the mask divided by the size.
    x, y = np.eye(rows, dtype=np.float32), np.full((rows, units), -1, np.float32)
    found, _ = gradients(program, weights, x, y, "mae", seed=seed)
    np.testing.assert_allclose(found["h/kernel"] * rows * units, expected, rtol=1e-6)
