"""What must be set in a process before Keras's backend is imported. Imports no Keras."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["prepare_process"]


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
