"""Files crafted to do harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.attacks import ATTACKS
from tests.reliability.battery import Row
from tests.reliability.counts import SOAK
from tests.reliability.forkserver import ForkServer
from tests.reliability.test_fuzz import CRITERION, GOLDEN


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    made = ForkServer(tmp_path_factory.mktemp("server"), "tests.reliability.attacks")
    yield made
    made.close()


def test_attacks(server: ForkServer, fast_path: Path, row: Row) -> None:
    row("hand-made attacks", CRITERION)
    wrong = {}
    chosen = list(ATTACKS) if SOAK is not None else list(ATTACKS)[::3]
    for name in chosen:
        folder = fast_path / name
        folder.mkdir()
        process = server.start("tests.reliability.attacks:attempt", folder, name, GOLDEN)
        if process.wait() != 0:
            wrong[name] = process.text()[-1500:]
        row.count += 1
    assert not wrong, "\n".join(f"{name}: {text}" for name, text in wrong.items())
    assert len(ATTACKS) >= 40
