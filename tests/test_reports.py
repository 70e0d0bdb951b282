"""Benchmarks overwrite no file that they did not write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPTIONS = {
    "asynchronous": "--json",
    "inheritance": "--json",
    "memory": "--json",
    "own_models": "--json",
    "raw_table": "--json",
    "reading": "--output",
    "real_time": "--json",
    "repair": "--json",
    "search_cost": "--json",
    "search_quality": "--json",
}


def benchmark(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", str(ROOT / "benchmarks" / f"{name}.py"), *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_no_benchmark_writes_a_report_by_itself() -> None:
    for path in (ROOT / "benchmarks").glob("*.py"):
        if path.stem not in ("throughput", "search_quality"):  # the latter keeps each search in a separate folder
            assert "write_text" not in path.read_text(), path


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.sampled(4)
def test_a_foreign_file_is_kept_and_nothing_is_measured(name: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text('{"mine": 1}')
    done = benchmark(name, OPTIONS[name], str(path))
    assert done.returncode == 2
    assert "report must be new" in done.stderr
    assert path.read_text() == '{"mine": 1}'


def test_a_report_replaces_one_that_nobody_changed(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    options = ("--evaluations", "2", "--strategy", "random", "--json", str(path))
    for _ in range(2):
        assert benchmark("search_cost", *options).returncode == 0
    values = json.loads(path.read_text())
    assert values["evaluations"] == 2
    path.write_text(json.dumps(values | {"mean_ms": 0}))
    assert benchmark("search_cost", *options).returncode == 2
