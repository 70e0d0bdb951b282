"""The common formula of all optimizers, stepped in numpy, against Keras's optimizers."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.networks.schedule import learning_rates
from evonas.training.optimizers import FROZEN, NUM_COEFFICIENTS, step_coefficients
from genomes.architecture.layers import OPTIMIZERS, SCHEDULES

STEPS = 30
DECAY = 0.05


def gradients():
    """Gradients of very different sizes, with exact zeros: shape `(STEPS, 40)`."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(STEPS, 40)) * np.logspace(-4, 2, 40)
    drawn[rng.uniform(size=drawn.shape) < 0.1] = 0.0
    return drawn.astype(np.float32)


def run_steps(p, rows, gs):
    """The formula of `optimizers.py`, in float32."""
    first, second = np.zeros_like(p), np.zeros_like(p)
    path = []
    for c, g in zip(rows, gs, strict=True):
        first = c[0] * first + c[1] * g
        second = c[2] * second + c[3] * g**2
        p = c[6] * p - (c[4] * first + c[5] * g) / (c[7] * np.sqrt(second + c[8]) + c[9])
        path.append(p)
    return np.stack(path)


def by_keras(optimizer, p, rates, gs):
    """The trajectory of Keras's optimizer if the rate is set before every step."""
    import keras

    made = {
        "sgd": lambda: keras.optimizers.SGD(1.0),
        "momentum": lambda: keras.optimizers.SGD(1.0, momentum=0.9),
        "nesterov": lambda: keras.optimizers.SGD(1.0, momentum=0.9, nesterov=True),
        "rmsprop": lambda: keras.optimizers.RMSprop(1.0),
        "adam": lambda: keras.optimizers.Adam(1.0),
        "adamw": lambda: keras.optimizers.AdamW(1.0, weight_decay=DECAY),
        "nadam": lambda: keras.optimizers.Nadam(1.0),
    }[optimizer]()
    variable = keras.Variable(p)
    made.build([variable])
    path = []
    for rate, g in zip(rates, gs, strict=True):
        made.learning_rate = float(rate)
        made.apply([keras.ops.convert_to_tensor(g)])
        path.append(keras.ops.convert_to_numpy(variable).copy())
    return np.stack(path)


@pytest.mark.keras
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.sampled(7)
def test_steps_match_keras(optimizer, schedule):
    peak = 0.01
    rates = learning_rates(peak, schedule, 0.2, STEPS)
    start = np.random.default_rng(1).normal(size=40).astype(np.float32)
    mine = run_steps(start, step_coefficients(optimizer, rates, DECAY), gradients())
    theirs = by_keras(optimizer, start, rates, gradients())
    moved = np.abs(theirs - start).max()
    assert moved > 1e-3
    np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=2e-6 * max(1.0, moved))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("first", [1, 7, 29])
def test_coefficients_of_later_steps_are_a_slice_of_all(optimizer, first):
    rates = learning_rates(0.01, "cosine", 0.1, STEPS)
    whole = step_coefficients(optimizer, rates, DECAY)
    assert whole.shape == (STEPS, NUM_COEFFICIENTS)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(step_coefficients(optimizer, rates[first:], DECAY, first), whole[first:])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_coefficients_stay_finite_over_a_long_training(optimizer):
    rates = np.full(20_000, 0.01, np.float32)
    whole = step_coefficients(optimizer, rates, DECAY)
    assert np.isfinite(whole).all()
    assert (np.abs(whole) <= 100.0).all()


def test_optimizers_differ_from_each_other():
    """Optimizers that are all equal would fail the tests above, but two equal ones could go unnoticed."""
    rates = np.full(STEPS, 0.01, np.float32)
    paths = [run_steps(np.ones(40, np.float32), step_coefficients(o, rates, DECAY), gradients()) for o in OPTIMIZERS]
    for k, path in enumerate(paths):
        for other in paths[k + 1 :]:
            assert np.abs(path - other).max() > 1e-4


@pytest.mark.parametrize("optimizer", [o for o in OPTIMIZERS if o != "adamw"])
def test_weight_decay_acts_with_adamw_only(optimizer):
    rates = np.full(STEPS, 0.01, np.float32)
    np.testing.assert_array_equal(step_coefficients(optimizer, rates, 0.0), step_coefficients(optimizer, rates, DECAY))


def test_adamw_without_decay_is_adam():
    rates = learning_rates(0.01, "exponential", 0.1, STEPS)
    np.testing.assert_array_equal(step_coefficients("adamw", rates, 0.0), step_coefficients("adam", rates, 0.0))


def test_frozen_leaves_everything_as_it_is():
    p, first, second = (np.array([v], np.float32) for v in (3.0, 0.5, 0.25))
    c, g = FROZEN, np.float32(7.0)
    assert c[0] * first + c[1] * g == first
    assert c[2] * second + c[3] * g**2 == second
    assert c[6] * p - (c[4] * first + c[5] * g) / (c[7] * np.sqrt(second + c[8]) + c[9]) == p


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="lion"):
        step_coefficients("lion", np.ones(3, np.float32), 0.0)
