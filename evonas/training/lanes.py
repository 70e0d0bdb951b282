"""Who trains what next: members wait in a queue for each program, and lanes (threads) work through the queues.

A free lane goes to a program that no other lane works at, so that one compiles while another trains; when all are
taken it helps where most work waits. Which lane and slot a member gets, and beside whom, changes no bit of its result.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evonas.snapshot import Snapshot
from evonas.training.group import Stopping, run_table
from evonas.training.members import Member
from evonas.training.packing import Part, Planner, Workload
from evonas.training.shape import ProgramShape

__all__ = ["Queues", "run_parts"]

#: How often those who wait are told that the lanes make headway.
_HEADWAY_SECONDS = 5.0

#: Position of a member, what came of it (a text where there is nothing), and its share of the seconds.
Result = tuple[int, Snapshot | str, float]


class Queues:
    """Members that wait, by program, and how many lanes work at each. Safe to share between threads."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Queues the members of the parts, in their order."""
        self._lock = threading.Lock()
        self._waiting: dict[ProgramShape, deque[int]] = {}
        self._seconds: dict[ProgramShape, float] = {}
        self._lanes: Counter[ProgramShape] = Counter()
        for part in parts:
            self.put(part.shape, part.members, part.seconds / max(len(part.members), 1))

    def put(self, shape: ProgramShape, members: Sequence[int], seconds: float = 0.0) -> None:
        """Lets members wait for a program; `seconds` is what one of them is estimated to take."""
        with self._lock:
            self._waiting.setdefault(shape, deque()).extend(members)
            self._seconds[shape] = max(seconds, self._seconds.get(shape, 0.0))

    def enter(self) -> ProgramShape | None:
        """The program that a free lane is to work at: the costliest where nobody works, or where most work waits."""
        with self._lock:
            open_ones = [shape for shape, members in self._waiting.items() if members]
            if not open_ones:
                return None

            def urgency(shape: ProgramShape) -> tuple[bool, float]:
                lanes = self._lanes[shape]
                return not lanes, len(self._waiting[shape]) * self._seconds[shape] / (lanes + 1)

            shape = max(open_ones, key=urgency)
            self._lanes[shape] += 1
            return shape

    def leave(self, shape: ProgramShape) -> None:
        """A lane has ended its work at a program."""
        with self._lock:
            self._lanes[shape] -= 1

    def take(self, shape: ProgramShape, count: int) -> list[int]:
        """The next members of a program, at most `count`."""
        with self._lock:
            waiting = self._waiting[shape]
            return [waiting.popleft() for _ in range(min(count, len(waiting)))]


def run_parts(
    parts: Sequence[Part],
    members: Sequence[Member],
    *,
    programs: Callable[[ProgramShape], Callable[..., Any]],
    planner: Planner,
    workload: Workload,
    stopping: Stopping,
    data: Mapping[str, dict[str, Any]],
    is_out_of_memory: Callable[[BaseException], bool],
) -> Iterator[Result | None]:
    """Trains the members of all parts; yields each as it ends, and None now and then while the lanes make headway.

    Where memory runs out, the program's slots are halved and what it held is trained again. `data` are rows by view.
    """
    queues = Queues(parts)
    finished: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
    stop, headway = threading.Event(), threading.Event()

    def cancelled() -> bool:
        headway.set()
        return stop.is_set()

    def work_at(shape: ProgramShape) -> None:
        seated: set[int] = set()

        def take(count: int) -> list[tuple[int, Member]]:
            taken = queues.take(shape, count)
            seated.update(taken)
            return [(k, members[k]) for k in taken]

        try:
            for ended in run_table(programs, shape, take, data[shape.view], stopping, planner.device, cancelled):
                seated.difference_update(ended)
                for k, (snapshot, seconds) in ended.items():
                    finished.put((k, snapshot, seconds))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            retry(shape, sorted(seated))

    def retry(shape: ProgramShape, seated: list[int]) -> None:
        if shape.slots > 1:
            queues.put(replace(shape, slots=shape.slots // 2), [*seated, *queues.take(shape, len(members))])
            return
        # The last try is each network in a program that fits it alone.
        for k in seated:
            network = members[k].network
            need = planner.need(network, workload)
            if need == shape:
                units = sum(network.widths)
                reason = f"out of memory with {units} hidden units at batch size {network.batch_size}"
                finished.put((k, reason, 0.0))
            else:
                queues.put(need, [k])

    def lane() -> None:
        try:
            while not stop.is_set() and (shape := queues.enter()) is not None:
                try:
                    work_at(shape)
                finally:
                    queues.leave(shape)
        except BaseException as error:
            finished.put(error)

    left = sum(len(part.members) for part in parts)
    lanes = [threading.Thread(target=lane, daemon=True) for _ in range(min(planner.device.lanes, left))]
    for each in lanes:
        each.start()
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
        for each in lanes:
            each.join()
