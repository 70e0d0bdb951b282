"""How native trainings are stopped: within a step, from any thread; and what a network that does not fit comes to."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from evonas.evaluation import Status
from evonas.training.native import NativeTrainer
from evonas.training.native import trainer as module
from evonas.training.native.lowering import lower
from evonas.training.native.threads import Pool
from evonas.training.native.training import NetworkTraining, Stopped
from evonas.training_tasks import TrainingSettings
from tests.training.networks import data, graph, task, trained

#: Trains for many minutes, in steps of some milliseconds.
ENDLESS = task(graph((800, 800), batch_size=150), 100_000)
QUICK = task(graph((6,)), 2)


def native(prepared=None, threads=2, settings=None, **options):
    given = {"patience": None} | (settings or {})
    return NativeTrainer(prepared or data(), TrainingSettings(**given), threads=threads, **options)


@pytest.fixture
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def training_of(network, prepared=None, epochs=1000):
    """A training and its mark for stopping."""
    prepared = prepared or data()
    rows = module.rows_of(prepared.splits[0])
    how = module.optimization(network, "mse", TrainingSettings(patience=None), len(rows.x), epochs, 0)
    program = lower(network, 4, 1, 256)
    weights = module.first_weights(network, prepared.problem, 0, None, rows.x)()
    return NetworkTraining(program, rows, how, weights)


def quietly(function, *args):
    """The call as a thread's target: it is to be stopped."""

    def call():
        with suppress(Stopped):
            function(*args)

    return call


def test_a_mark_stops_it_before_the_next_step():
    training = training_of(graph((6,), batch_size=1))
    training.advance(1)
    weights = training.snapshot().weights
    training.stop[0] = 1
    with pytest.raises(Stopped):
        training.advance(10)
    assert training.epoch == 1
    for name, value in training.snapshot().weights.items():
        np.testing.assert_array_equal(value, weights[name])


def test_it_stops_within_one_step_of_a_wide_network():
    """By the losses that it writes down step by step: none follows, but that of the step that it was in."""
    network, steps = graph((1500, 1500), batch_size=5), 2000  # which takes so long that no busy machine is too late
    training = training_of(network, data(num_rows=5 * steps))
    losses = np.full(steps, np.nan)
    thread = threading.Thread(target=quietly(training._call, 1, losses))
    thread.start()
    while np.isnan(losses[1]):
        time.sleep(0.0001)
    training.stop[0] = 1
    at = int(np.isfinite(losses).sum())
    thread.join()
    assert at <= int(np.isfinite(losses).sum()) <= at + 1 < steps
    assert training.epoch == 0


def test_it_stops_within_a_validation():
    """Of far more rows than one step has: the outputs of those behind are not computed."""
    few = data(num_rows=10, num_validation=400_000)
    training = training_of(graph((600, 600), batch_size=10), few)
    outputs = training._arrays["outputs"]
    thread = threading.Thread(target=quietly(training.advance, 1))
    thread.start()
    while not outputs[:256].all():
        time.sleep(0.0001)
    training.stop[0] = 1
    thread.join()
    assert not outputs[-256:].any()
    assert training.epoch == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_cancel_from_another_thread_stops_what_trains_and_what_waits(threads):
    one = native(threads=threads)
    stopping = threading.Timer(0.2, one.cancel)
    stopping.start()
    found = trained(one, [ENDLESS] * 4)
    stopping.join()
    assert [found[k].status for k in range(4)] == [Status.STOPPED] * 4
    assert found[0].reason == "it was stopped"
    assert found[0].weights is None
    # What comes afterwards is trained.
    assert trained(one, [QUICK])[0].status is Status.OK


def test_closing_the_iterator_stops_all():
    one = native(threads=1)
    parts = one.train([QUICK, *[ENDLESS] * 3], frozenset())
    assert next(parts) == {}  # a sign of headway: the longest come first
    parts.close()
    assert not one._open


def test_two_iterators_of_one_trainer_do_not_stop_each_other():
    one = native(threads=1)
    other = one.train([replace(QUICK, epochs=200)])
    parts = one.train([ENDLESS])
    next(other)
    next(parts)
    parts.close()
    found = {k: v for part in other for k, v in part.items()}
    assert not found or found[0].status is Status.OK


def test_a_candidate_that_takes_too_long_fails_and_the_others_are_trained():
    one = native(candidate_seconds=0.3)
    found = trained(one, [ENDLESS, QUICK, replace(QUICK, seed=5)])
    assert found[0].status is Status.FAILED
    assert found[0].reason == "took longer than the limit of 0.3 s per network"
    assert {found[1].status, found[2].status} == {Status.OK}


def test_the_folds_of_a_candidate_share_its_seconds():
    found = trained(native(data(folds=4), threads=1, candidate_seconds=0.3, settings={"replicates": 3}), [ENDLESS])
    assert found[0].status is Status.FAILED
    assert "0.3 s" in found[0].reason


@pytest.mark.parametrize("widths", [(65536, 65536), (65536,) * 9])
def test_a_network_that_does_not_fit_fails_in_words_and_the_others_are_trained(widths, monkeypatch):
    """Before anything is allocated."""
    asked = []
    monkeypatch.setattr(module, "NetworkTraining", lambda *a, **o: asked.append(a) or NetworkTraining(*a, **o))
    found = trained(native(), [task(graph(widths), 1), QUICK])
    assert found[0].status is Status.FAILED
    assert found[0].reason.startswith("out of memory: training the network takes ")
    assert "MiB is available" in found[0].reason
    assert found[0].parameters > 1e9
    assert found[1].status is Status.OK
    assert len(asked) == 1


def test_the_memory_of_a_training_is_counted_before():
    """What arrays take at the most is near what was said, and not above it."""
    import tracemalloc

    network = graph((700, 500), batch_size=32)
    said = lower(network, 4, 1, 256).num_bytes
    one = native(threads=1)
    trained(one, [QUICK])
    tracemalloc.start()
    trained(one, [task(network, 1)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.6 * said < peak < 1.2 * said


def test_trainings_that_do_not_fit_side_by_side_follow_each_other():
    big = task(graph((300, 300)), 2)
    most = int(1.5 * lower(graph((300, 300)), 4, 1, 150).num_bytes / module._MEMORY_SHARE)
    running, peak = [], []
    run = NativeTrainer._run

    class Counting(NativeTrainer):
        def _run(self, member):
            running.append(member)
            peak.append(len(running))
            try:
                return run(self, member)
            finally:
                running.remove(member)

    one = Counting(data(), TrainingSettings(patience=None), threads=4, memory_bytes=most)
    found = trained(one, [replace(big, seed=k) for k in range(5)])
    assert all(each.status is Status.OK for each in found.values())
    assert max(peak) == 1


def test_an_allocation_that_is_refused_all_the_same_is_a_value(monkeypatch):
    def refuse(*_, **__):
        raise MemoryError

    monkeypatch.setattr(module, "NetworkTraining", refuse)
    found = trained(native(), [QUICK])
    assert found[0].status is Status.FAILED
    assert "out of memory" in found[0].reason


def test_other_errors_reach_the_caller(monkeypatch):
    def fail(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(module, "NetworkTraining", fail)
    with pytest.raises(KeyError, match="a bug"):
        trained(native(), [QUICK, ENDLESS])


def test_a_stream_takes_the_next_as_soon_as_a_thread_is_free():
    prepared, given, found = data(folds=3), [], {}

    def source():
        if len(given) == 6:
            return None
        given.append(len(given))
        return given[-1], replace(QUICK, seed=len(given))

    stream = native(prepared, threads=2).stream(source)
    for part in stream:
        found |= part
        # At most as many are out as threads need.
        assert len(given) - len(found) <= 2
        if len(found) == 6:
            break
    stream.close()
    straight = trained(native(prepared), [replace(QUICK, seed=k + 1) for k in range(6)])
    assert {k: found[k].curve for k in range(6)} == {k: straight[k].curve for k in range(6)}


def test_half_the_precision_is_refused():
    from genomes.errors import InputError

    with pytest.raises(InputError, match="float32"):
        native(settings={"precision": "bfloat16"})


def test_jobs_that_wait_are_dropped_when_a_pool_closes():
    pool, begun, gate, done = Pool(1), threading.Event(), threading.Event(), []
    pool.submit("a", lambda: begun.set() or gate.wait(60))
    assert begun.wait(60)
    pool.submit("b", lambda: done.append(1))
    pool._threads.insert(0, SimpleNamespace(join=gate.set))  # a ends when the pool waits for its threads
    pool.close()
    assert done == []
    assert pool.results.get(timeout=60)[0] == "a"
