"""Limits on what a training program may use."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from evonas import machine
from evonas.config import Settings
from evonas.machine import assigned_threads, free_bytes, machine_bytes, program_bytes, usable_cores


@pytest.mark.parametrize(
    ("free", "wanted"),
    [(0, 1 << 26), (600 << 20, 1 << 26), (1500 << 20, 1 << 27), (4 << 30, 1 << 29), (1 << 40, 1 << 30)],
)
def test_a_program_may_take_an_eighth_of_the_free_memory_within_bounds(free: int, wanted: int) -> None:
    assert program_bytes(free) == wanted


def test_free_memory_is_some_of_the_machines() -> None:
    assert 0 < free_bytes() <= machine_bytes()


def test_a_run_records_what_its_programs_may_take() -> None:
    assert Settings(seed=0).resolve("rmse").memory_bytes == program_bytes()
    assert Settings(seed=0, memory_bytes=1 << 25).resolve("rmse").memory_bytes == 1 << 25


@pytest.mark.parametrize(("given", "wanted"), [("1", 1), ("0", 1), ("4096", usable_cores()), ("all", None), ("", None)])
def test_threads_that_joblib_leaves_a_worker(given: str, wanted: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", given)
    assert assigned_threads() == wanted


def test_other_processes_that_have_just_begun_to_run_take_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(machine, "_others_running", lambda: 0.0)
    assert machine.core_share(2) == 1.0
    monkeypatch.setattr(machine, "_others_running", lambda: 4.0)
    assert machine.core_share(2) == pytest.approx(1 / 3)


def test_a_load_that_has_ended_counts_half(monkeypatch) -> None:
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (4.0, 0.0, 0.0))
    monkeypatch.setattr(machine, "_others_running", lambda: 0.0)
    assert machine.core_share(2) == pytest.approx(1 / 2)
    monkeypatch.setattr(machine, "_others_running", lambda: 4.0)
    assert machine.core_share(2) == pytest.approx(1 / 3)


def test_threads_of_this_process_and_its_children_are_not_others() -> None:
    spin = "import time\nuntil = time.monotonic() + 20\nwhile time.monotonic() < until: pass"
    with subprocess.Popen([sys.executable, "-c", spin]) as child:
        try:
            until = time.monotonic() + 10
            while machine._own_running() < 2 and time.monotonic() < until:
                time.sleep(0.01)
            assert machine._own_running() >= 2
        finally:
            child.kill()
