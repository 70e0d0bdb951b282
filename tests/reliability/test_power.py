"""A power failure: a file system that loses, at one instant, whatever was not flushed."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from evonas.runs import RunReader
from tests.reliability.battery import Row, Runs
from tests.reliability.counts import count
from tests.reliability.disks import Disk


def no_blob_dangles(directory: Path) -> None:
    if (directory / "run.sqlite").exists():
        with RunReader(directory) as run:
            for record in run.records():
                if record.weights is not None:
                    run.weights(record)


@pytest.mark.soak
def test_power_cuts(runs: Runs, row: Row, disk: Disk) -> None:
    row(
        "power cut on a loop-mounted ext4 (shutdown, nothing flushed)",
        "no committed row lost, no dangling file, same digest",
    )
    rng, cuts, finished = random.Random(), count(3, 100), 0
    directory = disk.path / "run"
    while row.count < cuts:
        process = runs.start(directory, rng.choice([0.0, 0.0, 0.01]))
        time.sleep(rng.uniform(0.02, 0.3))
        disk.cut_power()
        process.kill(signal.SIGKILL)
        code = process.wait()
        disk.unmount()
        disk.mount()
        runs.check(directory, process.numbers())
        no_blob_dangles(directory)
        row.count += 1
        if code == 0 or rng.random() < 0.2:
            runs.finish(directory)
            runs.shut(directory)
            os.sync()
            finished += 1
    row.notes = f"{finished} runs"


def test_the_disk_of_the_test_forgets(disk: Disk) -> None:
    (disk.path / "kept").write_text("kept" * 1000)
    with (disk.path / "kept").open() as file:
        os.fsync(file.fileno())
    (disk.path / "lost").write_text("lost" * 1000)
    disk.cut_power()
    disk.unmount()
    disk.mount()
    assert [path.name for path in disk.path.iterdir() if path.name != "lost+found"] == ["kept"]
