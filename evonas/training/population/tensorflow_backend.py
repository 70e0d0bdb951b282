"""Interface to TensorFlow: compilation, loops, gradients, and tensor operations for which `keras.ops` would be slow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = [
    "OutOfMemory",
    "compile_function",
    "configure",
    "constant",
    "custom_gradient",
    "gather",
    "gradients",
    "is_out_of_memory",
    "loop",
    "on_gpu",
    "row",
    "set_row",
]

OutOfMemory = tf.errors.ResourceExhaustedError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is an `OutOfMemory` error, which TensorFlow raises for the device's memory."""
    return isinstance(error, OutOfMemory)


def on_gpu() -> bool:
    """Whether programs run on a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def configure() -> None:
    """One thread on a CPU, where programs are tested, so that no sum depends on the number of cores.

    TensorFlow accepts this only before the first operation of the process.
    """
    if not on_gpu():
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)


def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one XLA program, compiled at its first call for the shapes of its arguments."""
    return tf.function(function, jit_compile=True, autograph=False)  # type: ignore[no-any-return]


def loop(condition: Callable[..., Any], body: Callable[..., Any], state: tuple[Any, ...]) -> tuple[Any, ...]:
    """`state = body(*state)` while `condition(*state)`; the state may hold dictionaries."""
    return tf.while_loop(condition, body, state)  # type: ignore[no-any-return]


def gradients(function: Callable[[Any], tuple[Any, Any]], parameters: Any) -> tuple[Any, Any]:
    """Gradients of the scalar `function(parameters)[0]`, structured like `parameters`, and its second value."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(parameters)
        value, aside = function(parameters)
    return tape.gradient(value, parameters, unconnected_gradients="zero"), aside


def constant(value: Any) -> Any:
    """The value, with gradients stopped."""
    return tf.stop_gradient(value)


def custom_gradient(
    function: Callable[..., tuple[Any, Any]], pullback: Callable[[Any, Any], tuple[Any, ...]]
) -> Callable[..., Any]:
    """`function(*arguments) -> (value, kept)` whose gradients by its first arguments are `pullback(upstream, kept)`."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def wrapper(*arguments: Any) -> Any:
        value, kept = function(*arguments)

        def gradient(upstream: Any) -> list[Any]:
            found = list(pullback(upstream, kept))
            return found + [None] * (len(arguments) - len(found))

        return value, gradient

    return wrapper  # type: ignore[no-any-return]


def gather(rows: Any, index: Any) -> Any:
    """`rows[index]` along the first axis; the indices are known to be in range."""
    return tf.gather(rows, index)


def row(values: Any, position: Any) -> Any:
    """`values[position]`, for a scalar tensor."""
    return tf.squeeze(tf.slice(values, _starts(values, position), [1, *values.shape[1:]]), 0)


def set_row(values: Any, position: Any, value: Any) -> Any:
    """`values` with `values[position]` replaced, for a scalar tensor."""
    from tensorflow.compiler.tf2xla.python import xla

    return xla.dynamic_update_slice(values, tf.expand_dims(value, 0), _starts(values, position))


def _starts(values: Any, position: Any) -> Any:
    return tf.stack([position] + [0] * (len(values.shape) - 1))
