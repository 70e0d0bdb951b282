"""The table printed by `make soak`, and fixtures of the battery."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.execution.conftest import data_path
from tests.reliability.battery import Row, Runs
from tests.reliability.counts import SOAK
from tests.reliability.disks import Disk, mount_disk
from tests.reliability.forkserver import ForkServer

__all__ = ["data_path"]

#: A folder in memory, if there is one: a killed process leaves the same files as on a disk, only faster.
MEMORY = Path("/dev/shm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.battery)


@pytest.fixture
def row(record_property: Callable[[str, Any], None]) -> Row:
    """Description, criterion and number of repetitions of a test: `row("test", "criterion")`, `row.count += 1`."""
    made = Row()
    record_property("battery", vars(made))  # not a copy: the test's report includes later changes
    return made


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if SOAK is None:
        return
    rows: list[tuple[str, ...]] = [("test", "pass", "count", "result")]
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            if getattr(report, "when", "call") == "call":
                for name, found in getattr(report, "user_properties", []):
                    if name == "battery" and found["test"]:
                        result = "; ".join(filter(None, [outcome, found["notes"], f"{report.duration:.0f} s"]))
                        rows.append((found["test"], found["criterion"], f"{found['count']:,}", result))
            if outcome == "skipped" and "reliability" in report.nodeid:
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
                rows.append((report.nodeid.rpartition("::")[2], "", "0", reason))
    terminalreporter.section("the battery")
    for cells in rows:
        terminalreporter.write_line("| " + " | ".join(cells) + " |")
        if cells is rows[0]:
            terminalreporter.write_line("|---|---|---|---|")


@contextmanager
def in_memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="evonas-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def fast_path() -> Iterator[Path]:
    """A folder in memory."""
    with in_memory() as folder:
        yield folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    made = ForkServer(tmp_path_factory.mktemp("server"), "tests.reliability.small")
    yield made
    made.close()


@pytest.fixture(scope="module")
def runs(server: ForkServer) -> Iterator[Runs]:
    with in_memory() as folder:
        yield Runs(server, folder)


@pytest.fixture
def disk() -> Iterator[Disk]:
    with mount_disk() as made:
        yield made
