"""Scheduling of members: a queue for each program, and one thread that runs the programs.

The costliest program comes first. A member's result does not depend on its slot or on other members. The thread allows
waiting callers to be notified of progress while a program runs.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
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
    queues = Queues(parts)
    finished: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
    stop, headway = threading.Event(), threading.Event()

    def cancelled() -> bool:
        headway.set()
        return stop.is_set()

    def work_at(shape: ProgramShape) -> None:
        occupied: set[int] = set()

        def take(count: int) -> list[tuple[int, PopulationMember]]:
            taken = queues.take(shape, count)
            occupied.update(taken)
            return [(k, members[k]) for k in taken]

        try:
            for ended in run_slots(
                programs, shape, take, data[shape.view], stopping, planner.device, cancelled, seated
            ):
                occupied.difference_update(ended)
                for k, outcome in ended.items():
                    finished.put((k, *outcome))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            retry(shape, sorted(occupied))

    def retry(shape: ProgramShape, occupied: list[int]) -> None:
        if shape.slots > 1:
            queues.put(replace(shape, slots=shape.slots // 2), [*occupied, *queues.take(shape, len(members))])
            return
        # The last attempt trains each network in a program of its own.
        for k in occupied:
            network = members[k].network
            need = planner.need(network, workload)
            if need == shape:
                units = sum(network.widths)
                reason = f"out of memory with {units} hidden units at batch size {network.batch_size}"
                finished.put((k, reason, 0.0, time.time()))
            else:
                queues.put(need, [k])

    def work() -> None:
        try:
            while not stop.is_set() and (shape := queues.next()) is not None:
                work_at(shape)
        except BaseException as error:
            finished.put(error)

    left = sum(len(part.members) for part in parts)
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        while left:
            try:
                result = finished.get(timeout=_HEADWAY_SECONDS)
            except queue.Empty:
                if headway.is_set():
                    headway.clear()
                    yield None
                continue
            if isinstance(result, BaseException):
                raise result
            left -= 1
            yield result
    finally:
        stop.set()
        worker.join()
