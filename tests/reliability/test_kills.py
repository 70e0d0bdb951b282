"""A run that is killed at any call that changes a file, or at any instant, and any number of times."""

from __future__ import annotations

import signal
import time

from tests.reliability.battery import Row, Runs
from tests.reliability.counts import count, make_rng
from tests.reliability.tracing import needs_strace, trace_process


@needs_strace
def test_sigkill_at_every_call_that_changes_a_file(runs: Runs, row: Row) -> None:
    row(
        "SIGKILL at every write, fsync, rename, unlink, truncate, mkdir call of a 3-generation run",
        "0 committed rows lost, same digest, resume within 5 s",
    )
    directory = runs.folder / "run"
    places = runs.calls()
    assert len(places) > 300
    assert {"pwrite64", "fdatasync", "fsync", "rename", "unlink"} <= {name for name, _ in places}
    wanted = count(2, len(places))
    chosen = places if wanted == len(places) else make_rng().sample(places, wanted)
    spared = 0
    for name, number in chosen:
        inject = f"inject={name}:signal=KILL:when={number}"
        with trace_process(
            lambda gate: runs.start(directory, gate=gate), runs.folder, "-e", f"trace={name}", "-e", inject
        ) as process:
            code = process.wait()
        # How often reports are written depends on timing, so some of the last calls may not occur.
        assert code in (-signal.SIGKILL, 0), f"{name} {number}: {process.text()}"
        spared += code == 0
        runs.check(directory, process.numbers())
        runs.finish(directory)
        runs.shut(directory)
        row.count += code != 0
    row.notes = f"{len(places)} calls in a run, {spared} of them did not come again"
    assert spared <= 1 + len(chosen) // 50


def test_random_sigkills(runs: Runs, row: Row) -> None:
    row("random SIGKILLs of the driver, up to 20 in a run", "same; each evaluation committed exactly once")
    rng, wanted = make_rng(), count(10, 1000)
    finished = 0
    while row.count < wanted:
        directory, sleep_seconds = runs.folder / "run", rng.choice([0.0, 0.005, 0.02])
        for _ in range(rng.randint(1, 20)):
            process = runs.start(directory, sleep_seconds)
            time.sleep(rng.uniform(0, 0.15))
            process.kill()
            code = process.wait()
            runs.check(directory, process.numbers())
            if code == 0:
                break
            row.count += 1
        finished += 1
        runs.finish(directory)
        runs.shut(directory)
    row.notes = f"{finished} runs"
