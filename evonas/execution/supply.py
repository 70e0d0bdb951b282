"""`Supply`: a queue of tasks from the driver, from which a trainer takes. Used in the worker; imports no Keras."""

from __future__ import annotations

import queue
from collections import deque

from evonas.execution.messages import Give
from evonas.tasks.train import TrainingTask

__all__ = ["Supply"]

#: How long is waited for the driver, at most, before the trainer has its turn again.
_PATIENCE_SECONDS = 0.5


class Supply:
    """Called by the trainer for its next task; filled by the thread that listens to the driver."""

    def __init__(self) -> None:
        """Nothing was given, and nothing is owed."""
        self._queue: queue.SimpleQueue[Give | None] = queue.SimpleQueue()
        self._tasks: deque[tuple[int, TrainingTask]] = deque()
        #: In training; and answers that the driver owes.
        self._taken = self._owed = 0

    def put(self, given: Give | None) -> None:
        """What the driver has sent; None has whoever waits look whether the request was cancelled."""
        self._queue.put(given)

    def note_returned(self, count: int) -> None:
        """This many results were sent, in one message."""
        self._taken -= count
        self._owed += 1

    def __call__(self) -> tuple[int, TrainingTask] | None:
        """The next task and its number; None while there is none.

        Waits for the driver where it owes an answer, since it is about to give something, and where nothing is in
        training, since there is nothing else to do.
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
