"""A worker for `cluster.py` whose trainer sleeps one second per epoch of a network."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evonas.evaluation import Evaluation, Status
from evonas.execution import worker


class SleepingTrainer:
    """Implements `Trainer`."""

    def __init__(self, data: Any, settings: Any) -> None:
        """Ignores its arguments."""

    def state(self) -> None:
        """Nothing to save."""

    def restore(self, state: Any) -> None:
        """Nothing to restore."""

    def train(self, tasks: Sequence[Any], done: frozenset[int] = frozenset()) -> Iterator[Mapping[int, Evaluation]]:
        """Sleeps for each task."""
        for position, task in enumerate(tasks):
            if position not in done:
                time.sleep(task.epochs)
                yield {position: Evaluation(Status.OK, {"rmse": float(task.seed % 1000)}, train_seconds=task.epochs)}


if __name__ == "__main__":
    worker.serve(int(sys.argv[-2]), int(sys.argv[-1]), SleepingTrainer)
