"""The seam between the population program and the array library that Keras runs on.

One module a library, each with the same few functions; everything else in the program is `keras.ops`.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

from genomes.errors import InputError

__all__ = ["BACKENDS", "cache_settings", "current_backend"]

BACKENDS = ("tensorflow", "jax")


def cache_settings(backend: str, folder: Path) -> dict[str, str]:
    """Environment variables that make a backend, not imported yet, keep compiled programs in a folder."""
    if backend == "jax":
        return {"JAX_COMPILATION_CACHE_DIR": str(folder), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    flags = os.environ.get("TF_XLA_FLAGS", "")
    ours = f"--tf_xla_persistent_cache_directory={folder} --tf_xla_persistent_cache_read_only=false"
    return {"TF_XLA_FLAGS": f"{flags} {ours}".strip()}


def current_backend() -> ModuleType:
    """The seam of the backend that Keras was started with.

    Raises:
        InputError: that backend has none.
    """
    import keras

    name = keras.backend.backend()
    if name not in BACKENDS:
        raise InputError(
            f"the population trainer runs on {' or '.join(BACKENDS)}, not on KERAS_BACKEND={name!r}: set one of them, "
            "or train one network at a time with trainer='single'"
        )
    return importlib.import_module(f"evonas.training.backends.{name}")
