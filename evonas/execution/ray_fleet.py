"""`RayFleet`: actors of a Ray cluster as the workers of a run.

- Data and a user's function are put into the object store once; each machine fetches them once.
- A worker requests as many CPUs as it trains networks at a time. If the trainer uses GPUs and the cluster has some, it
  requests a GPU and takes groups of a generation instead of single networks.
- A worker holds at most the networks that it trains at a time, plus one while many wait, and gets more as results
  return: fast machines get more, and nothing queues up at slow ones.
- There are as many workers as networks waiting or in training, up to `--workers` or the capacity of the cluster.
  Pending requests make an autoscaler grow the cluster; workers idle for a minute are released, so that it can shrink.
- evonas handles retries; Ray restarts nothing (`max_restarts=0`, `max_task_retries=0`). The leases of a lost or silent
  worker are returned (`Assignments.lost`); its later messages are dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from evonas.errors import WorkerError
from evonas.execution.assignments import Assignments, Fault, Lease
from evonas.execution.cluster import RayCluster
from evonas.execution.mailbox import PROGRESS_SECONDS, UnderWay
from evonas.execution.ray_actor import RayWorker, Started, WorkerSpec, versions
from evonas.execution_options import Execution
from genomes.errors import InputError

__all__ = ["RayFleet", "WorkerSpec"]

#: Interval of checks of the cluster's size and head.
_LOOK_SECONDS = 3.0
#: Silence after which a worker is lost; it answers every five seconds.
_UNHEARD_SECONDS = 60.0
#: Messages a second, of all workers together, that only say how far trainings are.
_PROGRESS_MESSAGES = 16.0
#: Idle seconds after which a worker is released.
_IDLE_SECONDS = 60.0
#: Consecutive workers lost before any was ready, after which the run gives up.
_START_FAILURES = 3
#: Seconds without free resources before a message is shown.
_ROOM_SECONDS = 600.0
#: Seconds for all workers to end before they are killed.
_STOP_SECONDS = 3.0


@dataclass(eq=False)
class _Actor:
    number: int
    handle: Any
    #: The answer that it owes, as Ray's reference and as a future; None until it is asked again.
    owed: tuple[Any, Future[Any]] | None = None
    slots: int = 0
    heard: float = 0.0
    worked: float = 0.0
    revoked: int = 0
    checked: bool = field(default=False)


class RayFleet:
    """Implements `Fleet`."""

    def __init__(
        self,
        spec: WorkerSpec,
        data: Path | None,
        execution: Execution,
        assignments: Assignments,
        unheard_seconds: float = _UNHEARD_SECONDS,
    ) -> None:
        """Connects to nothing yet.

        Args:
            spec: of the workers.
            data: file of `PreparedData.save`; None if trials bring their own.
            execution: the address and the maximum number of workers.
            assignments: source of their leases.
            unheard_seconds: silence after which a worker is considered lost.
        """
        self._spec, self._data, self._execution, self._assignments = spec, data, execution, assignments
        self._unheard = unheard_seconds
        self._cluster: RayCluster | None = None
        self._actors: dict[int, _Actor] = {}
        self._number = self._start_failures = 0
        self._room, self._gpu = 1, False
        #: Seconds of waiting, counted as in `WorkerProcess`, so that suspending the machine causes no failure.
        self._clock, self._looked, self._begun = 0.0, 0.0, 0.0
        self._generation: tuple[int, Any] = (0, None)
        #: Answers that have come. Ray's own thread puts them there: to look through all workers for them takes longer
        #: the more there are.
        self._answered: SimpleQueue[tuple[_Actor, Future[Any]]] = SimpleQueue()

    @property
    def slots(self) -> int:
        """See `Fleet.slots`."""
        return max(1, sum(actor.slots for actor in self._actors.values()))

    def start(self) -> None:
        """See `Fleet.start`."""
        if self._cluster is not None:
            return
        import numpy as np

        size = 0 if self._data is None else self._data.stat().st_size
        cpus = self._spec.settings.threads or 1
        self._cluster = RayCluster(self._execution.address, self._execution.workers, cpus, size)
        ray = self._cluster.ray
        self._gpu = self._spec.settings.trainer != "native" and self._cluster.resources().get("GPU", 0.0) >= 1.0
        self._stored = None if self._data is None else ray.put(np.fromfile(self._data, np.uint8))
        self._stored_spec = ray.put(replace(self._spec, settings=replace(self._spec.settings, threads=cpus)))
        self._measure_room()
        self._resize(first=True)

    def wait(self, seconds: float) -> None:
        """See `Fleet.wait`."""
        assert self._cluster is not None, "start comes first"
        began = time.monotonic()
        self._resize()
        self._give()
        if self._actors and not self._assignments.has_news:
            for actor, answer in self._next_answers(seconds):
                if actor.owed is not None and actor.owed[1] is answer and actor.number in self._actors:
                    self._hear(actor, answer)
            self._give()
        self._clock += min(time.monotonic() - began, 2.0 * seconds)
        self._look()

    def _next_answers(self, seconds: float) -> Iterator[tuple[_Actor, Future[Any]]]:
        """What has come, or comes first within that many seconds."""
        with suppress(Empty):
            yield self._answered.get(timeout=seconds)
            while True:
                yield self._answered.get_nowait()

    def close(self) -> None:
        """See `Fleet.close`."""
        if self._cluster is None:
            return
        ray, actors = self._cluster.ray, list(self._actors.values())
        with suppress(ray.exceptions.RayError, OSError):  # the cluster may be gone
            there = self._cluster.answers
            stopping = [actor.handle.stop.remote() for actor in actors if actor.checked and there]
            if stopping:
                ray.wait(stopping, num_returns=len(stopping), timeout=_STOP_SECONDS)
            for actor in actors:
                self._end(actor)
        self._actors.clear()
        self._cluster.close()
        self._cluster = None

    # Starting and releasing workers.

    def _resize(self, first: bool = False) -> None:
        """Requests workers if work is waiting, and releases idle ones."""
        assert self._cluster is not None
        if not self._cluster.answers:
            return
        demand = -(-self._assignments.demand // (1 if self._spec.grouped else self._each))
        wanted = max(1, min(demand, self._most))
        if first:  # the first generation is coming, and workers must load libraries
            wanted = self._most if self._execution.workers is None else min(self._most, self._room)
        for _ in range(wanted - len(self._actors)):
            self._ask()
        for actor in sorted(self._actors.values(), key=lambda each: each.worked)[: len(self._actors) - wanted]:
            if actor.slots and not self._held(actor) and self._clock - actor.worked > _IDLE_SECONDS:
                del self._actors[actor.number]
                actor.handle.stop.remote()  # without a handle, the actor exits afterwards

    @property
    def _most(self) -> int:
        return self._execution.workers or self._room

    @property
    def _each(self) -> int:
        return self._spec.settings.threads or 1

    def _ask(self) -> None:
        assert self._cluster is not None
        ray, cpus = self._cluster.ray, float(self._each)
        self._number += 1
        options = {"num_cpus": cpus, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": 4}
        kind = ray.remote(RayWorker).options(**options, num_gpus=1 if self._gpu else 0)
        handle = kind.remote(self._stored_spec, self._stored, cpus)
        actor = _Actor(self._number, handle, heard=self._clock, worked=self._clock)
        self._actors[actor.number] = actor
        self._expect(actor, handle.versions.remote())

    def _expect(self, actor: _Actor, reference: Any) -> None:
        """Has the answer put to `_answered` once it is there."""
        future: Future[Any] = reference.future()
        actor.owed = (reference, future)
        future.add_done_callback(lambda answer: self._answered.put((actor, answer)))

    def _end(self, actor: _Actor) -> None:
        assert self._cluster is not None
        del self._actors[actor.number]
        if self._cluster.answers:
            self._cluster.ray.kill(actor.handle)  # its worker process ends with it

    def _lose(self, actor: _Actor, reason: str) -> None:
        self._end(actor)
        self._assignments.lost(actor.number, reason)
        if actor.slots:
            self._start_failures = 0
            return
        self._start_failures += 1
        if self._start_failures >= _START_FAILURES:
            raise WorkerError(
                f"{_START_FAILURES} workers of the Ray cluster, one after the other, did not start: {reason}"
            )

    # Sending work and receiving results.

    def _held(self, actor: _Actor) -> int:
        return self._assignments.held_by(actor.number)

    def _give(self) -> None:
        """Gives every worker that has room what waits, and asks those that have answered again."""
        assert self._cluster is not None
        if not self._cluster.answers:
            return
        ready = sum(actor.slots > 0 for actor in self._actors.values())
        for actor in self._actors.values():
            room = actor.slots + self._assignments.spare(self.slots) - self._held(actor) if actor.slots else 0
            leases = self._assignments.take(actor.number, room, ready) if self._assignments.has_work else ()
            if leases:
                actor.worked = self._clock
            if leases or actor.owed is None or actor.revoked < self._assignments.floor:
                self._send(actor, leases)

    def _send(self, actor: _Actor, leases: Sequence[Lease]) -> None:
        """In one message with the question for its next answer, unless it still owes one."""
        assert self._cluster is not None
        tasks = None
        if leases and leases[0].grouped:
            if self._generation[0] != self._assignments.floor:  # the tasks of a generation are stored once
                self._generation = (self._assignments.floor, self._cluster.ray.put(tuple(leases[0].tasks)))
            tasks, leases = self._generation[1], [replace(lease, tasks=()) for lease in leases]
        actor.revoked = floor = self._assignments.floor
        if actor.owed is not None:
            actor.handle.give.remote(floor, leases, tasks)
            return
        progress_seconds = max(PROGRESS_SECONDS, len(self._actors) / _PROGRESS_MESSAGES)
        self._expect(actor, actor.handle.news.remote(progress_seconds, floor, leases, tasks))

    def _hear(self, actor: _Actor, answer: Future[Any]) -> None:
        assert self._cluster is not None
        ray, actor.owed = self._cluster.ray, None
        try:
            found = answer.result()
        except (ray.exceptions.RayError, OSError) as error:
            self._lose(actor, _reason(error))
            return
        actor.heard = self._clock
        if not actor.checked:
            _check_versions(found)
            actor.checked, found = True, []
        for each in found:
            if isinstance(each, Started):
                actor.slots, self._start_failures = each.slots, 0
            elif isinstance(each, Fault):
                raise each.exception()
            elif isinstance(each, UnderWay):
                self._assignments.note_progress(actor.number, each.networks, each.floor)
            else:
                actor.worked = self._clock
                self._assignments.put(each)

    def _look(self) -> None:
        """Periodically checks for lost workers and free resources."""
        assert self._cluster is not None
        if self._clock - self._looked < _LOOK_SECONDS:
            return
        self._looked = self._clock
        self._cluster.check_head()
        if not self._cluster.answers:
            return
        for actor in list(self._actors.values()):
            if actor.checked and self._clock - actor.heard > self._unheard:
                self._lose(actor, f"it was not heard from for {self._unheard:g} s")
        if any(actor.checked for actor in self._actors.values()):
            self._begun = self._clock
        elif self._clock - self._begun > _ROOM_SECONDS:
            raise WorkerError(
                f"the Ray cluster has had no room for a worker ({self._each} CPU{', 1 GPU' * self._gpu}) for "
                f"{_ROOM_SECONDS:g} s: it has {self._cluster.resources()}"
            )
        self._measure_room()

    def _measure_room(self) -> None:
        assert self._cluster is not None
        has = self._cluster.resources()
        self._room = max(1, int(has.get("GPU", 0.0) if self._gpu else has.get("CPU", 0.0) // self._each))


def _check_versions(theirs: dict[str, str]) -> None:
    ours = versions()
    for name, version in ours.items():
        if theirs.get(name) != version:
            raise InputError(
                f"{name} must be the same on all machines of the Ray cluster, not {version} here and "
                f"{theirs.get(name)} there: install the same"
            )


def _reason(error: Exception) -> str:
    """Describes an error in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
