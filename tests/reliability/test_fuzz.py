"""Tampered files of every kind that evonas reads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.battery import Row
from tests.reliability.counts import count, make_rng
from tests.reliability.forkserver import ForkServer

GOLDEN = Path(__file__).parents[1] / "golden"
CRITERION = "0 executions, 0 writes outside, at most 5 s and 512 MB each, `InputError` only"
_PART = 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    made = ForkServer(tmp_path_factory.mktemp("server"), "tests.reliability.fuzzing")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("kind", "few", "whole"),
    [
        ("genomes", 150, 12_000),
        ("populations", 150, 10_000),
        ("spaces", 150, 10_000),
        ("settings", 150, 8_000),
        ("run_directories", 40, 10_000),
        ("keras_files", 40, 2_000),
    ],
)
def test_tampered_files(server: ForkServer, fast_path: Path, row: Row, kind: str, few: int, whole: int) -> None:
    row(f"fuzzed {kind.replace('_', ' ')}", CRITERION)
    rng = make_rng()
    source = {"run_directories": GOLDEN / "run", "keras_files": GOLDEN / "model.keras"}.get(kind)
    left, refused, slowest, megabytes = count(few, whole), 0, 0.0, 0
    while left:
        part = min(left, _PART)
        folder = fast_path / str(left)
        folder.mkdir()
        seed = rng.randrange(2**32)
        process = server.start(f"tests.reliability.fuzzing:{kind}", folder, seed, part, *([source] if source else []))
        assert process.wait(600) == 0, f"seed {seed}: {process.text()[-3000:]}"
        found = json.loads(process.text().splitlines()[-1])
        refused, left, row.count = refused + found["refused"], left - part, row.count + part
        slowest, megabytes = max(slowest, found["slowest"]), max(megabytes, found["megabytes"])
        shutil.rmtree(folder)
    row.notes = f"{refused} refused, slowest {slowest:.2f} s, {megabytes} MB more memory at most"
    assert refused > row.count // 3
