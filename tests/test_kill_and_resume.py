"""A run that is killed, at any instant and however often, ends like one that was never killed; no commit is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evonas.runs import RunReader
from tests.reliability.forkserver import ROOT, ForkServer, Process
from tests.runner import SEAMS

GENERATIONS = 5
#: Loaded before the first fork.
STRATEGIES = tuple(f"evonas.strategies.{name}" for name in ("aging", "ga", "hyperband", "pbt"))
Start = Callable[..., Process]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts or continues a run in a new process: `start(directory, sleep_seconds, *seam, **environment)`."""
    server = ForkServer(tmp_path_factory.mktemp("server"), "tests.runner", *STRATEGIES)

    def started(directory: Path, sleep_seconds: float = 0.0, *seam: str, **environment: str) -> Process:
        words = [str(directory), str(GENERATIONS), str(sleep_seconds), *seam]
        return server.start("tests.runner:run", words, **environment)

    yield started
    server.close()


def finish(process: Process) -> tuple[int, list[int], str]:
    """Returns the exit code, the reported counts of committed evaluations, and all output."""
    return process.wait(), process.numbers(), process.text()


def wait_for_line(process: Process, number: int = 1) -> None:
    """Waits until the process has printed that many lines or is dead."""
    until = time.monotonic() + 60
    while process.text().count("\n") < number and Path(f"/proc/{process.pid}/exe").exists():
        assert time.monotonic() < until
        time.sleep(0.002)


def wait_for_stopping(process: Process) -> None:
    """Waits until the process reports a signal or is dead."""
    until = time.monotonic() + 60
    while "Stopping" not in process.text() and Path(f"/proc/{process.pid}/exe").exists():
        assert time.monotonic() < until
        time.sleep(0.002)


def digest(directory: Path) -> str:
    with RunReader(directory) as run:
        return run.digest()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Computed in a separate Python process, whose hash seed differs from that of forked ones."""
    directory = tmp_path_factory.mktemp("straight") / "run"
    command = [sys.executable, "-m", "tests.runner", str(directory), str(GENERATIONS), "0"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return digest(directory)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("strategy", ["hyperband", "pbt"])
def test_states_that_others_start_from_survive_kills(start: Start, tmp_path: Path, strategy: str) -> None:
    """After a kill at each commit, exactly the weights that later networks start from are present."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert finish(start(straight, STRATEGY=strategy))[0] == 0
    for seam, count in (
        ("UPDATE state", "1"),
        ("after put", "3"),
        ("INSERT INTO evaluation", "2"),
        ("before remove", "1"),
    ):
        assert finish(start(killed, 0.0, seam, count, STRATEGY=strategy))[0] == -signal.SIGKILL, seam
    assert finish(start(killed, STRATEGY=strategy))[0] == 0
    assert digest(killed) == digest(straight)
    held = [{path.name for path in (directory / "weights").iterdir()} for directory in (straight, killed)]
    assert held[0] == held[1]
    with RunReader(killed) as run:
        assert any(record.origin for record in run.records())
        assert held[0] >= {f"{record.weights}.npz" for record in run.records() if record.weights}


def test_an_asynchronous_run_in_order_survives_kills(start: Start, tmp_path: Path) -> None:
    """Which candidate finishes first differs from process to process."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    environment = {"STRATEGY": "aging", "WINDOW": "4", "GENERATIONS": "2"}
    assert finish(start(straight, **environment))[0] == 0
    seams = ("INSERT INTO event", "INSERT INTO evaluation", "COMMIT", "UPDATE state", "before remove", "after put")
    for index, seam in enumerate(seams):
        assert finish(start(killed, 0.0, seam, str(2 + 3 * index), **environment))[0] in (-signal.SIGKILL, 0), seam
    assert finish(start(killed, **environment))[0] == 0
    assert digest(killed) == digest(straight)
    held = [{path.name for path in (directory / "weights").iterdir()} for directory in (straight, killed)]
    assert held[0] == held[1]


def test_an_asynchronous_run_by_arrival_continues_from_its_records(start: Start, tmp_path: Path) -> None:
    folder, environment = tmp_path / "run", {"STRATEGY": "aging", "WINDOW": "0", "GENERATIONS": "2"}
    assert finish(start(folder, 0.0, "INSERT INTO event", "21", **environment))[0] == -signal.SIGKILL
    with RunReader(folder) as run:
        events, evaluated = run.events.since(), [record.digest for record in run.records()]
    assert len(events) in (19, 20)  # recording one result and the next request is one transaction
    assert finish(start(folder, **environment))[0] == 0
    with RunReader(folder) as run:
        assert run.events.since()[: len(events)] == events
        assert set(evaluated) <= {record.digest for record in run.records()}
        assert len({event.place for event in run.events.since()}) == run.events.asked == run.events.count // 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.sampled(1)
def test_random_kills_change_nothing(start: Start, tmp_path: Path, expected: str, seed: int) -> None:
    directory, rng, kills = tmp_path / "run", random.Random(seed), 0
    while True:
        process = start(directory, 0.015)
        if kills < 7:
            wait_for_line(process)
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
        code, committed, err = finish(process)
        if code == 0:
            break
        assert code == -signal.SIGKILL, err
        kills += 1
        with RunReader(directory) as run:
            assert run.evaluated >= max(committed, default=0)
    assert kills >= 5
    assert digest(directory) == expected
    assert not list(directory.glob("**/*.tmp"))


@pytest.mark.parametrize("seam", SEAMS)
@pytest.mark.sampled(4)
def test_a_kill_at_a_seam_changes_nothing(start: Start, tmp_path: Path, expected: str, seam: str) -> None:
    directory, died = tmp_path / "run", 0
    for count in ("1", "6"):
        code, committed, err = finish(start(directory, 0.0, seam, count))
        assert code in (0, -signal.SIGKILL), err
        died += code != 0
        if (directory / "run.sqlite").exists():
            with RunReader(directory) as run:
                assert run.evaluated >= max(committed, default=0)
    assert died
    code, _, err = finish(start(directory))
    assert code == 0, err
    assert digest(directory) == expected
    with RunReader(directory) as run:
        named = {record.weights for record in run.records()} - {None} | run.retrainings.named_weights()
        assert {path.stem for path in (directory / "weights").iterdir()} == named


def wait_until_training(process: Process) -> None:
    """Waits until the run is in a training, which only the file `GATE` ends."""
    wait_for_line(process, 2)
    assert process.text() == "ready\ntraining\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_lets_the_part_finish(
    start: Start, tmp_path: Path, expected: str, number: int, code: int
) -> None:
    gate = tmp_path / "gate"
    process = start(tmp_path / "run", GATE=str(gate), GRACE_SECONDS="600")
    wait_until_training(process)
    process.kill(number)
    wait_for_stopping(process)
    gate.touch()
    result, committed, said = finish(process)
    assert (result, committed) == (code, [2])
    assert "Stopping" in said
    assert finish(start(tmp_path / "run"))[0] == 0
    assert digest(tmp_path / "run") == expected


def test_a_part_that_takes_too_long_is_abandoned(start: Start, tmp_path: Path, expected: str) -> None:
    process = start(tmp_path / "run", GATE=str(tmp_path / "never"), GRACE_SECONDS="0.3")
    wait_until_training(process)
    process.kill(signal.SIGINT)
    result, committed, _ = finish(process)
    assert (result, committed) == (130, [])
    assert finish(start(tmp_path / "run"))[0] == 0
    assert digest(tmp_path / "run") == expected


def test_the_second_signal_ends_at_once(start: Start, tmp_path: Path, expected: str) -> None:
    process = start(tmp_path / "run", GATE=str(tmp_path / "never"), GRACE_SECONDS="600")
    wait_until_training(process)
    process.kill(signal.SIGINT)
    wait_for_stopping(process)
    process.kill(signal.SIGTERM)
    assert finish(process)[0] == 143  # neither the training nor the wait has ended
    assert finish(start(tmp_path / "run"))[0] == 0
    assert digest(tmp_path / "run") == expected
