"""What `RayFleet` asks of a cluster and gives to its workers. The cluster is simulated: Ray need not be installed."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from evonas.evaluation import Evaluation, Status
from evonas.execution import WorkerLimits, ray_fleet
from evonas.execution.assignments import Assignments, Lease, Outcome
from evonas.execution.mailbox import Started
from evonas.execution.ray_actor import WorkerSpec, versions
from evonas.execution.ray_fleet import RayFleet
from evonas.execution_options import Execution
from evonas.training_tasks import TrainingSettings, TrainingTask

TASK = TrainingTask({}, seed=0, epochs=1)


class Reference:
    def __init__(self, found: Any = None) -> None:
        self.answer: Future[Any] = Future()
        if found is not None:
            self.answer.set_result(found)

    def future(self) -> Future[Any]:
        return self.answer


class Worker:
    """An actor: takes leases, and returns each after `period` steps of the test."""

    def __init__(self, options: dict[str, Any], period: int) -> None:
        self.options, self.period = options, period
        self.stopped, self.done, self.steps = False, 0, 0
        self.leases: list[Lease] = []
        self.sizes: list[int] = []
        self.owed: Reference | None = None
        for name in ("versions", "news", "give", "stop"):
            setattr(self, name, SimpleNamespace(remote=getattr(self, f"_{name}")))

    def _versions(self) -> Reference:
        return Reference(versions())

    def _give(self, floor: int, leases: Any, tasks: Any) -> None:
        self.leases = [lease for lease in self.leases if lease.token >= floor] + list(leases)
        self.sizes += [len(lease.numbers) for lease in leases]

    def _news(self, progress_seconds: float, floor: int, leases: Any, tasks: Any) -> Reference:
        assert self.owed is None, "one question at a time"
        self._give(floor, leases, tasks)
        if not self.steps:
            return Reference([Started(1)])
        self.owed = Reference()
        return self.owed

    def _stop(self) -> None:
        self.stopped = True

    def step(self) -> None:
        self.steps += 1
        if self.steps % self.period or not self.leases or self.owed is None:
            return
        lease, answer = self.leases.pop(0), self.owed
        self.owed, self.done = None, self.done + len(lease.numbers)
        good = {number: Evaluation(Status.OK, {"rmse": 1.0}) for number in lease.numbers}
        answer.answer.set_result(
            [Outcome(lease.token, good, finished=True, state="planned" if lease.grouped else None)]
        )


class Cluster:
    """Stands for `RayCluster` and for the module `ray`."""

    answers = True

    def __init__(self, periods: list[int], resources: dict[str, float]) -> None:
        self.workers: list[Worker] = []
        self.ray, self.stored = self, list[Any]()
        self.exceptions = SimpleNamespace(RayError=OSError)
        self._periods, self._resources = periods, resources

    def resources(self) -> dict[str, float]:
        return self._resources

    def put(self, value: Any) -> Any:
        self.stored.append(value)
        return value

    def remote(self, kind: Any) -> Any:
        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=lambda *_: self._start(options)))

    def _start(self, options: dict[str, Any]) -> Worker:
        self.workers.append(Worker(options, self._periods[len(self.workers) % len(self._periods)]))
        return self.workers[-1]

    def kill(self, worker: Worker) -> None: ...

    def wait(self, *_: Any, **__: Any) -> None: ...

    def check_head(self) -> None: ...

    def close(self) -> None: ...


def started(
    monkeypatch: pytest.MonkeyPatch,
    periods: list[int],
    resources: dict[str, float],
    workers: int | None,
    settings: TrainingSettings | None = None,
    grouped: bool = False,
) -> tuple[Cluster, RayFleet, Assignments]:
    cluster, assignments = Cluster(periods, resources), Assignments()
    monkeypatch.setattr(ray_fleet, "RayCluster", lambda *_: cluster)
    spec = WorkerSpec(settings or TrainingSettings(), WorkerLimits(), grouped=grouped)
    fleet = RayFleet(spec, None, Execution("ray", workers), assignments, unheard_seconds=1e9)
    fleet.start()
    for _ in range(3):  # versions, then that they have started
        fleet.wait(0.01)
        for worker in cluster.workers:
            worker.steps = worker.steps or 1
    return cluster, fleet, assignments


def finish(cluster: Cluster, fleet: RayFleet, assignments: Assignments) -> int:
    """Steps until everything has come back."""
    steps = 0
    while assignments.unfinished:
        steps += 1
        assert steps < 1000
        fleet.wait(0.001)
        for worker in cluster.workers:
            worker.step()
        assignments.results()
    return steps


def test_a_worker_that_is_three_times_as_fast_trains_three_times_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, fleet, assignments = started(monkeypatch, [2, 6], {"CPU": 2.0}, 2)
    assignments.add(dict.fromkeys(range(80), TASK))
    steps = finish(cluster, fleet, assignments)
    fast, slow = cluster.workers
    assert fast.done + slow.done == 80
    assert 2.5 < fast.done / slow.done < 3.5
    assert steps < 1.2 * 80 / (1 / 2 + 1 / 6), "hardly longer than without any wait"


def test_workers_are_asked_for_where_work_waits_and_given_back_when_they_are_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, fleet, assignments = started(monkeypatch, [2], {"CPU": 2.0}, 5)
    assert len(cluster.workers) == 2, "the cluster has room for these"
    assignments.add(dict.fromkeys(range(40), TASK))
    fleet.wait(0.001)
    assert len(cluster.workers) == 5, "what has no room yet is what an autoscaler starts machines for"
    for worker in cluster.workers:
        worker.steps = 1
    finish(cluster, fleet, assignments)
    assert not any(worker.stopped for worker in cluster.workers)
    fleet._clock += 61.0
    fleet.wait(0.001)
    assert sum(worker.stopped for worker in cluster.workers) == 4, "one stays for the next generation"
    assignments.add(dict.fromkeys(range(40, 43), TASK))
    fleet.wait(0.001)
    assert len(cluster.workers) == 7, "three are wanted, one is there"


def test_a_gpu_takes_groups_of_a_generation_which_is_stored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainingSettings(trainer="population", threads=2)
    cluster, fleet, assignments = started(
        monkeypatch, [2], {"CPU": 8.0, "GPU": 2.0}, None, settings=settings, grouped=True
    )
    assert [worker.options["num_gpus"] for worker in cluster.workers] == [1, 1]
    assert {worker.options["num_cpus"] for worker in cluster.workers} == {2.0}
    before = len(cluster.stored)
    assignments.add_generation([TASK] * 40, frozenset(), None)
    finish(cluster, fleet, assignments)
    sizes = [size for worker in cluster.workers for size in worker.sizes]
    assert sum(sizes) == 40
    assert max(sizes) == 10, "half of an even share of what waits"
    assert sizes.count(1) < len(sizes)
    assert len(cluster.stored) == before + 1
    assert assignments.state == "planned"
