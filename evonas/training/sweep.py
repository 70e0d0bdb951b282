"""The learning-rate range test in the worker process: a few hundred steps of one network, each at the next rate.

What takes the steps is the native trainer; with `trainer="single"`, Keras itself (`keras_steps.py`).
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData
from evonas.networks.initial import epoch_order
from evonas.rate_sweep import EXPLODED, LearningRateCurve, SweepTask
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import graph_from_json, views_of

__all__ = ["Steps", "batches", "sweep"]

#: Share of the smoothed loss that a step leaves; what is smoothed only decides where a test ends.
_MEMORY = 0.9


class Steps(Protocol):
    """What trains a network for as many steps as there are rates."""

    def __call__(
        self,
        graph: nx.DiGraph,
        data: PreparedData,
        settings: TrainingSettings,
        seed: int,
        rates: tuple[float, ...],
        rows: NDArray[np.int32],
    ) -> NDArray[np.float64]:
        """Trains on the first split, from the seed's initial weights.

        Args:
            graph: the network; its learning rate, schedule and warm-up play no part.
            data: as the network sees them.
            settings: which loss.
            seed: of weights and dropout.
            rates: of the optimizer in each step, shape `(num_steps,)`.
            rows: training rows of each step's batch, shape `(num_steps, batch_size)`.

        Returns:
            loss of each step's batch before the step, penalties included, shape `(num_steps,)`; fewer, or values that
            are not finite, where training cannot continue.
        """
        ...


def sweep(task: SweepTask, data: PreparedData, settings: TrainingSettings) -> LearningRateCurve:
    """Trains the network on the first split once from each seed, each step at the next rate.

    It ends where the first of the seeds' losses explodes.
    """
    graph, steps = data.problem.attach_columns(graph_from_json(task.architecture)), _steps_of(settings)
    data = data.for_views(*views_of(graph))
    size = int(graph.graph["training"]["batch_size"])
    curves = []
    for seed in task.seeds:
        rows = batches(seed, len(data.splits[0].x_train), size, len(task.rates))
        curves.append(_until_explosion(steps(graph, data, settings, seed, task.rates, rows)))
    shared = min(len(losses) for losses in curves)
    mean = np.mean([losses[:shared] for losses in curves], axis=0)
    return LearningRateCurve(task.rates[:shared], tuple(float(loss) for loss in mean))


def batches(seed: int, num_rows: int, size: int, steps: int) -> NDArray[np.int32]:
    """Rows of each step, shape `(steps, min(size, num_rows))`; each pass over the rows is in an order of its own.

    A short rest of a pass is left out.
    """
    size = min(size, num_rows)
    a_pass = num_rows // size
    orders = (epoch_order(seed, epoch, num_rows)[: a_pass * size] for epoch in range(-(-steps // a_pass)))
    return np.concatenate([order.reshape(a_pass, size) for order in orders])[:steps]


def _until_explosion(losses: NDArray[Any]) -> list[float]:
    """The losses up to where they are a multiple of their lowest, or not finite."""
    kept: list[float] = []
    lowest, recent = math.inf, None
    for loss in map(float, losses):
        if not math.isfinite(loss):
            break
        kept.append(loss)
        recent = loss if recent is None else _MEMORY * recent + (1.0 - _MEMORY) * loss
        lowest = min(lowest, recent)
        if recent > EXPLODED * lowest:
            break
    return kept


def _steps_of(settings: TrainingSettings) -> Steps:
    if settings.trainer == "single":
        from evonas.training.single.keras_steps import losses_at_rates as by_keras

        return by_keras
    from evonas.training.native.sweep import losses_at_rates

    return losses_at_rates
