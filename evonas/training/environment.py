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
    """Enables full-width vectors for XLA on CPUs; with JAX, caches compiled programs in the user's cache directory.

    Variables set by the user are kept. TensorFlow has such a cache too, but its keys contain a running number of the
    traced function, so that other processes hardly ever find an entry.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_prefer_vector_width" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_prefer_vector_width=512".strip()
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(root / "evonas" / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")


def import_keras() -> None:
    """Imports Keras without its optional dependencies, which can still be imported later.

    `keras.wrappers` and `keras.visualization` are not needed in such a process.
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
