"""Candidates in training one by one: refilled at once, whatever happens to the worker, in this process too."""

from __future__ import annotations

import os
import signal
import time
from collections import deque

import pytest

from evonas.evaluation import Candidate, Evaluation, Status
from evonas.execution import WorkerError, WorkerLimits
from evonas.execution.local import LocalEvaluator
from evonas.execution.messages import Opened, PartialResult
from evonas.execution.streaming import WorkerStream
from evonas.protocols import StreamingEvaluator
from evonas.training_tasks import TrainingSettings
from tests.execution.stub_worker import EXIT, HANG, KILL, MISTAKE, NAN, RAISE, SEGFAULT, STOP
from tests.execution.stubs import StubEvaluator, UnitsSpace, candidates
from tests.execution.test_local import SPACE, Drawing


class Threaded(StubEvaluator):
    options = ("--threads",)


@pytest.fixture(scope="module")
def threaded(data_path):
    with Threaded(UnitsSpace(), data_path, TrainingSettings(), limits=WorkerLimits(silence_seconds=20.0)) as made:
        yield made


def streamed(evaluator, units, epochs=2):
    """Evaluations by number, in the order of arrival, of a driver that refills at once."""
    waiting, found, training = deque(enumerate(candidates(*units, epochs=epochs))), {}, set()
    stream = evaluator.stream()
    while waiting or training:
        while waiting and len(training) < stream.slots:
            number, candidate = waiting.popleft()
            stream.give(number, candidate)
            training.add(number)
        part = stream.wait()
        assert part.keys() <= training
        training -= part.keys()
        found |= part
    stream.close()
    return found


def test_each_is_trained_once_and_the_worker_is_free_again(threaded):
    assert isinstance(threaded, StreamingEvaluator)
    found = streamed(threaded, [5, 6, 7, 8, 9])
    assert {number: each.scores["rmse"] for number, each in found.items()} == dict(enumerate([5.0, 6.0, 7.0, 8.0, 9.0]))
    pid = threaded.pid
    assert next(iter(threaded.evaluate(candidates(3))))[0].scores == {"rmse": 3.0}
    assert streamed(threaded, [4])[0].scores == {"rmse": 4.0}
    assert threaded.pid == pid


def test_a_free_thread_is_refilled_while_the_other_trains_on(threaded):
    stream = threaded.stream()
    assert stream.slots == 2
    slow, *quick = candidates(100, *range(1, 9))
    stream.give(0, Candidate(slow.genome, slow.digest, 0, epochs=300))
    order = []
    for number, candidate in enumerate(quick, 1):
        stream.give(number, Candidate(candidate.genome, candidate.digest, 0, epochs=1))
        order += list(stream.wait())
    order += list(stream.wait())
    assert sorted(order) == list(range(9))
    assert order.index(0) > 1  # how many pass it by depends on the machine
    stream.close()


def test_a_trainer_of_its_own_kind_takes_one_after_the_other(evaluator):
    assert evaluator.stream().slots == 1
    evaluator.close()
    found = streamed(evaluator, [5, NAN, 7])
    assert [found[number].status for number in range(3)] == [Status.OK, Status.FAILED, Status.OK]
    assert found[1].reason == "diverged"


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("culprit", "words"),
    [(EXIT, "exited with status 7"), (SEGFAULT, "SIGSEGV"), (KILL, "out of memory"), (RAISE, "it raised KeyError")],
)
def test_a_hostile_candidate_fails_alone(threaded, culprit, words):
    units = [3, culprit, 4, 5]
    found = streamed(threaded, units)
    for number, evaluation in found.items():
        if units[number] == culprit:
            assert evaluation.status is Status.FAILED
            assert words in evaluation.reason
        else:
            assert evaluation.scores == {"rmse": float(units[number])}
    assert len(found) == 4


def test_what_takes_too_long_fails_and_nobody_else(data_path):
    limits = WorkerLimits(candidate_seconds=2.0, silence_seconds=60.0)
    with Threaded(UnitsSpace(), data_path, TrainingSettings(), limits=limits) as evaluator:
        found = streamed(evaluator, [3, HANG, 4, 5, 6], epochs=20)
    assert [found[number].status is Status.OK for number in range(5)] == [True, False, True, True, True]
    assert "longer than the limit of 2 s" in found[1].reason


def test_what_waits_at_the_worker_is_not_timed():
    late = []

    class Process:
        waited, overdue = 0.0, str

        def add(self, *_):
            pass

        def ask(self, _):
            yield Opened(1, 1)
            for number, seconds in enumerate([3.0, 3.0, 6.0]):
                self.waited += seconds
                late.append(self.overdue())
                yield PartialResult(1, {number: Evaluation(Status.OK)})

    stream = WorkerStream(Process, lambda: None, lambda *_: None, WorkerLimits(candidate_seconds=4.0))
    for number in range(3):
        stream.give_task(number, None)
    assert [list(stream.wait()) for _ in range(3)] == [[0], [1], [2]]
    assert [bool(reason) for reason in late] == [False, False, True]


def test_a_worker_that_is_killed_is_replaced_and_nobody_is_blamed(threaded):
    stream = threaded.stream()
    for number, candidate in enumerate(candidates(5, 6, epochs=10)):
        stream.give(number, candidate)
    pid, found, killed = threaded.pid, {}, False
    while len(found) < 2:
        if not killed:
            os.kill(pid, signal.SIGKILL)
            killed = True
        found |= stream.wait()
    assert {number: each.scores["rmse"] for number, each in found.items()} == {0: 5.0, 1: 6.0}
    assert threaded.pid != pid
    stream.close()


def test_a_worker_that_retires_is_followed_by_another(data_path):
    class Small(StubEvaluator):
        options = ("--threads", "--small")

    with Small(UnitsSpace(), data_path, TrainingSettings()) as evaluator:
        found = streamed(evaluator, [3, 4, 5, 6, 7])
    assert {number: each.scores["rmse"] for number, each in found.items()} == {k: 3.0 + k for k in range(5)}


def test_mistakes_and_bugs_are_told(threaded, data_path):
    from genomes.errors import InputError

    with pytest.raises(InputError, match="units must be less"):
        streamed(threaded, [MISTAKE])
    with pytest.raises(WorkerError, match="a bug in the trainer"):
        streamed(threaded, [RAISE] * 9)
    with (
        Threaded(UnitsSpace(), data_path, TrainingSettings(patience=13)) as unlucky,
        pytest.raises(WorkerError, match="no luck"),
    ):
        unlucky.stream()


def test_closing_stops_the_trainings(threaded):
    stream = threaded.stream()
    stream.give(0, Candidate(5, "5", 0, epochs=100_000))
    stream.give(1, Candidate(6, "6", 0, epochs=1))
    assert stream.wait()[1].scores == {"rmse": 6.0}
    stream.close()
    stream.close()
    began = time.monotonic()
    threaded.ping()
    assert streamed(threaded, [7])[0].scores == {"rmse": 7.0}
    assert time.monotonic() - began < 120  # not the quarter of an hour that the first would train


@pytest.mark.soak
def test_a_stopped_worker_is_replaced(data_path):
    with Threaded(UnitsSpace(), data_path, TrainingSettings(), limits=WorkerLimits(beat_seconds=2.5)) as evaluator:
        found = streamed(evaluator, [3, STOP])
    assert found[0].status is Status.OK
    assert "no sign of life" in found[1].reason


def test_in_this_process():
    evaluator = LocalEvaluator(SPACE, Drawing)
    stream = evaluator.stream()
    assert stream.slots == 1
    found: dict[int, Evaluation] = {}
    for number, units in enumerate((4, 1, 2)):
        genome = SPACE.from_values({"units": units})
        stream.give(number, Candidate(genome, SPACE.digest(genome), 5, 1))
    while len(found) < 3:
        found |= stream.wait()
    assert [each.scores["units"] for each in found.values()] == [4, 1, 2]
    assert stream.wait() == {}
    stream.close()
    stream.close()
