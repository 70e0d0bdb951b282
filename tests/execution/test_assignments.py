"""Leases: each network comes back once, whatever workers do; and what a pool makes of that is the same run."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass
from typing import Any

import pytest

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation, Start, Status
from evonas.evolution.asynchronous import evolve_asynchronously
from evonas.evolution.candidate_streams import Repeated
from evonas.evolution.loop import evolve
from evonas.execution import pool
from evonas.execution.assignments import MOST_LOSSES, Assignments, Fault, Lease, Outcome
from evonas.execution.order import longest_first
from evonas.execution.pool import PoolEvaluator
from evonas.io import atomic
from evonas.runs import RunReader, schema
from evonas.strategies import make_strategy
from evonas.training_tasks import TrainingTask
from genomes.errors import InputError
from tests.toy import RMSE, ToyEvaluator, ToySpace, toy_evaluation, toy_evaluation_from, toy_settings, toy_store


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here loses power: what is written need not be on the disk before it continues."""
    configure = schema._configure

    def relaxed(connection: sqlite3.Connection, mode: str) -> None:
        configure(connection, mode)
        connection.execute("PRAGMA synchronous = OFF")

    monkeypatch.setattr(schema, "_configure", relaxed)
    monkeypatch.setattr(atomic.os, "fsync", lambda _: None)


OK = Evaluation(Status.OK, {"rmse": 1.0})


def test_a_network_that_comes_twice_or_late_counts_once() -> None:
    assignments = Assignments()
    assignments.add({0: "a", 1: "b"})
    first, second = assignments.take(1, 2)
    assert assignments.put(Outcome(second.token, {1: OK}, finished=True))
    assert not assignments.put(Outcome(second.token, {1: OK}, finished=True))
    assert assignments.lost(1, "gone") == 1
    (again,) = assignments.take(2, 5)
    assert again.numbers == (0,)
    assert again.token != first.token
    assert not assignments.put(Outcome(first.token, {0: Evaluation(Status.FAILED, reason="late")}, finished=True))
    assert assignments.put(Outcome(again.token, {0: OK}, finished=True))
    assert assignments.results() == {1: OK, 0: OK}
    assert assignments.unfinished == 0
    assignments.add({0: "another network of that number"})
    assert not assignments.put(Outcome(again.token, {0: OK}, finished=True))
    assert assignments.results() == {}


def test_a_network_that_workers_are_lost_with_has_failed() -> None:
    assignments = Assignments()
    assignments.add({7: "a"})
    for worker in range(MOST_LOSSES):
        assert assignments.take(worker, 1)
        assignments.lost(worker, "node down")
    assert not assignments.take(9, 1)
    assert "one after the other, were lost with it, the last one: node down" in assignments.results()[7].reason


def test_what_was_revoked_is_not_wanted_any_more() -> None:
    assignments = Assignments()
    assignments.add({0: "a", 1: "b"})
    (lease,) = assignments.take(1, 1)
    assignments.revoke()
    assert not assignments.is_valid(lease.token)
    assert lease.token < assignments.floor
    assert not assignments.put(Outcome(lease.token, {0: OK}, finished=True))
    assert (assignments.unfinished, assignments.take(1, 5)) == (0, ())


def test_groups_plan_with_the_whole_generation_and_from_the_same_state() -> None:
    assignments = Assignments()
    assignments.add_generation(["a", "b", "c", "d", "e", "f", "g", "h"], frozenset({0}), "before")
    shares = []
    while lease := next(iter(assignments.take(len(shares), 1, 2)), None):
        assert (lease.tasks, lease.state, lease.grouped) == (tuple("abcdefgh"), "before", True)
        assignments.put(Outcome(lease.token, dict.fromkeys(lease.numbers, OK)))
        assignments.put(Outcome(lease.token, finished=True, state="after"))
        shares.append(lease.numbers)
    assert shares == [(1, 2), (3, 4), (5,), (6,), (7,)]
    assert sorted(assignments.results()) == [1, 2, 3, 4, 5, 6, 7]
    assert (assignments.unfinished, assignments.state) == (0, "after")


def test_a_generation_that_is_done_is_planned_and_a_plan_that_was_lost_is_made_again() -> None:
    assignments = Assignments()
    assignments.add_generation(["a", "b"], frozenset({0, 1}), 1)
    for worker in (1, 2):
        assert assignments.unfinished == 1
        (lease,) = assignments.take(worker, 1, 4)
        assert (lease.numbers, assignments.take(9, 1, 4)) == ((), ())
        if worker == 1:
            assignments.lost(1, "gone")
    assignments.put(Outcome(lease.token, finished=True, state=2))
    assert (assignments.unfinished, assignments.state) == (0, 2)


def test_a_worker_has_one_more_than_it_trains_only_while_many_wait() -> None:
    assignments = Assignments()
    assignments.add(dict.fromkeys(range(6), "task"))
    assert assignments.spare(slots=2) == 1
    assignments.add_request("Test", 1)
    assert assignments.spare(slots=2) == 0
    assignments.take(1, 1)
    assignments.take(1, 2)
    assert (assignments.waiting, assignments.spare(slots=2)) == (4, 0)
    assignments.add_generation(["a"] * 9, frozenset(), None)
    assert assignments.spare(slots=2) == 0


def test_faults_and_requests() -> None:
    assignments = Assignments()
    token = assignments.add_request("Test", 1)
    (lease,) = assignments.take(1, 1)
    assert (lease.token, lease.request) == (token, ("Test", 1))
    assignments.lost(1, "gone")
    (again,) = assignments.take(2, 1)
    assert assignments.answer(token) is None
    assignments.put(Outcome(again.token, finished=True, state={"rmse": 1.0}))
    assert assignments.answer(token) == Outcome(token, finished=True, state={"rmse": 1.0})
    assignments.add({3: "a"})
    (lease,) = assignments.take(1, 1)
    assignments.put(Outcome(lease.token, fault=Fault("a traceback", "KeyError: 1")))
    assert assignments.faults == {3: Fault("a traceback", "KeyError: 1")}
    assert isinstance(Fault.from_exception(InputError("give less")).exception(), InputError)


def test_the_longest_trainings_of_a_generation_begin_first() -> None:
    def task(units: int, epochs: int) -> TrainingTask:
        nodes = [{"kind": "input"}, {"kind": "dense", "units": units}, {"kind": "output"}]
        return TrainingTask({"nodes": nodes, "edges": [[0, 1], [1, 2]], "training": {"batch_size": 32}}, 0, epochs)

    tasks = {0: task(8, 5), 1: task(512, 5), 2: task(8, 50), 3: task(8, 5)}
    assert list(longest_first(tasks)) == [2, 1, 0, 3]
    embedded = task(8, 5)
    embedded.architecture["nodes"][0] |= {"embedding": "tree", "embedding_units": 24}
    assert list(longest_first({0: task(64, 5), 1: embedded, 2: task(256, 5)})) == [2, 1, 0]
    own = {number: TrainingTask({"units": 8}, 0, epochs) for number, epochs in enumerate((1, 3, 3))}
    assert list(longest_first(own)) == [1, 2, 0]


@dataclass(frozen=True)
class Task:
    """In place of a task of a real network."""

    candidate: Candidate
    start: Start | None
    lineage: tuple[int, ...] = ()


class WildFleet:
    """Workers that come and go, die in the midst, answer twice, late and in any order; everything is drawn."""

    def __init__(self, assignments: Assignments, workers: int, seed: int, wild: float = 0.2) -> None:
        self.assignments, self.rng, self.wild = assignments, random.Random(seed), wild
        self.workers, self.slots, self.next, self.lost = list(range(workers)), workers, workers, 0
        self.out: dict[int, list[Lease]] = {}
        self.past: list[Outcome] = []

    def start(self) -> None:
        """Nothing has to be started."""

    def close(self) -> None:
        """Nothing has to be ended."""

    def wait(self, seconds: float) -> None:
        worker = self.rng.choice(self.workers)
        held = self.out.setdefault(worker, [])
        held += self.assignments.take(worker, 2 - len(held), len(self.workers))
        if self.rng.random() < self.wild / 4 and held:
            self.lost += 1
            self.assignments.lost(worker, "killed")
            self.past += [self.outcome(lease) for lease in self.out.pop(worker)]  # what it says comes late
            self.workers[self.workers.index(worker)] = self.next = self.next + 1
        elif held and self.rng.random() < 0.7:
            lease = held.pop(self.rng.randrange(len(held)))
            self.past.append(self.outcome(lease))
            self.assignments.put(self.past[-1])
        if self.past and self.rng.random() < self.wild:
            self.assignments.put(self.rng.choice(self.past))

    def outcome(self, lease: Lease) -> Outcome:
        tasks: Any = lease.tasks if not lease.grouped else [lease.tasks[number] for number in lease.numbers]
        found = {
            number: toy_evaluation_from(task.candidate, toy_evaluation(task.candidate), task.start)
            for number, task in zip(lease.numbers, tasks, strict=True)
        }
        return Outcome(lease.token, found, True, (lease.state or 0) + 1 if lease.grouped else None)


@pytest.fixture
def toy_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "task_of", lambda space, candidate, start: Task(candidate, start))
    monkeypatch.setattr(pool, "longest_first", dict)


def digest(directory: Any, evaluator: Any, loop: Any = evolve, evaluations: int = 30, **settings: Any) -> str:
    with toy_store(directory, toy_settings(**{"strategy": "ga", **settings})) as store:
        space = ToySpace(store.space_json["size"])
        strategy: Any = make_strategy(store.settings.strategy, space, objective=RMSE, settings=store.settings)
        list(loop(strategy, evaluator, store, space, Budget(evaluations=evaluations)))
        return store.digest()


@pytest.mark.parametrize("grouped", [False, True])
def test_the_run_is_the_same_on_any_number_of_workers_whatever_they_do(tmp_path, toy_tasks, grouped) -> None:
    straight = ToyEvaluator()
    if not grouped:
        straight.state = lambda: None  # type: ignore[method-assign]
    expected, lost = digest(tmp_path / "straight", straight), 0
    for seed, workers in enumerate((1, 2, 4, 9)):
        assignments = Assignments()
        fleet = WildFleet(assignments, workers, seed)
        evaluator = PoolEvaluator(ToySpace(), fleet, assignments, grouped)
        assert digest(tmp_path / str(workers), evaluator) == expected
        lost += fleet.lost
    assert lost > 3


def test_a_run_whose_results_are_told_as_they_arrive_is_repeated_on_other_workers(tmp_path, toy_tasks) -> None:
    told: dict[str, Any] = {"strategy": "aging", "asynchronous": True, "window": 0}
    assignments = Assignments()
    first = PoolEvaluator(ToySpace(), WildFleet(assignments, 4, 1), assignments)
    expected = digest(tmp_path / "first", first, evolve_asynchronously, **told)
    other = Assignments()
    second = PoolEvaluator(ToySpace(), WildFleet(other, 3, 2, wild=0.0), other)
    assert digest(tmp_path / "other", second, evolve_asynchronously, **told) != expected
    with RunReader(tmp_path / "first") as run:
        again = Assignments()
        repeated = Repeated(PoolEvaluator(ToySpace(), WildFleet(again, 4, 3), again), run.events)
        assert digest(tmp_path / "again", repeated, evolve_asynchronously, **told) == expected
