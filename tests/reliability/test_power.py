"""The power goes: a file system that forgets, at one instant, whatever was not flushed."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evonas.runs import RunReader
from tests.reliability.battery import Row, Runs
from tests.reliability.counts import count

_SHUTDOWN, _NO_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH


class Disk:
    """An ext4 file system in a file, of which `cut_power` keeps what has reached the file."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._image, self.path = folder / "image", folder / "mounted"
        with self._image.open("wb") as file:
            file.truncate(megabytes << 20)
        self._run("mkfs.ext4", "-q", "-F", str(self._image))
        self.path.mkdir()
        self.mount()

    def mount(self) -> None:
        self._run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.path))

    def unmount(self) -> None:
        self._run("umount", str(self.path))

    def cut_power(self) -> None:
        """From here on every call fails; what was not on the disk is lost."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_FLUSH))
        finally:
            os.close(folder)

    def become_read_only(self) -> None:
        """As Linux does with a file system in which it has found an error, files that are open for writing or not."""
        device = subprocess.run(
            ["findmnt", "-no", "SOURCE", str(self.path)], capture_output=True, text=True, check=True
        ).stdout.strip()
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("evonas")

    def repair(self) -> None:
        """Takes the mark of the error off."""
        subprocess.run(["e2fsck", "-fy", str(self._image)], capture_output=True)

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def disk() -> Iterator[Disk]:
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists():
        pytest.skip("needs root, mkfs.ext4 and loop devices")
    folder = Path(tempfile.mkdtemp(prefix="evonas-disk-"))
    try:
        made = Disk(folder, 16)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder)
        pytest.skip(f"needs a loop mount: {error.stderr.decode().strip()}")
    yield made
    subprocess.run(["umount", "-l", str(made.path)], capture_output=True)
    shutil.rmtree(folder)


def no_blob_dangles(directory: Path) -> None:
    if (directory / "run.sqlite").exists():
        with RunReader(directory) as run:
            for record in run.records():
                if record.weights is not None:
                    run.weights(record)


def test_power_cuts(runs: Runs, row: Row, disk: Disk) -> None:
    row(
        "power cut on a loop-mounted ext4 (shutdown, nothing flushed)",
        "0 committed loss, no dangling blob, same digest",
    )
    rng, cuts, finished = random.Random(), count(6, 100), 0
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
