"""The interface between the population program and the array library used by Keras.

Each library has a module (`tensorflow_backend`, `jax_backend`) with the same few functions; everything else in the
program is `keras.ops`.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from genomes.errors import InputError

__all__ = ["BACKENDS", "current_backend"]

BACKENDS = ("tensorflow", "jax")


def current_backend() -> ModuleType:
    """The module for the backend that Keras was started with.

    Raises:
        InputError: there is no module for that backend.
    """
    import keras

    name = keras.backend.backend()
    if name not in BACKENDS:
        raise InputError(
            f"the population trainer runs on {' or '.join(BACKENDS)}, not on KERAS_BACKEND={name!r}: set one of them, "
            "or train one network at a time with trainer='single'"
        )
    return importlib.import_module(f"evonas.training.population.{name}_backend")
