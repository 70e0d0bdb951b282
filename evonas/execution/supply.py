"""`Supply`: a queue of tasks from the driver to a trainer. Used in the worker; imports no Keras."""

from __future__ import annotations

import queue
from collections import deque

from evonas.execution.messages import Give
from evonas.training_tasks import TrainingTask

__all__ = ["Supply"]

#: Maximum wait for the driver before control returns to the trainer, in seconds.
_PATIENCE_SECONDS = 0.5


class Supply:
    """Called by the trainer for its next task; filled by the thread that listens to the driver."""

    def __init__(self) -> None:
        """Starts empty."""
        self._queue: queue.SimpleQueue[Give | None] = queue.SimpleQueue()
        self._tasks: deque[tuple[int, TrainingTask]] = deque()
        #: Number of tasks in training, and of answers expected from the driver.
        self._taken = self._owed = 0

    def put(self, given: Give | None) -> None:
        """Adds a message of the driver; None wakes a waiting trainer, so that it notices a cancellation."""
        self._queue.put(given)

    def note_returned(self, count: int) -> None:
        """Records that this many results were sent in one message."""
        self._taken -= count
        self._owed += 1

    def __call__(self) -> tuple[int, TrainingTask] | None:
        """Returns the next task and its number; None if there is none yet.

        Waits for the driver if an answer is expected, since tasks may follow, and if nothing is in training, since
        there is nothing else to do.
        """
        if not self._tasks:
            self._receive()
        if not self._tasks:
            return None
        self._taken += 1
        return self._tasks.popleft()

    def _receive(self) -> None:
        try:
            waits = self._owed > 0 or self._taken == 0
            given = self._queue.get(waits, _PATIENCE_SECONDS) if waits else self._queue.get_nowait()
        except queue.Empty:
            return
        if given is not None:
            self._owed = max(0, self._owed - 1)
            self._tasks.extend(given.tasks)
