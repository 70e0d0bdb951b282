"""Long searches use no more resources than short ones."""

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


def test_ten_thousand_evaluations(server: ForkServer, fast_path: Path, tmp_path: Path, row: Row) -> None:
    row(
        "10,000 evaluations with the stub",
        "at most 10 MB more after the 1,000th; constant descriptors and threads; p99 of a commit at 10,000 rows within "
        "2x of that at 100, in wall time, measured alternately",
    )
    evaluations, rounds = count(150, 10_000), count(1, 25)
    process = server.start(
        *("tests.reliability.long:main", fast_path / "run", evaluations, min(1000, evaluations // 2), tmp_path, rounds)
    )
    assert process.wait(1800) == 0, process.text()
    found = json.loads(process.text().splitlines()[-1])
    first, last = found["marks"]
    grown = (last["bytes"] - first["bytes"]) / 1e6
    row.count = evaluations
    early, late = found["early"], found["late"]
    words = [
        f"{name} {1000 * early[name]:.1f} ms after 100, {1000 * late[name]:.1f} ms after all" for name in ("p50", "p99")
    ]
    row.notes = f"{grown:.1f} MB; {'; '.join(words)}, of {20 * rounds} commits each"
    assert (first["files"], first["threads"]) == (last["files"], last["threads"])
    assert grown < 10.0
    if SOAK is not None:
        assert late["p99"] < 2 * early["p99"]
