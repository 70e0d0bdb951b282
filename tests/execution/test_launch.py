"""Limits of a run's worker process, and its start while the data are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import evonas
from evonas.config import Settings
from evonas.execution import launch
from evonas.machine import machine_bytes, usable_cores
from evonas.quantities import byte_size
from genomes import DenseSpace, InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4GiB", 4 << 30), ("500 MB", 500_000_000), ("1.5g", 1_500_000_000), ("2k", 2000), ("77", 77), (1 << 30, 1 << 30)],
)
def test_sizes(text: str | int, expected: int) -> None:
    assert byte_size(text) == expected


@pytest.mark.parametrize("text", ["", "GiB", "-4GiB", "4 apples", "0", 0, -1, True, "1e9", "inf"])
def test_invalid_sizes_are_refused(text: str | int) -> None:
    with pytest.raises(InputError, match=r"size must be a size above 0, not .* 4GiB"):
        byte_size(text)


def test_limits_are_settings_of_the_run_and_reach_its_worker(tmp_path: Path) -> None:
    settings = Settings(seed=0, candidate_timeout="1m30s", worker_memory="2GiB")
    assert (settings.candidate_timeout, settings.worker_memory) == (90.0, 2 << 30)
    assert Settings(**settings.model_dump()) == settings
    limits = launch.worker_for(DenseSpace(), tmp_path / "data.npz", settings)._limits
    assert (limits.candidate_seconds, limits.memory) == (90.0, 2 << 30)
    free = launch.worker_for(DenseSpace(), tmp_path / "data.npz", Settings(seed=0))._limits
    assert (free.candidate_seconds, free.memory) == (None, int(0.8 * machine_bytes()))


def test_threads_are_the_worker_s_alone_and_all_cores_unless_given(tmp_path: Path) -> None:
    def threads(given: int | None) -> int | None:
        settings = Settings(seed=0)
        return launch.worker_for(DenseSpace(), tmp_path / "data.npz", settings, threads=given)._settings.threads

    assert threads(3) == 3
    assert threads(None) == usable_cores() <= len(os.sched_getaffinity(0))
    assert "threads" not in Settings.model_fields
    for given in (0, -1, 2000, 1.5, True):
        with pytest.raises(InputError, match="threads must be a whole number from 1 to 1024, not"):
            launch.resolve_threads(given)


def test_more_memory_than_the_machine_has_is_refused() -> None:
    with pytest.raises(InputError, match=r"worker_memory must be at most the \d+ bytes that this machine has"):
        launch.standby_for(Settings(seed=0, worker_memory=machine_bytes() + 1), None)


def test_the_worker_starts_before_the_data_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def read(*_: object, **__: object) -> None:
        children = Path("/proc/self/task").glob("*/children")
        started.extend(int(pid) for path in children for pid in path.read_text().split())
        raise InputError("no such table")

    monkeypatch.setattr("evonas.api.prepared_search.read_data", read)
    before = {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}
    with pytest.raises(InputError, match="no such table"):
        evonas.search("gone.csv", "y", out=tmp_path / "run")
    (worker,) = set(started) - before
    assert not Path(f"/proc/{worker}").exists()
