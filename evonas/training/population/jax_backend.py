"""Interface to JAX: compilation, loops, gradients, and the tensor operations for which `keras.ops` would be slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

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

OutOfMemory = jax.errors.JaxRuntimeError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is an `OutOfMemory` error caused by the device's memory."""
    return isinstance(error, OutOfMemory) and "RESOURCE_EXHAUSTED" in str(error)


def on_gpu() -> bool:
    """Whether programs run on a GPU."""
    return bool(jax.default_backend() == "gpu")


def configure() -> None:
    """JAX sizes its own thread pool; nothing to do."""


def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one XLA program, compiled at its first call for the shapes of its arguments."""
    return jax.jit(function)  # type: ignore[no-any-return]


def loop(condition: Callable[..., Any], body: Callable[..., Any], state: tuple[Any, ...]) -> tuple[Any, ...]:
    """`state = body(*state)` while `condition(*state)`; the state may hold dictionaries."""
    return lax.while_loop(lambda held: condition(*held), lambda held: tuple(body(*held)), state)  # type: ignore[no-any-return]


def gradients(function: Callable[[Any], tuple[Any, Any]], parameters: Any) -> tuple[Any, Any]:
    """Gradients of the scalar `function(parameters)[0]`, structured like `parameters`, and its second value."""
    return jax.grad(function, has_aux=True)(parameters)  # type: ignore[no-any-return]


def constant(value: Any) -> Any:
    """The value, with gradients stopped."""
    return lax.stop_gradient(value)


def custom_gradient(
    function: Callable[..., tuple[Any, Any]], pullback: Callable[[Any, Any], tuple[Any, ...]]
) -> Callable[..., Any]:
    """`function(*arguments) -> (value, kept)` whose gradients by its first arguments are `pullback(upstream, kept)`."""

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)[0]

    def forward(*arguments: Any) -> Any:
        value, kept = function(*arguments)
        return value, (kept, arguments)

    def backward(held: Any, upstream: Any) -> Any:
        kept, arguments = held
        found = pullback(upstream, kept)
        return *found, *map(jax.numpy.zeros_like, arguments[len(found) :])

    wrapper.defvjp(forward, backward)
    return wrapper  # type: ignore[no-any-return]


def gather(rows: Any, index: Any) -> Any:
    """`rows[index]` along the first axis; the indices are known to be in range."""
    return jax.numpy.take(rows, index, axis=0, mode="clip")


def row(values: Any, position: Any) -> Any:
    """`values[position]`, for a scalar tensor."""
    return lax.dynamic_index_in_dim(values, position, 0, keepdims=False)


def set_row(values: Any, position: Any, value: Any) -> Any:
    """`values` with `values[position]` replaced, for a scalar tensor."""
    return lax.dynamic_update_index_in_dim(values, value, position, 0)
