"""What the machine gives this process: cores, and how fast one of them multiplies. Imports no Keras."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

__all__ = ["multiplications_a_second", "usable_cores"]

#: Width of the matrices that are multiplied to see how fast that goes, and how often.
_WIDTH, _TIMES = 384, 8


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the share of time that its container has."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, float(quota) / float(period))  # "max" is no number: no limit
    with suppress(OSError, ValueError):
        folder = Path("/sys/fs/cgroup/cpu")
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period"))
        if float(quota) > 0:
            cores = min(cores, float(quota) / float(period))
    return max(1, math.ceil(cores))


def multiplications_a_second() -> float:
    """Floating-point operations a second of one thread that multiplies float32 matrices, as busy as the machine is.

    Takes some ten milliseconds.
    """
    from threadpoolctl import threadpool_limits

    matrix = np.full((_WIDTH, _WIDTH), 0.5, np.float32)
    with threadpool_limits(limits=1, user_api="blas"):
        matrix @ matrix
        started = time.perf_counter()
        for _ in range(_TIMES):
            matrix @ matrix
        seconds = time.perf_counter() - started
    return 2.0 * _WIDTH**3 * _TIMES / max(seconds, 1e-9)
