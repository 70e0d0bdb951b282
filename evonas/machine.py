"""What the machine gives this process: cores, and how fast one of them multiplies. Imports no Keras."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["core_share", "multiplications_a_second", "usable_cores"]

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


def core_share(threads: int) -> float:
    """The share of a core that each of so many threads will have beside what has been running in the last minute."""
    with suppress(OSError):
        busy = os.getloadavg()[0]
        return min(1.0, (os.cpu_count() or 1) / (busy + threads))
    return 1.0


def multiplications_a_second() -> float:
    """Floating-point operations a second of one core that multiplies float32 matrices. Takes some ten milliseconds."""
    import numpy as np  # here: a command that needs no speed needs no numpy
    from threadpoolctl import threadpool_limits

    matrix = np.full((_WIDTH, _WIDTH), 0.5, np.float32)
    with threadpool_limits(limits=1, user_api="blas"):
        matrix @ matrix
        started = time.thread_time()  # another process may have the core meanwhile
        for _ in range(_TIMES):
            matrix @ matrix
        seconds = time.thread_time() - started
    return 2.0 * _WIDTH**3 * _TIMES / max(seconds, 1e-9)
