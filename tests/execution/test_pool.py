"""Several worker processes of this machine: one that is killed or hangs is replaced, and nothing is lost."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from evonas.evaluation import Status
from evonas.execution import WorkerError, WorkerLimits
from evonas.execution.assignments import Assignments
from evonas.execution.fleet import ProcessFleet
from evonas.execution.launch import worker_share
from evonas.execution.pool import PoolEvaluator
from evonas.interruption import Abandoned
from evonas.machine import machine_bytes
from evonas.training_tasks import TrainingSettings
from tests.execution.stub_worker import EXIT, HANG, MISTAKE, NAN, RAISE
from tests.execution.stubs import StubEvaluator, UnitsSpace, candidates


def pool_of(data_path, workers=2, settings=None, silence=300.0, **options):
    assignments = Assignments()

    def make(number):
        limits = WorkerLimits(silence_seconds=silence)
        return StubEvaluator(UnitsSpace(), data_path, settings or TrainingSettings(), None, limits)

    return PoolEvaluator(UnitsSpace(), ProcessFleet(make, workers, assignments, **options), assignments, **options)


@pytest.fixture(scope="module")
def pool(data_path):
    with pool_of(data_path) as made:
        yield made


def evaluated(pool, *units, done=frozenset()):
    found = {}
    for part in pool.evaluate(candidates(*units), done):
        assert not found.keys() & part.keys(), "yielded twice"
        found |= part
    return found


def test_each_network_comes_back_once_and_the_guilty_alone_have_failed(pool):
    found = evaluated(pool, 1, 2, EXIT, 3, NAN, RAISE, 4, 5)
    assert {number: each.scores["rmse"] for number, each in found.items() if each.scores} == {
        0: 1.0,
        1: 2.0,
        3: 3.0,
        6: 4.0,
        7: 5.0,
    }
    assert {number: each.reason for number, each in found.items() if each.status is Status.FAILED} == {
        2: "the worker process crashed: it exited with status 7",
        4: "diverged",
        5: "it raised KeyError: 'a bug in the trainer'",
    }
    assert evaluated(pool, 8)[0].scores == {"rmse": 8.0}


def test_a_worker_that_is_killed_is_replaced_and_its_network_trained_by_another(pool):
    parts = pool.evaluate(candidates(*range(1, 9), epochs=20))
    found = dict(next(part for part in parts if part))
    os.kill(next(pid for pid in pool._fleet.pids if pid), signal.SIGKILL)
    killed = time.monotonic()
    for part in parts:
        assert not found.keys() & part.keys()
        found |= part
    assert time.monotonic() - killed < 100.0  # not when the killed one has been silent for long enough
    assert {number: each.scores for number, each in found.items()} == {n: {"rmse": n + 1.0} for n in range(8)}


@pytest.mark.soak
def test_a_worker_that_is_killed_while_it_starts_is_replaced_but_not_for_ever(data_path):
    with pool_of(data_path) as starting:
        starting._fleet.start()
        for pid in starting._fleet.pids:
            os.kill(pid, signal.SIGKILL)
        assert evaluated(starting, 1, 2)[1].scores == {"rmse": 2.0}

    class Killed(StubEvaluator):
        started = 0

        def _command(self):
            self.started += 1
            return [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]

    killed = Killed(UnitsSpace(), data_path, TrainingSettings(), None)
    with killed, pytest.raises(WorkerError, match="did not start: killed"):
        killed.ping()
    assert killed.started == 3


@pytest.mark.soak
def test_a_stream_has_as_many_slots_as_there_are_workers(pool):
    evaluated(pool, 1, 2)
    while pool._fleet.slots < 2:  # one may be starting still
        time.sleep(0.01)
    stream = pool.stream()
    assert stream.slots == 2
    for number, candidate in enumerate(candidates(1, EXIT, 2)):
        stream.give(number, candidate)
    found = {}
    while len(found) < 3:
        found |= stream.wait()
    assert [found[number].status for number in range(3)] == [Status.OK, Status.FAILED, Status.OK]
    stream.close()


def test_whoever_gives_up_is_not_kept_waiting_and_the_workers_are_free_again(pool):
    evaluated(pool, 1, 2)
    pool.abandon_when(lambda: True)
    began = time.monotonic()
    with pytest.raises(Abandoned):
        list(pool.evaluate(candidates(HANG, HANG)))
    assert time.monotonic() - began < 100.0  # not the ten minutes that both hang
    pool.abandon_when(lambda: False)
    assert evaluated(pool, 3, 4)[1].scores == {"rmse": 4.0}


def test_a_user_s_mistake_and_a_worker_that_does_not_start_end_the_search(data_path, pool):
    with pytest.raises(Exception, match="units must be less"):
        evaluated(pool, 1, MISTAKE)
    with (
        pool_of(data_path, settings=TrainingSettings(patience=13)) as broken,
        pytest.raises(WorkerError, match="no luck"),
    ):
        evaluated(broken, 1)


def test_groups_of_a_generation(data_path):
    with pool_of(data_path, grouped=True) as pool:
        assert evaluated(pool, *range(1, 10), done=frozenset({0})).keys() == set(range(1, 9))
        assert not evaluated(pool, 1, 2, done=frozenset({0, 1}))


def test_cores_and_memory_are_shared_unless_memory_is_named():
    shares = [
        worker_share(TrainingSettings(threads=5, worker_bytes=1), WorkerLimits(), 2, number) for number in range(2)
    ]
    assert [settings.threads for settings, _ in shares] == [2, 3]
    least = min(max(2 << 30, int(0.8 * machine_bytes()) // 2), int(0.8 * machine_bytes()))
    assert {limits.memory for _, limits in shares} == {settings.worker_bytes for settings, _ in shares} == {least}
    assert worker_share(TrainingSettings(), WorkerLimits(memory_bytes=1 << 20), 2, 0)[1].memory == 1 << 20


def test_a_device_is_its_worker_s_alone(data_path, tmp_path):
    script = Path(tmp_path / "see.py")
    script.write_text("import os, sys\nprint(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True)\n")

    class Seeing(StubEvaluator):
        def _command(self):
            return [sys.executable, str(script)]

    log = tmp_path / "log"
    seeing = Seeing(UnitsSpace(), data_path, TrainingSettings(), log, environment={"CUDA_VISIBLE_DEVICES": "3"})
    with seeing, pytest.raises(WorkerError, match="did not start"):
        seeing.ping()
    assert log.read_text() == "3\n"


@pytest.mark.parametrize("grouped", [False, True])
def test_what_its_workers_train_is_told_by_the_numbers_of_the_generation(data_path, grouped):
    heard = []
    with pool_of(data_path, grouped=grouped) as pool:
        pool.watch_training(heard.extend)
        for _ in pool.evaluate(candidates(3, 5, 7, 9, epochs=150), frozenset({1})):
            pass
        assert {(each.number, each.parameters) for each in heard} <= {(0, 3), (2, 7), (3, 9)}
        assert heard
        assert pool.assignments.in_training() == []
