"""The driver's side, on a stub worker that loads no Keras: replacement, blame, cancellation, the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from evonas.evaluation import Status
from evonas.execution import WorkerError, WorkerLimits, standing_by, worker_process
from evonas.execution.worker_process import WorkerProcess
from evonas.interruption import Abandoned
from evonas.training_tasks import TrainingSettings
from genomes.errors import InputError
from tests.execution.stub_worker import EXIT, FORK, GROW, HANG, KILL, MISTAKE, NAN, PRINT, RAISE, SEGFAULT, SPIN, STOP
from tests.execution.stubs import StubEvaluator, UnitsSpace, candidates, collected

ROOT = Path(__file__).parents[2]


#: Seconds for what takes an instant on an idle machine; what it is told from goes on for minutes, or for ever.
AT_ONCE = 60.0


def has_ended(pid: int) -> bool:
    """Whether there is no such process any more (a zombie that waits to be reaped has ended)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ends(pid: int) -> bool:
    """Whether the process ends in time."""
    deadline = time.monotonic() + AT_ONCE
    while not has_ended(pid):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def test_evaluates_a_generation_and_leaves_out_what_is_done(evaluator):
    found = collected(evaluator.evaluate(candidates(5, 6, 7), frozenset({1})))
    assert {k: e.scores["rmse"] for k, e in found.items()} == {0: 5.0, 2: 7.0}
    assert collected(evaluator.evaluate(candidates(5), frozenset({0}))) == {}
    assert collected(evaluator.evaluate([])) == {}


@pytest.mark.parametrize(
    ("culprit", "words"),
    [(EXIT, "exited with status 7"), (SEGFAULT, "SIGSEGV"), (KILL, "out of memory"), (NAN, "diverged")],
)
@pytest.mark.sampled(1)
def test_a_hostile_candidate_fails_alone(evaluator, culprit, words):
    units = [3, 4, culprit, 5, 6]
    found = collected(evaluator.evaluate(candidates(*units)))
    assert sorted(found) == [0, 1, 2, 3, 4]
    for position, evaluation in found.items():
        if units[position] == culprit:
            assert evaluation.status is Status.FAILED
            assert words in evaluation.reason
        else:
            assert evaluation.scores == {"rmse": float(units[position])}


def test_a_crash_is_seen_at_once_though_a_child_holds_the_socket_and_the_child_ends_too(evaluator):
    started = time.monotonic()
    found = collected(evaluator.evaluate(candidates(FORK)))
    assert "exited with status 7" in found[0].reason
    assert time.monotonic() - started < 60  # not the 120 s of a worker that gives no sign of life
    left = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in left.splitlines() if str(evaluator._log) in line and line.split()[0] == "1"]


@pytest.mark.soak
def test_several_culprits_also_at_both_ends(evaluator):
    found = collected(evaluator.evaluate(candidates(EXIT, 4, SEGFAULT, 5, EXIT)))
    assert [found[k].status is Status.OK for k in range(5)] == [False, True, False, True, False]


def test_a_hanging_candidate_fails_alone(data_path):
    with StubEvaluator(
        UnitsSpace(), data_path, TrainingSettings(), limits=WorkerLimits(silence_seconds=3.0)
    ) as evaluator:
        found = collected(evaluator.evaluate(candidates(3, HANG)))
    assert found[0].status is Status.OK
    assert found[1].status is Status.FAILED
    assert "no headway for 3 s" in found[1].reason


@pytest.mark.soak
def test_a_killed_worker_is_replaced_and_its_network_is_not_blamed(evaluator):
    parts = evaluator.evaluate(candidates(5, 6, 7, epochs=10))
    first = next(parts)
    pid = evaluator.pid
    os.kill(pid, signal.SIGKILL)
    found = {**first, **collected(parts)}
    assert [found[k].scores["rmse"] for k in range(3)] == [5.0, 6.0, 7.0]
    assert evaluator.pid not in (None, pid)
    os.kill(evaluator.pid, signal.SIGKILL)
    assert collected(evaluator.evaluate(candidates(9)))[0].status is Status.OK


@pytest.mark.soak
def test_a_worker_that_outgrows_its_bound_is_followed_by_another(evaluator):
    evaluator.options = ("--small",)
    pids, found = set(), {}
    for part in evaluator.evaluate(candidates(*range(1, 8), epochs=1)):
        pids.add(evaluator.pid)
        found |= part
    assert [found[k].scores["rmse"] for k in range(7)] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert len(pids - {None}) >= 3


def test_an_error_of_the_trainer_comes_with_its_traceback_and_the_worker_lives(evaluator):
    with pytest.raises(WorkerError, match=r"(?s)Traceback.*stub_worker.*a bug in the trainer"):
        collected(evaluator.evaluate(candidates(RAISE, RAISE)))
    pid = evaluator.pid
    with pytest.raises(InputError, match="units must be less"):
        collected(evaluator.evaluate(candidates(MISTAKE)))
    assert collected(evaluator.evaluate(candidates(3)))[0].status is Status.OK
    assert evaluator.pid == pid


def test_a_network_that_raises_fails_alone_when_others_can_be_trained(evaluator):
    for units in ([3, RAISE, 4, 5], [RAISE]):
        found = collected(evaluator.evaluate(candidates(*units)))
        assert [found[k].status is Status.FAILED for k in range(len(units))] == [u == RAISE for u in units]
        assert found[units.index(RAISE)].reason == "it raised KeyError: 'a bug in the trainer'"


@pytest.mark.parametrize(
    "units", [[GROW, STOP], pytest.param([3, GROW, STOP, SPIN, 4], marks=pytest.mark.soak)], ids=["two", "among others"]
)
def test_limits_of_memory_and_life(data_path, units):
    """One that takes too much memory, one that is stopped and beats no more, and one that beats but trains for ever."""
    # What a busy machine takes to fill the memory is no silence, nor what it may keep a worker from a beat.
    limits = WorkerLimits(silence_seconds=20.0, beat_seconds=3.0, memory_bytes=600 << 20)
    with StubEvaluator(UnitsSpace(), data_path, TrainingSettings(), limits=limits) as evaluator:
        found = collected(evaluator.evaluate(candidates(*units)))
    reasons = {
        GROW: "the worker process took more memory than the limit of 0.629 GB",
        STOP: "the worker process hung: it gave no sign of life for 3 s",
        SPIN: "the worker process hung: it made no headway for 20 s",
    }
    for place, each in enumerate(units):
        assert found[place].status is (Status.FAILED if each in reasons else Status.OK)
        assert found[place].reason == reasons.get(each, "")


def test_a_worker_that_cannot_start_says_why(data_path, tmp_path):
    class Broken(StubEvaluator):
        def _command(self):
            return [sys.executable, "-c", "import sys; sys.exit('cannot import name')"]

    space, unlucky = UnitsSpace(), TrainingSettings(patience=13)
    with StubEvaluator(space, data_path, unlucky) as evaluator, pytest.raises(WorkerError, match="no luck today"):
        evaluator.ping()
    with StubEvaluator(space, tmp_path / "none.npz", unlucky) as evaluator, pytest.raises(InputError, match="none"):
        evaluator.ping()
    with Broken(space, data_path, unlucky) as evaluator, pytest.raises(WorkerError, match="cannot import name"):
        evaluator.ping()


def test_an_iterator_closed_early_cancels_and_the_worker_goes_on(evaluator, monkeypatch):
    patient = (AT_ONCE, AT_ONCE)  # so that it is not replaced where it is slow to notice
    monkeypatch.setattr(worker_process, "_CANCEL_SECONDS", patient)
    parts = evaluator.evaluate(candidates(*range(1, 50), epochs=300))
    next(parts)
    pid = evaluator.pid
    parts.close()
    started = time.monotonic()
    assert collected(evaluator.evaluate(candidates(8)))[0].scores == {"rmse": 8.0}
    assert time.monotonic() - started < AT_ONCE  # not the minutes that the others take
    assert evaluator.pid == pid


def test_a_second_request_while_one_is_answered_is_refused(evaluator):
    parts = evaluator.evaluate(candidates(1, 2))
    next(parts)
    with pytest.raises(RuntimeError, match="one request at a time"):
        evaluator.ping()
    assert len(collected(parts)) == 1


def test_close_ends_a_busy_worker_and_may_be_called_twice(evaluator):
    parts = evaluator.evaluate(candidates(1, HANG))
    next(parts)
    pid, started = evaluator.pid, time.monotonic()
    evaluator.close()
    assert time.monotonic() - started < AT_ONCE  # not the ten minutes that it hangs
    assert has_ended(pid)
    evaluator.close()
    assert evaluator.pid is None


def test_interrupting_the_driver_leaves_the_worker_in_order(evaluator):
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.5)
        with pytest.raises(Interrupted):
            collected(evaluator.evaluate(candidates(*range(1, 400), epochs=5)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert collected(evaluator.evaluate(candidates(8)))[0].scores == {"rmse": 8.0}


def test_the_worker_ignores_ctrl_c(evaluator):
    evaluator.ping()
    os.kill(evaluator.pid, signal.SIGINT)
    pid = evaluator.pid
    evaluator.ping()
    assert evaluator.pid == pid
    assert os.getsid(pid) == pid


@pytest.mark.parametrize("units", [HANG, pytest.param(5, marks=pytest.mark.soak)])
def test_no_orphan_survives_a_killed_driver(data_path, units):
    script = f"""
        from pathlib import Path
        from evonas.training_tasks import TrainingSettings
        from tests.execution.stubs import StubEvaluator, UnitsSpace, candidates
        evaluator = StubEvaluator(UnitsSpace(), Path({str(data_path)!r}), TrainingSettings())
        evaluator.ping()
        print(evaluator.pid, flush=True)
        list(evaluator.evaluate(candidates({units}, epochs=10**6)))
    """
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert driver.stdout is not None
    worker = int(driver.stdout.readline())
    time.sleep(0.3)
    assert not has_ended(worker)
    driver.kill()
    driver.wait()
    driver.stdout.close()
    assert ends(worker)


def test_the_driver_side_imports_no_keras():
    script = "import sys, evonas.execution; print({'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"


# A worker that is started before there are data for it.


class Early(StubEvaluator):
    """Its standby is a stub too."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._standby = WorkerProcess(self._command())


def test_a_standby_becomes_the_first_worker_and_its_words_go_to_the_log(data_path, tmp_path):
    log = tmp_path / "worker.log"
    with Early(UnitsSpace(), data_path, TrainingSettings(), log) as evaluator:
        standby = evaluator._standby
        standby.warm("population", own=False)
        evaluator.start()
        assert evaluator.pid == standby.pid
        assert collected(evaluator.evaluate(candidates(5, PRINT)))[0].scores == {"rmse": 5.0}
        os.kill(standby.pid, signal.SIGKILL)
        assert collected(evaluator.evaluate(candidates(6)))[0].scores == {"rmse": 6.0}
        assert evaluator.pid != standby.pid
    assert "loading for population" in log.read_text()
    assert "printed" in log.read_text()


def test_a_standby_that_died_is_replaced(data_path):
    with Early(UnitsSpace(), data_path, TrainingSettings()) as evaluator:
        os.kill(evaluator._standby.pid, signal.SIGKILL)
        evaluator._standby._process.wait()
        assert collected(evaluator.evaluate(candidates(5)))[0].scores == {"rmse": 5.0}


def test_a_standby_that_nobody_took_ends_with_its_block():
    with pytest.raises(InputError), standing_by("population") as standby:
        raise InputError("no such table")
    assert has_ended(standby.pid)


@pytest.mark.soak
def test_a_network_that_takes_too_long_fails_alone_though_it_makes_headway(data_path):
    limits = WorkerLimits(candidate_seconds=1.5)
    tasks = [*candidates(3), *candidates(4, epochs=10**6), *candidates(5)]
    tasks = [replace(task, index=k) for k, task in enumerate(tasks)]
    with StubEvaluator(UnitsSpace(), data_path, TrainingSettings(), limits=limits) as evaluator:
        found = collected(evaluator.evaluate(tasks))
    assert [found[k].status is Status.OK for k in range(3)] == [True, False, True]
    assert found[1].reason == "the worker process took longer than the limit of 1.5 s per network"


@pytest.mark.parametrize(("units", "goes_on"), [(8, True), pytest.param(SPIN, False, marks=pytest.mark.soak)])
def test_a_wait_is_given_up_and_the_worker_goes_on_or_is_replaced(evaluator, monkeypatch, units, goes_on):
    if goes_on:
        monkeypatch.setattr(worker_process, "_CANCEL_SECONDS", (AT_ONCE, AT_ONCE))
    evaluator.ping()
    pid, until = evaluator.pid, time.monotonic() + 0.3
    evaluator.abandon_when(lambda: time.monotonic() > until)
    with pytest.raises(Abandoned):
        collected(evaluator.evaluate(candidates(units, epochs=60_000)))
    assert time.monotonic() - until < AT_ONCE  # the training goes on for ten minutes
    evaluator.abandon_when(lambda: False)
    assert collected(evaluator.evaluate(candidates(5)))[0].scores == {"rmse": 5.0}
    assert (evaluator.pid == pid) == goes_on


def test_the_wait_for_a_worker_to_start_is_given_up_too(evaluator):
    evaluator.abandon_when(lambda: True)
    with pytest.raises(Abandoned):
        evaluator.ping()
    evaluator.abandon_when(lambda: False)
    evaluator.ping()
    assert evaluator.start_seconds > 0


def test_the_driver_hears_which_network_is_in_which_epoch(evaluator):
    heard = []
    evaluator.watch_training(heard.extend)
    # Position 0 is done, so that what the worker calls its second task is not all that it trains.
    collected(evaluator.evaluate(candidates(4, 6, epochs=150), frozenset({0})))
    assert {each.number for each in heard} == {1}
    assert [each.epoch for each in heard] == sorted({each.epoch for each in heard})
    assert max(each.epoch for each in heard) > 0
    assert {(each.epochs, each.parameters) for each in heard} == {(150, 6)}


def test_a_stream_says_what_is_in_training_by_the_numbers_that_it_was_given(evaluator):
    heard = []
    evaluator.watch_training(heard.extend)
    with closing(evaluator.stream()) as stream:
        stream.give(41, candidates(8, epochs=120)[0])
        while not stream.wait():
            pass
    assert {(each.number, each.parameters) for each in heard} == {(41, 8)}
