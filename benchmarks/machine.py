"""What a measurement ran on: hardware, versions, and the peak of its matrix products."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["command_line", "describe", "peak_gflops"]

_PACKAGES = ("evonas", "keras", "tensorflow", "jax", "numpy")
_PEAK_SIZE = 2048


def describe() -> dict[str, Any]:
    """Hardware, versions and how busy the machine already was."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _cpu(),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        "commit": _commit(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def command_line() -> str:
    """The command as typed, without the folders of this machine."""
    return " ".join(["python", *(Path(part).name if Path(part).is_absolute() else part for part in sys.argv)])


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return f"{found.get('model name', '?')} (family {found.get('cpu family', '?')}, model {found.get('model', '?')})"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit, with a mark where the code differs from it; None outside a checkout."""
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def peak_gflops(seconds: float = 2.0) -> dict[str, float]:
    """float32 matrix product of 2048 x 2048 on all cores, the fastest of several, by library.

    numpy's BLAS may be pinned to a slow kernel by environment variables: the peak is the larger of the two.
    """
    import keras

    a = np.random.default_rng(0).normal(size=(_PEAK_SIZE, _PEAK_SIZE)).astype(np.float32)
    b = keras.ops.convert_to_tensor(a)
    products = {
        "numpy": lambda: a @ a,
        keras.backend.backend(): lambda: np.asarray(keras.ops.matmul(b, b)[0, 0]),
    }
    peaks = {}
    for name, product in products.items():
        product()
        taken, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end or len(taken) < 3:
            began = time.perf_counter()
            product()
            taken.append(time.perf_counter() - began)
        peaks[name] = 2 * _PEAK_SIZE**3 / min(taken) / 1e9
    return peaks
