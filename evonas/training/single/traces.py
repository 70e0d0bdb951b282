"""`Traces`: what TensorFlow would keep for ever of each network that it has traced, and how it is let go.

Two tables of the process refer to it: that of gradients, in which each use of `tf.custom_gradient` within a graph
(`silu` among the activations) leaves a function that holds the whole graph; and that of the runtime's functions, in
which the condition and the body of a loop stay when the function that has the loop is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import keras

__all__ = ["Traces"]

_GRADIENT = "CustomGradient-"


class Traces:
    """Of one network: all that was registered while it was `noted`, until they are released."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._gradients: set[str] = set()
        self._functions: set[str] = set()

    @contextmanager
    def noted(self) -> Iterator[None]:
        """What is registered in the block is the network's."""
        gradients, functions = set(_gradients()), _functions()
        try:
            yield
        finally:
            self._gradients |= {name for name in _gradients().keys() - gradients if name.startswith(_GRADIENT)}
            self._functions |= _functions() - functions

    def release_gradients(self) -> None:
        """Lets the gradients go, which no graph that is still to be differentiated may need: garbage afterwards."""
        registered = _gradients()
        for name in self._gradients:
            registered.pop(name, None)
        self._gradients.clear()

    def release_functions(self) -> None:
        """Lets go the functions that no object of Python's stands for any more, hence once garbage was collected."""
        if not self._functions:
            return
        from tensorflow.python.eager import context

        runtime, alive = context.context(), _alive()
        for name in self._functions - alive:
            while runtime.has_function(name):
                runtime.remove_function(name)
        self._functions &= alive


def _gradients() -> MutableMapping[str, Any]:
    """TensorFlow's own table of gradients; empty with another backend, or where a version keeps it elsewhere."""
    if keras.backend.backend() != "tensorflow":
        return {}
    from tensorflow.python.framework import ops

    found: Any = getattr(getattr(ops, "gradient_registry", None), "_registry", None)
    return found if isinstance(found, dict) else {}


def _functions() -> set[Any]:
    """Names of the runtime's functions; none before it runs: a build function may still set how it is to run."""
    if keras.backend.backend() != "tensorflow":
        return set()
    from tensorflow.python.eager import context

    runtime = context.context_safe()
    return set() if runtime is None or not runtime._initialized else set(runtime.list_function_names())


def _alive() -> set[Any]:
    """Names of the runtime's functions that an object of Python's stands for."""
    from tensorflow.python.eager.polymorphic_function import atomic_function

    names = {name for _, name in atomic_function.RUNTIME_FUNCTION_REFS}
    return names | {name.decode() for name in names if isinstance(name, bytes)}
