"""The common formula of all activations against Keras's own activations and their automatic derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from genomes.architecture.layers import ACTIVATIONS

pytestmark = pytest.mark.keras

# Densely around 0, and far out, where exponentials underflow; 0 itself is a kink with its own test.
_NEAR = np.linspace(-12.0, 12.0, 1601, dtype=np.float32)
_FAR = np.array([15.0, 20.0, 50.0, 88.0, 90.0, 104.0, 300.0, 1e4, 1e6], np.float32)
_TINY = np.array([1e-6, 1e-4, 1e-3], np.float32)
# Slightly left of 0, TensorFlow's selu returns the derivative of the right side.
GRID = np.concatenate([_NEAR[np.abs(_NEAR) > 1e-3], _FAR, -_FAR, _TINY, -_TINY, [1e-30, 1e-8]]).astype(np.float32)


def ours(names, z):
    """Value and derivative of each activation at z, both `(len(names), len(z))`, from one call."""
    import keras

    from evonas.training.population.activations import activate, coefficients

    stacked = np.repeat(np.asarray(z, np.float32)[None, None, :], len(names), axis=0)
    value, derivative = activate(
        keras.ops.convert_to_tensor(stacked), keras.ops.convert_to_tensor(np.stack([coefficients(n) for n in names]))
    )
    return np.asarray(value)[:, 0], np.asarray(derivative)[:, 0]


def reference(name, z):
    """Keras's value and its derivative by automatic differentiation."""
    import keras

    function = keras.activations.get(name)
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(function(z)), np.asarray(jax.vmap(jax.grad(function))(z))
    import tensorflow as tf

    x = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return value.numpy(), tape.gradient(value, x).numpy()


@pytest.fixture(scope="module")
def found():
    """All activations side by side, as in one program."""
    values, derivatives = ours(ACTIVATIONS, GRID)
    return {name: (values[k], derivatives[k]) for k, name in enumerate(ACTIVATIONS)}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_derivative_are_keras_own(found, name):
    value, slope = reference(name, GRID)
    for mine, theirs in zip(found[name], (value, slope), strict=True):
        assert np.isfinite(mine).all()
        # Relative where values grow with z, absolute where they are bounded.
        if name == "mish" and theirs is not value:
            theirs = slope_of_mish(GRID)
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)


def slope_of_mish(z):
    """In float64: the derivative of Keras's function loses digits where its tanh is nearly 1."""
    x = np.clip(z.astype(np.float64), -700.0, 30.0)
    t = np.tanh(np.log1p(np.exp(x)))
    return t + x * (1.0 - t * t) / (1.0 + np.exp(-x))


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in ("relu", "leaky_relu", "selu")])
def test_smooth_activations_have_keras_derivative_at_zero(name):
    for mine, theirs in zip(ours([name], [0.0]), reference(name, np.zeros(1, np.float32)), strict=True):
        np.testing.assert_allclose(mine[0], theirs, atol=1e-6)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "selu"])
def test_kinked_activations_are_zero_at_zero_with_the_derivative_of_one_side(name):
    value, derivative = ours([name], [0.0])
    right, left = (ours([name], [z])[1][0, 0] for z in (1e-6, -1e-6))
    assert value[0, 0] == 0.0
    assert min(abs(derivative[0, 0] - right), abs(derivative[0, 0] - left)) < 1e-5


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_other_networks_in_a_program_change_no_bit(found, name):
    for alone, beside in zip(ours([name], GRID), found[name], strict=True):
        np.testing.assert_array_equal(alone[0], beside)


def test_an_unknown_activation_is_refused():
    from evonas.training.population.activations import coefficients

    with pytest.raises(KeyError):
        coefficients("swish7")
