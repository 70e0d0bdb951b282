"""No test depends on the speed of the machine, nor, in `make test`, on what is drawn: two runs of it try the same.

A test that waits for something waits far longer than the slowest machine takes for it, and less long than what it is
told from: who hangs, waits for a patience of minutes, or trains to the end. Deadlines of toy searches are tested with a
clock that the test advances (`tests.clock`).
"""

import gc
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path

# Before numpy is loaded, here and in the processes that tests start. The matrices are small, and several processes
# share the machine: threads of OpenBLAS that wait for one another then take three times the time of one alone.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Those of OpenMP, which scikit-learn's boosting uses, spin while they wait: thirty times the processor time of one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Each search would start one more process, and wait for it; the tests of baselines switch them on.
os.environ.setdefault("EVONAS_BASELINE", "off")
# As would each report, of seconds; the tests of reports switch them on.
os.environ.setdefault("EVONAS_NO_REPORT", "1")

import pytest
from hypothesis import HealthCheck, settings

# Before it is imported: its checks show the values that differ.
pytest.register_assert_rewrite("evonas.testing")

untimed = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("soak", **untimed)
settings.register_profile("repeatable", derandomize=True, **untimed)
settings.load_profile("soak" if os.environ.get("EVONAS_BATTERY") else "repeatable")


#: The checkout.
ROOT = Path(__file__).parents[1]
#: Where there is memory for files.
MEMORY = Path("/dev/shm")


def pytest_configure() -> None:
    """Files of tests are in memory where there is enough: else each commit waits for the disk.

    Those of disks make their own. Not where no programs may be run, as tests do.

    Tests start some hundred processes: without bytecode each compiles evonas, Keras and TensorFlow, which was half of
    the whole suite's processor time. Who wants none beside the sources gets it in pytest's own folder.
    """
    # A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
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
    """Keras collects garbage with every model, a third of a second each time once the libraries are loaded."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves evenly spaced parameter sets of a test marked `sampled` in `make test`; the others are for the soak."""
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
