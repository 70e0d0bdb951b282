"""`ProcessFleet`: worker processes on this machine, each driven by a thread. Imports no Keras."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evonas.execution.assignments import Assignments, Fault, Lease, Outcome
from evonas.execution.worker_loop import drive

if TYPE_CHECKING:
    from evonas.evaluation import InTraining
    from evonas.execution.evaluator import WorkerEvaluator

__all__ = ["ProcessFleet"]

#: How long an idle worker waits for work before it checks whether to end; and how long it waits, after delivering a
#: result, for the driver to process it.
_IDLE_SECONDS, _LOOKED_SECONDS = 0.5, 0.5
#: Seconds for threads to end before their processes are killed.
_CLOSE_SECONDS = 3.0


class ProcessFleet:
    """Implements `Fleet`."""

    def __init__(
        self, make: Callable[[int], WorkerEvaluator], workers: int, assignments: Assignments, grouped: bool = False
    ) -> None:
        """Starts nothing yet.

        Args:
            make: creates the worker with a given number.
            workers: number of workers.
            assignments: source of their leases.
            grouped: as in `PoolEvaluator`.
        """
        self._make, self._count, self._assignments, self._grouped = make, workers, assignments, grouped
        self._ports: list[_ThreadPort] = []
        self._threads: list[threading.Thread] = []
        self._evaluators: list[WorkerEvaluator] = []

    @property
    def slots(self) -> int:
        """See `Fleet.slots`."""
        return max(1, sum(port.slots for port in self._ports))

    @property
    def pids(self) -> list[int | None]:
        """Process ids; None for one that is being replaced."""
        return [evaluator.pid for evaluator in self._evaluators]

    def start(self) -> None:
        """See `Fleet.start`."""
        if self._threads:
            return
        self._evaluators = [self._make(number) for number in range(self._count)]
        for evaluator in self._evaluators:
            evaluator.start()
        self._ports = [_ThreadPort(self._assignments, number, self._count) for number in range(self._count)]
        for evaluator, port in zip(self._evaluators, self._ports, strict=True):
            thread = threading.Thread(
                target=drive, args=(evaluator, port, self._grouped), name=f"evonas-worker-{port.number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def wait(self, seconds: float) -> None:
        """See `Fleet.wait`."""
        changed = self._assignments.changed
        with changed:
            changed.wait_for(lambda: self._assignments.has_news or any(port.fault for port in self._ports), seconds)
        for port in self._ports:
            if port.fault is not None:
                raise port.fault.exception()

    def close(self) -> None:
        """See `Fleet.close`."""
        with self._assignments.changed:
            for port in self._ports:
                port.closed = True
            self._assignments.changed.notify_all()
        until = time.monotonic() + _CLOSE_SECONDS
        for thread, evaluator in zip(self._threads, self._evaluators, strict=True):
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                evaluator.kill()
        self._threads, self._ports, self._evaluators = [], [], []


class _ThreadPort:
    """Implements `Port` on the driver's assignments."""

    def __init__(self, assignments: Assignments, number: int, workers: int) -> None:
        self._assignments, self.number, self._workers = assignments, number, workers
        self.closed, self.slots, self._looks = False, 0, -1
        self.fault: Fault | None = None

    def ready(self, slots: int) -> None:
        with self._assignments.changed:
            self.slots = slots
            self._assignments.changed.notify_all()

    def failed(self, fault: Fault) -> None:
        with self._assignments.changed:
            self.slots, self.fault = 0, fault
            self._assignments.changed.notify_all()

    def take(self, room: int, idle: bool) -> Sequence[Lease]:
        found: list[Lease] = []

        def take_or_closed() -> bool:
            spare = self._assignments.spare(self._workers * max(1, self.slots))
            found.extend(self._assignments.take(self.number, room + spare, self._workers))
            return bool(found) or not room or self.closed or not (idle or self._assignments.looks == self._looks)

        with self._assignments.changed:
            self._assignments.changed.wait_for(take_or_closed, _IDLE_SECONDS if idle else _LOOKED_SECONDS)
        return found

    def put(self, outcome: Outcome) -> None:
        with self._assignments.changed:
            self._looks = self._assignments.looks
            self._assignments.put(outcome)

    def note_progress(self, found: Sequence[InTraining]) -> None:
        self._assignments.note_progress(self.number, found)

    def is_valid(self, token: int) -> bool:
        return self._assignments.is_valid(token)
