"""Preparation of a training process before Keras's backend is imported, and the import."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

__all__ = ["import_keras", "prepare_process"]

#: Optional imports of Keras that training does not need, two fifths of its import time.
_UNUSED = ("IPython", "PIL", "matplotlib", "pandas", "scipy", "sklearn")


def prepare_process() -> None:
    """Full-width vectors for XLA on CPUs; with JAX, compiled programs are kept in the user's cache.

    Variables that the user has set stay as they are. TensorFlow has such a cache too, but its keys hold a running
    number of the traced function, so that another process finds next to nothing in it.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_prefer_vector_width" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_prefer_vector_width=512".strip()
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(root / "evonas" / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")


def import_keras() -> None:
    """Imports Keras without its optional dependencies, which can still be imported later.

    `keras.wrappers` and `keras.visualization` are of no use in such a process.
    """
    if "keras" in sys.modules:
        return
    hidden = [name for name in _UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # its import then raises ImportError
    try:
        importlib.import_module("keras")
    finally:
        for name in hidden:
            del sys.modules[name]
