"""What a training program may take."""

from __future__ import annotations

import pytest

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
