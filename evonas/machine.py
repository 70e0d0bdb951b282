"""Resources of this process: cores, memory, the speed of a core, and when it started. Imports no Keras."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

from genomes.errors import InputError

__all__ = [
    "DATA_VARIABLE",
    "assigned_threads",
    "core_share",
    "data_bytes",
    "free_bytes",
    "machine_bytes",
    "multiplications_a_second",
    "process_started",
    "program_bytes",
    "usable_cores",
]

#: Matrix size and repetitions of the speed measurement.
_WIDTH, _TIMES = 384, 8
#: Samples of the number of running threads, and the seconds between them.
_LOAD_SAMPLES, _LOAD_SECONDS = 7, 0.005
#: Share of the free memory for one program: several are held at a time, with the data and the compiler.
PROGRAM_SHARE = 1 / 8
_LEAST, _MOST = 1 << 26, 1 << 30
#: Environment variable: largest number of bytes of images and series that are held in memory.
DATA_VARIABLE = "EVONAS_DATA_MEMORY"

#: Processes older than this at import did something else before, so their start is not that of a command.
_START_AT_MOST = 20.0

_IMPORTED = time.monotonic()


def process_started() -> float:
    """Start time of this process on the clock of `time.monotonic()`.

    If unknown, or if the process was a shell that was replaced by this program later, the time at which evonas was
    imported.
    """
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        started = time.monotonic() - age
    except (OSError, ValueError, IndexError, AttributeError):
        return _IMPORTED
    return started if 0.0 <= _IMPORTED - started <= _START_AT_MOST else _IMPORTED


def usable_cores() -> int:
    """Cores that this process may use, by its affinity and the CPU limit of its container."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, float(quota) / float(period))  # "max" is not a number: no limit
    with suppress(OSError, ValueError):
        folder = Path("/sys/fs/cgroup/cpu")
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period"))
        if float(quota) > 0:
            cores = min(cores, float(quota) / float(period))
    return max(1, math.ceil(cores))


def assigned_threads() -> int | None:
    """Number of threads that the parent process, such as joblib, assigned to this process; None if unspecified."""
    given = os.environ.get("NUMBA_NUM_THREADS", "")
    return min(max(1, int(given)), usable_cores()) if given.isdecimal() else None


def core_share(threads: int) -> float:
    """The expected share of a core for each thread, given the load of the last minute and of this moment.

    Of this moment, threads of this process and its children do not count: they are what shares the rest. A load of the
    last minute that has ended counts half: it may return, or it was a run before this one.
    """
    with suppress(OSError):
        others = _others_running()
        busy = max(others, (os.getloadavg()[0] + others) / 2)
        return min(1.0, (os.cpu_count() or 1) / (busy + threads))
    return 1.0


def _others_running() -> float:
    """Threads of other processes that are running or ready to run: the median of a few samples; 0 if unknown."""
    samples = []
    with suppress(OSError, ValueError, IndexError):
        for _ in range(_LOAD_SAMPLES):
            running = int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0])
            samples.append(max(0, running - _own_running()))
            time.sleep(_LOAD_SECONDS)
    return float(median(samples)) if samples else 0.0


def _own_running() -> int:
    """Threads of this process and of its children, and theirs, that are running or ready to run."""
    count, pids = 0, [str(os.getpid())]
    while pids:
        for task in Path("/proc", pids.pop(), "task").glob("*"):
            with suppress(OSError, IndexError):  # it may have ended
                count += (task / "stat").read_text().rpartition(")")[2].split()[0] == "R"
                pids += (task / "children").read_text().split()
    return count


def multiplications_a_second() -> float:
    """Measured FLOPS of one core in float32 matrix products. Takes about ten milliseconds."""
    import numpy as np  # imported late, since most commands do not need numpy
    from threadpoolctl import threadpool_limits

    matrix = np.full((_WIDTH, _WIDTH), 0.5, np.float32)
    with threadpool_limits(limits=1, user_api="blas"):
        matrix @ matrix
        started = time.thread_time()  # the best of several: other processes may interfere
        for _ in range(_TIMES):
            matrix @ matrix
        seconds = time.thread_time() - started
    return 2.0 * _WIDTH**3 * _TIMES / max(seconds, 1e-9)


def machine_bytes() -> int:
    """Memory of the machine or of the container of this process, in bytes."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            found = min(found, int(Path("/sys/fs/cgroup", name).read_text()))
    return found


def free_bytes() -> int:
    """Memory available without swapping, in bytes; the total memory if the system does not report it."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return min(int(line.split()[1]) * 1024, machine_bytes())
    return machine_bytes()


def data_bytes(share: float) -> int:
    """Memory that data may take, in bytes: a share of the free memory, at most `EVONAS_DATA_MEMORY` if that is set.

    Raises:
        InputError: the environment variable is not a whole number of bytes above 0.
    """
    most, given = int(free_bytes() * share), os.environ.get(DATA_VARIABLE, "")
    if not given:
        return most
    if not given.isdecimal() or not int(given):
        raise InputError(f"{DATA_VARIABLE} must be a whole number of bytes above 0, not {given!r:.40}: set it to one")
    return min(most, int(given))


def program_bytes(free: int | None = None) -> int:
    """Memory of one training program: `PROGRAM_SHARE` of the free memory, rounded to a power of two, 64 MiB to 1 GiB.

    The rounding makes equal runs plan identically although the free memory varies.
    """
    share = int((free_bytes() if free is None else free) * PROGRAM_SHARE)
    return min(max(1 << max(share, 1).bit_length() - 1, _LEAST), _MOST)
