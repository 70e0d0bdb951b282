"""A plugin that prints which tests cost most processor time: `pytest -p tests.processor_time`.

Counts, in seconds, the test's process and the child processes that it waited for. The cost of a fixture is charged to
the first test that uses it. Unlike `--durations`, the result is nearly the same on a busy machine.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator

import pytest

PROPERTY = "processor_seconds"
SHOWN = 40
_BEGAN = pytest.StashKey[float]()
#: Seconds by test, in the process that prints.
_seconds: defaultdict[str, float] = defaultdict(float)


def processor_seconds() -> float:
    """Processor time of this process so far, and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_BEGAN] = processor_seconds()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        # With xdist, the teardown's report carries it from the worker to the printing process.
        item.user_properties.append((PROPERTY, processor_seconds() - item.stash[_BEGAN]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        _seconds[report.nodeid] += sum(float(str(value)) for name, value in report.user_properties if name == PROPERTY)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    files: defaultdict[str, float] = defaultdict(float)
    for test, seconds in _seconds.items():
        files[test.partition("::")[0]] += seconds
    whole = processor_seconds()  # includes the xdist workers, which have ended
    terminalreporter.section("processor seconds")
    terminalreporter.line(f"{whole:9.1f} all, {sum(_seconds.values()):.1f} of it {len(_seconds)} tests")
    for costs in (files, _seconds):
        terminalreporter.line("")
        for name, seconds in sorted(costs.items(), key=lambda cost: -cost[1])[:SHOWN]:
            terminalreporter.line(f"{seconds:9.1f} {name}")
