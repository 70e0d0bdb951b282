"""Long searches take no more than short ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.battery import Row
from tests.reliability.counts import SOAK, count
from tests.reliability.forkserver import ForkServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    made = ForkServer(tmp_path_factory.mktemp("server"), "tests.reliability.long")
    yield made
    made.close()


def test_ten_thousand_evaluations(server: ForkServer, fast_path: Path, row: Row) -> None:
    row(
        "10,000 evaluations with the stub",
        "10 MB more at most after the 1,000th; descriptors, threads flat; p99 of a commit (processor time) within 2x",
    )
    evaluations = count(600, 10_000)
    process = server.start("tests.reliability.long:main", fast_path / "run", evaluations, min(1000, evaluations // 2))
    assert process.wait(900) == 0, process.text()
    found = json.loads(process.text().splitlines()[-1])
    first, last = found["marks"]
    grown = (last["bytes"] - first["bytes"]) / 1e6
    row.count = evaluations
    row.notes = (
        f"{grown:.1f} MB; p99 {1000 * found['early']:.1f} ms at 100 commits, {1000 * found['late']:.1f} ms at the end"
    )
    assert (first["files"], first["threads"]) == (last["files"], last["threads"])
    assert grown < 10.0
    if SOAK is not None:
        assert found["late"] < 2 * max(found["early"], 1e-3)
