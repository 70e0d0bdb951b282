"""Many processes that try to open one directory."""

from __future__ import annotations

import re
import signal
import time

from evonas.runs import RunReader
from tests.reliability.battery import Row, Runs
from tests.reliability.counts import SOAK, count, make_rng


def test_eight_processes_start_or_resume_one_directory(runs: Runs, row: Row) -> None:
    row("8 processes start or resume one directory", "one owner at a time, nothing lost, same digest")
    rng, refused = make_rng(), 0
    for _ in range(count(1, 100)):
        directory = runs.folder / "run"
        if rng.random() < 0.5:  # otherwise they create it
            process = runs.start(directory, 0.02)
            time.sleep(rng.uniform(0.05, 0.2))
            process.kill()
            process.wait()
        owners = directory.with_suffix(".owners")
        owners.unlink(missing_ok=True)
        processes = [runs.start(directory, 0.005) for _ in range(8)]
        codes = [process.wait() for process in processes]
        assert set(codes) <= {0, 2}, [process.text() for process in processes]
        assert 0 in codes
        refused += codes.count(2)
        for process, code in zip(processes, codes, strict=True):
            if code == 2:
                assert re.search(r"used by process|holds a run|must be new|there is none", process.text())
            runs.check(directory, process.numbers())
        # Each owner left before the next one entered.
        assert re.fullmatch(r"(in (\d+)\nout \2\n)+", owners.read_text())
        with RunReader(directory) as run:
            assert run.digest() == runs.digest
        runs.shut(directory)
        row.count += 1
    row.notes = f"{refused} of {8 * row.count} refused"


def test_an_owner_that_is_stopped_stays_the_owner(runs: Runs, row: Row) -> None:
    # In `make test`, the owner continues only after all others have been refused, so they must not wait for it.
    seconds, most = (1.0, 60.0) if SOAK is None else (60.0, 1.0)
    row(
        f"owner stopped for {seconds:.0f} s, others try to resume",
        "each refused with the owner's pid within 1 s; same digest",
    )
    directory = runs.folder / "run"
    owner = runs.start(directory, 0.05)
    while len(owner.numbers()) < 2:
        time.sleep(0.005)
    owner.kill(signal.SIGSTOP)
    stopped = time.monotonic()
    while time.monotonic() - stopped < seconds:
        started = time.monotonic()
        process = runs.start(directory)
        assert process.wait(max(most, 20.0)) == 2
        assert time.monotonic() - started < most
        assert f"used by process {owner.pid}" in process.text()
        with RunReader(directory) as run:  # nor do readers have to wait
            assert run.owner == owner.pid
            assert run.evaluated >= max(owner.numbers())
        row.count += 1
        time.sleep(seconds / 20)
    owner.kill(signal.SIGCONT)
    assert owner.wait() == 0
    with RunReader(directory) as run:
        assert run.digest() == runs.digest
