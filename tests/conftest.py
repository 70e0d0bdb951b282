"""No test depends on the speed of the machine nor, in `make test`, on chance: two runs try the same cases.

A test that waits for something allows far longer than the slowest machine needs, but less than the failure it guards
against would take: a hang, a wait of minutes, or training to the end. Deadlines of toy searches are tested with a clock
that the test advances (`tests.clock`).
"""

import gc
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path

# Set before numpy is loaded, here and in the processes that tests start. The matrices are small and several processes
# share the machine: OpenBLAS threads that wait for each other take three times as long as a single one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# OpenMP threads, which scikit-learn's boosting uses, spin while they wait: thirty times the processor time of one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Otherwise each search would start and wait for one more process; the tests of baselines turn them on.
os.environ.setdefault("EVONAS_BASELINE", "off")
# Otherwise each run would spend seconds on a report; the tests of reports turn them on.
os.environ.setdefault("EVONAS_NO_REPORT", "1")

import pytest
from hypothesis import HealthCheck, settings

# Before the import, so that its assertions show the values that differ.
pytest.register_assert_rewrite("evonas.testing")

untimed = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("soak", **untimed)
settings.register_profile("repeatable", derandomize=True, **untimed)
settings.load_profile("soak" if os.environ.get("EVONAS_BATTERY") else "repeatable")


#: The root of the repository.
ROOT = Path(__file__).parents[1]
#: A folder in memory.
MEMORY = Path("/dev/shm")


def pytest_configure() -> None:
    """Puts test files in memory if there is room: on a disk each commit waits for it.

    Tests of disks create their own. Folders whose programs may not be executed are not used, since some tests run
    programs.

    Tests start some hundred processes. Without bytecode each of them compiles evonas, Keras and TensorFlow, which was
    half of the suite's processor time. If bytecode beside the sources is disabled, it goes to pytest's own folder.
    """
    # A shell that starts the tests in the background makes them, and all their processes, ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(ROOT / ".pytest_cache" / "bytecode")
        sys.dont_write_bytecode = False
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        about = os.statvfs(MEMORY)
        if about.f_bavail * about.f_frsize > 4 << 30 and not about.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(autouse=True, scope="module")
def _libraries_are_no_garbage() -> None:
    """Keras collects garbage for every model, which takes a third of a second once the libraries are loaded."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In `make test`, keeps evenly spaced parameter sets of tests marked `sampled`; the soak runs all of them."""
    tables = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled") and not item.get_closest_marker("soak"):
            tables[item.nodeid.split("[")[0]].append(item)
    for table in tables.values():
        (count,) = table[0].get_closest_marker("sampled").args
        chosen = {number * len(table) // count for number in range(count)}
        for number, item in enumerate(table):
            if number not in chosen:
                item.add_marker(pytest.mark.soak)
