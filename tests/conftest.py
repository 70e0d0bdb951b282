"""No test is timed: the deadlines of Hypothesis would fail on a machine that is busy."""

import gc
import os
from collections import defaultdict

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
from hypothesis import settings

# Before it is imported: its checks show the values that differ.
pytest.register_assert_rewrite("evonas.testing")

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


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
