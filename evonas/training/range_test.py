"""The learning-rate range test in the worker process, with Keras as it comes.

A few hundred steps take less time than the population trainer needs to compile a program, and a Keras model may be any.
"""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData, Split
from evonas.learning_rate import EXPLODED, LearningRateCurve, SweepTask
from evonas.training.initial import epoch_order
from evonas.training.single import prepare_model
from evonas.training.trainer import TrainingSettings
from genomes.architecture import graph_from_json, numbers_of

__all__ = ["sweep"]


def sweep(task: SweepTask, data: PreparedData, settings: TrainingSettings) -> LearningRateCurve:
    """Trains the network on the first split once from each seed, each step at the next rate.

    It ends where the first of the seeds' losses explodes.
    """
    curves = [_losses(task, data, settings, seed) for seed in task.seeds]
    shared = min(len(losses) for losses in curves)
    mean = np.mean([losses[:shared] for losses in curves], axis=0)
    return LearningRateCurve(task.rates[:shared], tuple(float(loss) for loss in mean))


def _losses(task: SweepTask, data: PreparedData, settings: TrainingSettings, seed: int) -> list[float]:
    graph = graph_from_json(task.architecture)
    data = data.seen(numbers_of(graph))
    split = data.splits[0]
    graph.graph["training"] |= {"schedule": "constant", "warmup": 0.0}
    size = min(int(graph.graph["training"]["batch_size"]), len(split.x_train))
    # As for an epoch of one batch: one step a call.
    model = prepare_model(graph, data.problem, settings, seed, size, 1)
    batches = _Batches(split, size, seed)
    losses: list[float] = []
    lowest, recent = math.inf, None
    for rate in task.rates:
        model.optimizer.learning_rate = rate
        model.reset_metrics()
        loss = float(model.train_on_batch(*next(batches)))
        if not math.isfinite(loss):
            break
        losses.append(loss)
        recent = loss if recent is None else 0.9 * recent + 0.1 * loss
        lowest = min(lowest, recent)
        if recent > EXPLODED * lowest:
            break
    keras.utils.clear_session()
    return losses


class _Batches:
    """Batches of a split without end, each pass in an order of its own; a short rest of a pass is left out."""

    def __init__(self, split: Split, size: int, seed: int) -> None:
        self._split, self._size, self._seed = split, size, seed
        self._passes = count()
        self._order: NDArray[Any] = np.empty(0, np.int32)

    def __next__(self) -> tuple[NDArray[Any], ...]:
        split = self._split
        if len(self._order) < self._size:
            self._order = epoch_order(self._seed, next(self._passes), len(split.x_train))
        rows, self._order = self._order[: self._size], self._order[self._size :]
        weight = () if split.weight_train is None else (split.weight_train[rows],)
        return (split.x_train[rows], split.y_train[rows], *weight)
