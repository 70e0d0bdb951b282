"""A disk that is full, fails or becomes read-only at any call."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evonas.runs import RunReader
from tests.reliability.battery import Row, Runs
from tests.reliability.counts import count
from tests.reliability.disks import Disk
from tests.reliability.tracing import needs_strace, trace_process

#: What may fail at which calls; printing is excluded.
_WRITES = {"write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink", "mkdir"}
_FAULTS = {"ENOSPC": _WRITES - {"unlink"}, "EIO": _WRITES, "EROFS": {"rename", "unlink", "mkdir"}}


@pytest.mark.sampled(2)
@needs_strace
@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_a_fault_at_each_call(runs: Runs, row: Row, fault: str, lasting: bool) -> None:
    row(
        f"{fault} at each write, fsync, ... call, {'permanently' if lasting else 'once'}",
        "a named error and exit code 74 (or 0 and nothing lost), same digest once the disk works again",
    )
    directory = runs.folder / "run"
    places = [place for place in runs.calls() if place[0] in _FAULTS[fault]]
    wanted = count(1, len(places))
    codes: dict[int, int] = {}
    for name, number in places if wanted == len(places) else random.Random(3).sample(places, wanted):
        inject = f"inject={name}:error={fault}:when={number}{'+' if lasting else ''}"
        with trace_process(
            lambda gate: runs.start(directory, gate=gate), runs.folder, "-e", f"trace={name}", "-e", inject
        ) as process:
            code = process.wait()
        text = process.text()
        assert code in (0, 74), f"{inject}: {code} {text}"
        assert "Traceback" not in text, f"{inject}: {text}"
        if code == 74 and not (lasting and name == "write"):  # otherwise printing would fail, too
            assert re.search(r"could not be written: |on a full disk|could not be opened: ", text), text
        codes[code] = codes.get(code, 0) + 1
        runs.check(directory, process.numbers())
        runs.finish(directory)
        runs.shut(directory)
        row.count += 1
    row.notes = f"exit codes {codes}"


@pytest.mark.soak
def test_a_read_only_remount_at_any_instant(runs: Runs, row: Row, disk: Disk) -> None:
    row(
        "file system turned read-only at any instant (ext4 error, files open)",
        "exit code 74, same digest",
    )
    rng, directory, done = random.Random(), disk.path / "run", 0
    for _ in range(count(2, 50)):
        process = runs.start(directory, 0.01)
        time.sleep(rng.uniform(0.03, 0.25))
        disk.become_read_only()
        code = process.wait()
        assert code in (0, 74), process.text()
        done += code == 0
        disk.unmount()
        disk.repair()
        disk.mount()
        runs.check(directory, process.numbers())
        runs.finish(directory)
        runs.shut(directory)
        row.count += 1
    row.notes = f"{done} were done already"
    assert done < row.count


@pytest.fixture
def small_disk() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="evonas-small-")
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield Path(folder)
    subprocess.run(["umount", "-l", folder], check=True)
    Path(folder).rmdir()


@pytest.mark.soak
def test_a_disk_of_two_megabytes(runs: Runs, row: Row, small_disk: Path) -> None:
    row("2 MB tmpfs that fills up", "exit code 74, the part committed using the ballast, same digest afterwards")
    rng = random.Random()
    directory, filler = small_disk / "run", small_disk / "filler"
    saved = 0
    for _ in range(count(2, 100)):
        process = runs.start(directory, 0.02)
        while "ready" not in process.text():
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        with filler.open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue
        code = process.wait()
        assert code in (0, 74), process.text()
        saved += "using reserved space" in process.text()
        runs.check(directory, process.numbers())
        if code == 74:
            again = runs.start(directory)
            assert again.wait() == 74, again.text()
            with RunReader(directory) as run:
                assert run.evaluated >= max(process.numbers(), default=0)
        filler.unlink()
        runs.finish(directory)
        runs.shut(directory)
        row.count += 1
    row.notes = f"the ballast saved a commit {saved} times"
