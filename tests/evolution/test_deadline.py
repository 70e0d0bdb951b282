"""The run's time limit: kept whatever an evaluator does, divided between search, finalists and end, and recorded."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas.evolution.deadline
import evonas.runs.store
import tests.toy
from evonas.config import Budget
from evonas.display import summaries
from evonas.evaluation import Candidate, Evaluation
from evonas.evolution.deadline import MOST_FOR_RETRAINING, Timetable
from evonas.evolution.finalists import retrain_finalists
from evonas.evolution.loop import evolve
from evonas.evolution.retraining_plan import RETRAINING_FACTOR, makespan, seconds_in_full
from evonas.interruption import Abandoned, Interruption
from evonas.runs import RunReader, RunStore
from evonas.runs.progress import Stop
from evonas.strategies import make_strategy
from tests.cli.commands import ROOT, write_table
from tests.clock import Clock
from tests.toy import RMSE, ToyEvaluator, ToySpace, toy_evaluation, toy_settings, toy_store

#: Seconds that a busy machine may add to an instant, in the soak; all other tests here read a clock that they advance.
SOON = 1.0
#: Polling interval in seconds of whoever waits for a toy worker; and the rounding error of a sum of intervals.
LOOK, EXACT = 0.005, 1e-6


class Worker(ToyEvaluator):
    """A toy worker process: hangs forever before trainings for which `hangs` is true, and yields empty parts."""

    check: Callable[[], bool]

    def __init__(self, clock: Clock, hangs: Callable[[str], bool] = lambda phase: False, **options: Any) -> None:
        super().__init__(**options)
        self.clock, self.hangs = clock, hangs

    def abandon_when(self, check: Callable[[], bool]) -> None:
        self.check = check

    def wait(self, phase: str) -> None:
        while self.hangs(phase):
            if self.check():
                raise Abandoned
            self.clock.sleep(LOOK)

    def evaluate(
        self, candidates: Sequence[Candidate], done: frozenset[int] = frozenset(), *starts: Any
    ) -> Iterator[Mapping[int, Evaluation]]:
        for part in super().evaluate(candidates, done, *starts):
            self.wait(candidates[0].operator if candidates[0].operator == "finalist" else "search")
            yield {}
            yield part

    def test(self, genome: Any, weights: Any) -> dict[str, float]:
        self.wait("test")
        return {"rmse": 1.0}


def taking(seconds: float) -> Callable[[Candidate], Evaluation]:
    """Evaluations that each take that long."""
    return lambda candidate: replace(toy_evaluation(candidate), train_seconds=seconds)


def search(
    store: RunStore, evaluator: ToyEvaluator, budget: Budget, timetable: Timetable | None = None, **options: Any
) -> None:
    strategy = make_strategy(store.settings.strategy, ToySpace(), objective=RMSE, settings=store.settings)
    list(evolve(strategy, evaluator, store, ToySpace(), budget, timetable=timetable, **options))


def finals(store: RunStore, evaluator: ToyEvaluator, timetable: Timetable | None = None, **options: Any) -> bool:
    return retrain_finalists(store, evaluator, ToySpace(), 2, 3, timetable=timetable, **options)


def test_longest_first() -> None:
    assert makespan([3, 1, 1, 1], 1) == 6
    assert makespan([3, 1, 1, 1], 2) == 3
    assert makespan([2, 2, 2], 1.6) == pytest.approx(5)
    assert makespan([], 2) == 0


def test_the_clock_of_a_command_starts_with_its_process() -> None:
    script = "import time; time.sleep(0.2); from evonas.machine import process_started as p"
    script += "; print(time.monotonic() - p())"
    began = time.monotonic()  # earlier than the process, so its age is below this at any speed
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert 0.2 < float(output) < time.monotonic() - began + 0.05


@pytest.mark.parametrize("hangs", [True, False])
def test_time_ends_a_search_that_gets_no_result_and_a_resumed_one_ends_as_if_it_had_not(
    tmp_path: Path, clock: Clock, hangs: bool
) -> None:
    with toy_store(tmp_path / "straight", toy_settings(finalists=2)) as store:
        search(store, ToyEvaluator(), Budget(generations=2))
        finals(store, ToyEvaluator())
        straight = store.digest()
    with toy_store(tmp_path / "run", toy_settings(finalists=2)) as store:
        part = 0.0 if hangs else 0.08  # the fourth belongs to the second generation
        worker = Worker(clock, lambda phase: hangs and len(worker.trained) >= 7, sleep_seconds=part)
        timetable = Timetable(store, 0.3)
        search(store, worker, Budget(seconds=0.3), timetable)
        assert 0.3 <= timetable.seconds <= 0.3 + max(part, LOOK) + EXACT
        assert store.stop == Stop.TIME
        assert store.seconds == pytest.approx(timetable.seconds)
    with RunStore.open(tmp_path / "run") as store:
        search(store, ToyEvaluator(), Budget(generations=max(2, store.generations)))
        if store.generations == 2:
            finals(store, ToyEvaluator())
            assert store.digest() == straight


@pytest.mark.parametrize("phase", ["search", "finalist", "test"])
def test_a_request_to_stop_acts_in_every_phase_without_results(tmp_path: Path, clock: Clock, phase: str) -> None:
    def ended(directory: Path, hangs: Callable[[str], bool], interruption: Interruption) -> bool:
        store = toy_store(directory) if not directory.exists() else RunStore.open(directory)
        with store:
            search(store, Worker(clock, hangs), Budget(generations=2), interruption=interruption)
            if store.stop == Stop.INTERRUPTED:
                return False
            return finals(store, Worker(clock, hangs), interruption=interruption)

    interruption = Interruption()

    def hangs(where: str) -> bool:
        if where == phase:
            interruption.signal = 15
        return where == phase

    assert not ended(tmp_path / "run", hangs, interruption)
    assert ended(tmp_path / "run", lambda where: False, Interruption())
    assert ended(tmp_path / "straight", lambda where: False, Interruption())
    with RunStore.open(tmp_path / "run") as run, RunStore.open(tmp_path / "straight") as straight:
        assert run.digest() == straight.digest()


def test_finalists_get_what_they_need_and_a_quarter_at_most(tmp_path: Path, clock: Clock) -> None:
    # Six of 1 s fit into 7.5 s, two of 3 s, and none of 10 s, so that the search has all the time.
    assert 30.0 * MOST_FOR_RETRAINING == 7.5
    for seconds, left in ((1.0, 6 * RETRAINING_FACTOR), (3.0, 6 * RETRAINING_FACTOR), (10.0, 0.0)):
        with toy_store(tmp_path / f"{seconds}") as store:
            timetable = Timetable(store, 30.0, retrainings=(2, 3))
            worker = ToyEvaluator(part_size=1, sleep_seconds=1.0, evaluation=taking(seconds))
            with timetable.part("search"):
                search(store, worker, Budget(seconds=30.0), timetable)
            assert timetable.seconds == 30 - math.floor(left)


def test_a_network_at_a_rung_takes_longer_to_train_in_full(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        search(store, ToyEvaluator(evaluation=taking(2.0)), Budget(generations=1))
        record = store.best(1)[0]
        epochs = store.settings.epochs

        def in_full(reached: int, rung: int) -> float:
            evaluation = replace(record.evaluation, epochs=reached)
            return seconds_in_full(2.0, replace(record, evaluation=evaluation, epochs=rung), epochs)

        assert in_full(epochs, epochs) == in_full(epochs - 1, epochs) == 2.0
        assert in_full(1, 1) == 2.0 * epochs
        assert in_full(1, 2) == 2.0  # it stopped early, and would stop early again


def test_as_many_retrainings_as_fit_and_the_rest_later(tmp_path: Path, clock: Clock) -> None:
    with toy_store(tmp_path / "run") as store:
        search(store, ToyEvaluator(evaluation=taking(1.0)), Budget(generations=2))
        timetable = Timetable(store, store.seconds + 3.3)
        evaluator = ToyEvaluator(part_size=1, sleep_seconds=1.0, evaluation=taking(1.0))
        assert finals(store, evaluator, timetable)
        assert len(evaluator.trained) == 3
        first, second = store.finalists
        assert sorted([first.stopped, second.stopped]) == [1, 2]
        assert first.failed == second.failed == 0
        lines = summaries.finalist_lines(store)
        assert "the time was too short for 3 of 6 re-trainings" in lines[2]
        assert any("(2 trained)" in line for line in lines)
        # Every network is trained once before any is trained twice, in the order of rank.
        assert evaluator.trained == [each.digest for each in store.best(2)] + [store.best(1)[0].digest]
        again = ToyEvaluator(part_size=1, evaluation=taking(1.0))
        assert finals(store, again)
        assert len(again.trained) == 3
        assert store.retrainings.stopped == 0
        cut = store.digest()
    with toy_store(tmp_path / "straight") as store:
        search(store, ToyEvaluator(), Budget(generations=2))
        finals(store, ToyEvaluator())
        assert store.digest() == cut


def test_networks_without_retrainings_keep_their_rank(tmp_path: Path, clock: Clock) -> None:
    with toy_store(tmp_path / "run") as store:
        search(store, ToyEvaluator(evaluation=taking(1.0)), Budget(generations=2))
        best = store.best(1)[0]
        worker = Worker(clock, lambda phase: phase == "finalist")
        assert finals(store, worker, Timetable(store, store.seconds + 0.1))
        assert store.finalists == []
        assert store.ranked(1) == best
        assert "none, the time was too short for 6 of 6 re-trainings" in summaries.finalist_lines(store)[1]


def test_where_no_network_was_trained_in_time_there_are_no_finalists(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        assert finals(store, ToyEvaluator(), Timetable(store, 1.0, retrainings=(2, 3)))
        assert store.finalists == []


def test_finalists_stop_at_the_deadline_and_keep_what_is_trained(tmp_path: Path, clock: Clock) -> None:
    with toy_store(tmp_path / "run") as store:
        search(store, ToyEvaluator(evaluation=taking(0.0)), Budget(generations=2))
        timetable = Timetable(store, store.seconds + 0.4)
        worker = Worker(clock, lambda phase: phase == "finalist" and len(worker.trained) > 3, part_size=1)
        with timetable.part("finalists"):
            assert finals(store, worker, timetable)
        assert -EXACT <= -timetable.left <= LOOK + EXACT
        assert store.retrainings.stopped == 3
        assert store.finalists


def test_the_time_of_each_phase_is_recorded_and_adds_up(tmp_path: Path, clock: Clock) -> None:
    with toy_store(tmp_path / "run") as store:
        for session in range(2):
            timetable = Timetable(store, None, started=clock.monotonic() - 5)
            with timetable.part("search"):
                search(store, ToyEvaluator(sleep_seconds=0.1), Budget(generations=session + 1), timetable)
            with timetable.part("finalists"):
                clock.sleep(0.05)
            timetable.note()
        split = store.times.split
        assert sum(split.values()) == pytest.approx(store.seconds)
        assert split == pytest.approx({"search": 0.6, "finalists": 0.1, "rest": 10.0})
    with RunStore.open(tmp_path / "run") as store:
        assert store.times.split == split


@contextmanager
def busy(count: int = 4, seconds: int = 60) -> Iterator[None]:
    """Starts that many processes that only compute."""
    script = f"import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def keeps_its_time(store: RunStore, worker: Worker, late: float) -> None:
    """Asserts that a search of 1.5 s with its finalists takes at most that many seconds longer."""
    timetable = Timetable(store, 1.5, retrainings=(2, 3), has_end=True)
    with timetable.part("search"):
        search(store, worker, Budget(seconds=1.5), timetable)
    with timetable.part("finalists"):
        finals(store, worker, timetable)
    assert timetable.seconds <= 1.5 + late
    assert store.times.split["finalists"] <= 1.5 * MOST_FOR_RETRAINING + late


@pytest.mark.parametrize("seed", range(3))
def test_the_time_limit_holds_if_trainings_take_up_to_ten_times_as_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    clock = Clock(busy=seed).replace_time_in(monkeypatch, evonas.evolution.deadline, evonas.runs.store, tests.toy)
    with toy_store(tmp_path / "run", toy_settings(population=20, strategy="evolution")) as store:
        keeps_its_time(store, Worker(clock, sleep_seconds=0.02, evaluation=taking(0.02), part_size=1), 10 * 0.02)


@pytest.mark.soak
def test_the_time_limit_holds_on_a_busy_machine(tmp_path: Path) -> None:
    with busy(seconds=5), toy_store(tmp_path / "run", toy_settings(population=20, strategy="evolution")) as store:
        keeps_its_time(store, Worker(Clock(), sleep_seconds=0.02, evaluation=taking(0.02), part_size=1), SOON)


@pytest.mark.soak
@pytest.mark.parametrize("loaded", [False, True], ids=["idle", "loaded"])
@pytest.mark.parametrize("seconds", [20, 60])
def test_a_command_keeps_its_time_and_trains_a_generation(tmp_path: Path, seconds: int, loaded: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 8))
    rows = np.column_stack([x, np.sin(x[:, 0]) + x[:, 1] * x[:, 2]])
    table, out = tmp_path / "table.csv", tmp_path / "run"
    np.savetxt(table, rows, delimiter=",", header=",".join([*"abcdefgh", "y"]), comments="")
    command = [sys.executable, "-m", "evonas", "run", str(table), "--target", "y"]
    command += ["--time", f"{seconds}s", "--out", str(out)]
    began, lines = time.monotonic(), []
    with busy(4 if loaded else 0, seconds=3 * seconds):
        running = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=-1, text=True)
        for line in running.stdout or ():
            lines.append(line)
            taken = time.monotonic() - began
    shown = "".join(lines)
    assert running.wait() == 0, shown
    assert taken < seconds + max(2.0, 0.02 * seconds), shown
    with RunReader(out) as run:
        assert run.generations >= 1, shown
        assert run.seconds == pytest.approx(taken, abs=SOON)
        assert run.times.split["finalists"] <= MOST_FOR_RETRAINING * seconds + SOON
    assert "Time: search " in shown


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [1, 4, 8, 12, 16, 19])
def test_a_command_that_is_stopped_ends_soon_in_every_phase(tmp_path: Path, after: int, number: int) -> None:
    table, out = write_table(tmp_path / "table.csv", 2000), tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "evonas",
        "run",
        str(table),
        "--target",
        "price",
        "--time",
        "20s",
        "--out",
        str(out),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(after)
    running.send_signal(number)
    asked = time.monotonic()
    _, errors = running.communicate(timeout=30)
    assert running.returncode in (128 + number, -number, 0), errors
    assert "Traceback" not in errors
    assert time.monotonic() - asked < 3.0
    if (out / "run.sqlite").exists():
        RunStore.open(out).close()
