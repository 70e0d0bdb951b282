"""The environment of a measurement: hardware, versions, and peak FLOPS of matrix products."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["command_line", "describe", "peak_bytes", "peak_gflops"]

_PACKAGES = ("evonas", "keras", "tensorflow", "jax", "numpy")
_PEAK_SIZE = 2048


def describe() -> dict[str, Any]:
    """Hardware, versions and load of the machine."""
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


def peak_bytes() -> int:
    """The largest resident memory of this process so far, in bytes.

    On Linux, `ru_maxrss` of a new process begins with the peak of its parent.
    """
    try:
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def command_line() -> str:
    """The command as typed, without absolute folders."""
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
    """The commit, marked if the code differs from it; None outside a checkout."""
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def peak_gflops(seconds: float = 2.0) -> float:
    """numpy's float32 matrix product of 2048 x 2048 on all cores, the fastest of several, in a separate process.

    Environment variables that pin numpy's BLAS to a slow kernel are left out.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    command = [sys.executable, __file__, str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return float(done.stdout)


def _peak(seconds: float) -> float:
    a = np.random.default_rng(0).normal(size=(_PEAK_SIZE, _PEAK_SIZE)).astype(np.float32)
    a @ a
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 3:
        began = time.perf_counter()
        a @ a
        taken.append(time.perf_counter() - began)
    return 2 * _PEAK_SIZE**3 / min(taken) / 1e9


if __name__ == "__main__":
    print(_peak(float(sys.argv[1])))
