"""`Traces`: releases the objects that TensorFlow would otherwise keep forever for each network that it has traced.

Two tables of the process refer to them: the table of gradients, in which each use of `tf.custom_gradient` within a
graph (for example by `silu`) leaves a function that holds the whole graph; and the table of runtime functions, in which
the condition and the body of a loop remain after the function with the loop is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import keras

__all__ = ["Traces"]

_GRADIENT = "CustomGradient-"


class Traces:
    """Objects registered for one network within `noted`, until they are released."""

    def __init__(self) -> None:
        """Starts empty."""
        self._gradients: set[str] = set()
        self._functions: set[str] = set()

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Records the objects registered in the block for the network."""
        gradients, functions = set(_gradients()), _functions()
        try:
            yield
        finally:
            self._gradients |= {name for name in _gradients().keys() - gradients if name.startswith(_GRADIENT)}
            self._functions |= _functions() - functions

    def release_gradients(self) -> None:
        """Releases the gradients; no graph that needs them may be differentiated afterwards."""
        registered = _gradients()
        for name in self._gradients:
            registered.pop(name, None)
        self._gradients.clear()

    def release_functions(self) -> None:
        """Releases the functions without a Python object; call it after collecting garbage."""
        if not self._functions:
            return
        from tensorflow.python.eager import context

        runtime, alive = context.context(), _alive()
        for name in self._functions - alive:
            while runtime.has_function(name):
                runtime.remove_function(name)
        self._functions &= alive


def _gradients() -> MutableMapping[str, Any]:
    """TensorFlow's own table of gradients; empty with another backend, or if a version keeps it elsewhere."""
    if keras.backend.backend() != "tensorflow":
        return {}
    from tensorflow.python.framework import ops

    found: Any = getattr(getattr(ops, "gradient_registry", None), "_registry", None)
    return found if isinstance(found, dict) else {}


def _functions() -> set[Any]:
    """Names of the runtime's functions; empty before it starts, since a build function may still configure it."""
    if keras.backend.backend() != "tensorflow":
        return set()
    from tensorflow.python.eager import context

    runtime = context.context_safe()
    return set() if runtime is None or not runtime._initialized else set(runtime.list_function_names())


def _alive() -> set[Any]:
    """Names of the runtime's functions that have a Python object."""
    from tensorflow.python.eager.polymorphic_function import atomic_function

    names = {name for _, name in atomic_function.RUNTIME_FUNCTION_REFS}
    return names | {name.decode() for name in names if isinstance(name, bytes)}
