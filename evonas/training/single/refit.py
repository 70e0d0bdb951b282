"""Training of a network on all rows except test rows, for the number of epochs found in the folds."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from evonas.data.prepared import Split
from evonas.evaluation import Evaluation, Status, Weights
from evonas.training.single.fitting import Fitting
from evonas.training_tasks import TrainingTask

__all__ = ["refitted"]


def refitted(
    task: TrainingTask,
    found: Evaluation,
    split: Split,
    fitting_on: Callable[[TrainingTask, Split], Fitting],
) -> Generator[dict[int, Any], None, Weights | None]:
    """Trains for the median of the folds' best epochs, from the task's seed; yields an empty part after each epoch.

    The weights are None if the training diverges; then only the folds' networks remain.

    Args:
        task: the network's task.
        found: evaluations of all folds.
        split: whose training rows are all rows except test rows.
        fitting_on: prepares the task's network for a split.
    """
    if found.status is not Status.OK:
        return None
    alone = replace(task, start=(), origin=None, inherit=False, epochs=max(1, found.best_epoch))
    fitting = fitting_on(replace(alone, horizon=task.horizon or task.epochs), split)
    fitting.prepare()
    for epoch in range(fitting.epochs):
        if not math.isfinite(fitting.fit(epoch)):
            return None
        yield {}
    return fitting.weights()
