"""A network trained again on all rows that are not test rows, after folds have said for how many epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from evonas.data.prepared import Split
from evonas.evaluation import Evaluation, Status, Weights
from evonas.tasks.train import TrainingTask
from evonas.training.single.fitting import Fitting

__all__ = ["refitted"]


def refitted(
    task: TrainingTask,
    found: Evaluation,
    split: Split,
    fitting_on: Callable[[TrainingTask, Split], Fitting],
) -> Generator[dict[int, Any], None, Weights | None]:
    """The weights after the median of the folds' best epochs, from the task's seed; an empty part after each epoch.

    None where the training diverges: the folds' networks are then all there is.

    Args:
        task: whose network it is.
        found: of all folds.
        split: whose training rows are all rows.
        fitting_on: makes the task's network ready for a split.
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
