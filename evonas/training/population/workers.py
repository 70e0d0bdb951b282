"""Scheduling of members: a queue for each program, and one thread that runs the programs.

The most expensive program comes first. A member's result does not depend on its slot or on other members. The thread
allows waiting callers to be notified of progress while a program runs.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evonas.evaluation import Snapshot
from evonas.training.population.layout import PopulationMember
from evonas.training.population.planner import Planner, ProgramRun, Workload
from evonas.training.population.shape import ProgramShape
from evonas.training.population.slots import SlotState, Stopping, run_slots

__all__ = ["Queues", "run_parts"]

#: Interval between progress notifications to waiting callers.
_HEADWAY_SECONDS = 5.0

#: Position of a member, its result (a text if it failed), its share of the seconds, and when it began.
Result = tuple[int, Snapshot | str, float, float]


class Queues:
    """Waiting members, by program."""

    def __init__(self, parts: Sequence[ProgramRun]) -> None:
        """Queues the members of the parts, in their order."""
        self._waiting: dict[ProgramShape, deque[int]] = {}
        self._seconds: dict[ProgramShape, float] = {}
        for part in parts:
            self.put(part.shape, part.members, part.seconds / max(len(part.members), 1))

    def put(self, shape: ProgramShape, members: Sequence[int], seconds: float = 0.0) -> None:
        """Adds members to the queue of a program; `seconds` is the estimated time for one of them."""
        self._waiting.setdefault(shape, deque()).extend(members)
        self._seconds[shape] = max(seconds, self._seconds.get(shape, 0.0))

    def next(self) -> ProgramShape | None:
        """The program with the most waiting work; None if there is none."""
        left = [shape for shape, members in self._waiting.items() if members]
        return max(left, key=lambda shape: len(self._waiting[shape]) * self._seconds[shape], default=None)

    def take(self, shape: ProgramShape, count: int) -> list[int]:
        """The next members of a program, at most `count`."""
        waiting = self._waiting[shape]
        return [waiting.popleft() for _ in range(min(count, len(waiting)))]


def run_parts(
    parts: Sequence[ProgramRun],
    members: Sequence[PopulationMember],
    *,
    programs: Callable[[ProgramShape], Callable[..., Any]],
    planner: Planner,
    workload: Workload,
    stopping: Stopping,
    data: Mapping[str, dict[str, Any]],
    is_out_of_memory: Callable[[BaseException], bool],
    seated: Callable[[Sequence[SlotState]], None] = lambda states: None,
) -> Iterator[Result | None]:
    """Trains the members of all parts; yields each as it ends, and None at intervals while there is progress.

    If memory runs out, the program's slots are halved and its members are trained again. `data` are rows by view;
    `seated` is called with the members in training, from the training thread.
    """
    training = _Training(
        queues=Queues(parts),
        members=members,
        programs=programs,
        planner=planner,
        workload=workload,
        stopping=stopping,
        data=data,
        is_out_of_memory=is_out_of_memory,
        seated=seated,
    )
    left = sum(len(part.members) for part in parts)
    worker = threading.Thread(target=training.run, daemon=True)
    worker.start()
    try:
        while left:
            try:
                result = training.finished.get(timeout=_HEADWAY_SECONDS)
            except queue.Empty:
                if training.headway.is_set():
                    training.headway.clear()
                    yield None
                continue
            if isinstance(result, BaseException):
                raise result
            left -= 1
            yield result
    finally:
        training.stop.set()
        worker.join()


@dataclass(frozen=True, eq=False, kw_only=True)
class _Training:
    """The body of the training thread; the arguments are those of `run_parts`.

    Attributes:
        finished: results of members as they end, or the error that ends the thread.
        stop: set to end the thread early.
        headway: set while a program runs.
    """

    queues: Queues
    members: Sequence[PopulationMember]
    programs: Callable[[ProgramShape], Callable[..., Any]]
    planner: Planner
    workload: Workload
    stopping: Stopping
    data: Mapping[str, dict[str, Any]]
    is_out_of_memory: Callable[[BaseException], bool]
    seated: Callable[[Sequence[SlotState]], None]
    finished: queue.SimpleQueue[Result | BaseException] = field(default_factory=queue.SimpleQueue)
    stop: threading.Event = field(default_factory=threading.Event)
    headway: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Runs programs until no member waits; an error is passed on as a result."""
        try:
            while not self.stop.is_set() and (shape := self.queues.next()) is not None:
                self._train(shape)
        except BaseException as error:
            self.finished.put(error)

    def _train(self, shape: ProgramShape) -> None:
        """Trains the waiting members of a program; those that were in training when memory ran out wait again."""
        occupied: set[int] = set()

        def take(count: int) -> list[tuple[int, PopulationMember]]:
            taken = self.queues.take(shape, count)
            occupied.update(taken)
            return [(k, self.members[k]) for k in taken]

        rows, device = self.data[shape.view], self.planner.device
        try:
            for ended in run_slots(
                self.programs, shape, take, rows, self.stopping, device, self._is_cancelled, self.seated
            ):
                occupied.difference_update(ended)
                for k, outcome in ended.items():
                    self.finished.put((k, *outcome))
        except Exception as error:
            if not self.is_out_of_memory(error):
                raise
            self._retry(shape, sorted(occupied))

    def _is_cancelled(self) -> bool:
        self.headway.set()
        return self.stop.is_set()

    def _retry(self, shape: ProgramShape, occupied: list[int]) -> None:
        if shape.slots > 1:
            waiting = self.queues.take(shape, len(self.members))
            self.queues.put(replace(shape, slots=shape.slots // 2), [*occupied, *waiting])
            return
        # The last attempt trains each network in a separate program.
        for k in occupied:
            network = self.members[k].network
            need = self.planner.need(network, self.workload)
            if need == shape:
                units = sum(network.widths)
                reason = f"out of memory with {units} hidden units at batch size {network.batch_size}"
                self.finished.put((k, reason, 0.0, time.time()))
            else:
                self.queues.put(need, [k])
