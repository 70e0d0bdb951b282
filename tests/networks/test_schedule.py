"""Learning rates over a whole training."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.networks.schedule import FINAL_SHARE, learning_rates
from genomes.architecture.layers import SCHEDULES


@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "coslog4"])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("num_steps", [1, 2, 3, 100])
def test_every_step_has_a_rate_and_the_peak_is_reached_and_never_passed(schedule, warmup, num_steps):
    rates = learning_rates(0.3, schedule, warmup, num_steps)
    assert rates.shape == (num_steps,)
    assert rates.dtype == np.float32
    assert (rates > 0.0).all()
    assert rates.max() == rates[round(warmup * num_steps)] == np.float32(0.3)


@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("num_steps", [1, 2, 3, 100])
def test_every_step_of_coslog4_has_a_rate_and_the_peak_is_never_passed(warmup, num_steps):
    rates = learning_rates(0.3, "coslog4", warmup, num_steps)
    assert rates.shape == (num_steps,)
    assert (rates > 0.0).all()
    assert rates.max() <= np.float32(0.3)


def test_coslog4_has_four_waves_each_twice_as_long_as_the_one_before():
    rates = learning_rates(1.0, "coslog4", 0.0, 15_000)
    lows = np.flatnonzero((rates[1:-1] < rates[:-2]) & (rates[1:-1] <= rates[2:])) + 1
    np.testing.assert_allclose(lows, [1000, 3000, 7000], atol=1)
    assert rates[[0, *lows, -1]].max() < 1e-4
    for low, high in ((0, 1000), (1000, 3000), (3000, 7000), (7000, 15_000)):
        assert rates[low:high].max() == pytest.approx(1.0, abs=1e-4)


def test_warm_up_rises_in_equal_steps_to_the_peak():
    rates = learning_rates(1.0, "constant", 0.2, 20)
    np.testing.assert_allclose(rates[:5], [0.2, 0.4, 0.6, 0.8, 1.0], rtol=1e-6)
    assert (rates[4:] == 1.0).all()


@pytest.mark.parametrize("warmup", [0.0, 0.1])
def test_after_warm_up_the_schedule_covers_the_remaining_steps(warmup):
    steps, warm = 200, round(warmup * 200)
    share = np.arange(steps - warm) / (steps - warm)
    expected = {
        "constant": np.ones_like(share),
        "cosine": (1 + np.cos(np.pi * share)) / 2,
        "exponential": np.exp(share * np.log(FINAL_SHARE)),
        "flat_cosine": np.where(share < 0.5, 1.0, (1 + np.cos(np.pi * (2 * share - 1))) / 2),
    }
    for schedule, values in expected.items():
        np.testing.assert_allclose(learning_rates(2.0, schedule, warmup, steps)[warm:], 2.0 * values, rtol=1e-5)


def test_where_the_schedules_end():
    ends = {schedule: learning_rates(1.0, schedule, 0.0, 10_000)[-1] for schedule in SCHEDULES}
    assert ends["constant"] == 1.0
    assert ends["cosine"] == pytest.approx(0.0, abs=1e-6)
    assert ends["flat_cosine"] == pytest.approx(0.0, abs=1e-6)
    assert ends["exponential"] == pytest.approx(FINAL_SHARE, rel=1e-3)


@pytest.mark.keras
def test_cosine_is_keras_own():
    import keras

    theirs = keras.optimizers.schedules.CosineDecay(0.1, 50)
    mine = learning_rates(0.1, "cosine", 0.0, 50)
    np.testing.assert_allclose(mine, [float(theirs(step)) for step in range(50)], atol=1e-7)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="step"):
        learning_rates(0.1, "step", 0.0, 10)
