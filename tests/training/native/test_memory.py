"""Memory of a process that trains natively stays small, however many networks it trains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def measure(tmp_path, *options):
    """The result of `benchmarks/memory.py` in a separate process."""
    report = tmp_path / "memory.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "memory.py"), "--trainer", "native", "--json", str(report)]
    subprocess.run([*command, *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())


@pytest.mark.soak
def test_it_stays_under_400_megabytes_on_california_housing(tmp_path):
    found = measure(tmp_path, "--rows", "20640", "--candidates", "40", "--generation", "20")
    assert found["most_megabytes"] < 400


@pytest.mark.soak
def test_ten_thousand_candidates_leave_it_flat(tmp_path):
    found = measure(tmp_path, "--candidates", "10000")
    assert found["grown_megabytes"] < 20
    assert found["most_megabytes"] < 400
