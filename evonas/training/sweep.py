"""The learning-rate range test in the worker process: a few hundred steps of one network, each at the next rate.

The native trainer takes the steps; with `trainer="single"`, Keras does (`keras_steps.py`).
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData
from evonas.networks.initial import epoch_order
from evonas.networks.neighbours import check_supported
from evonas.rate_sweep import EXPLODED, LearningRateCurve, SweepTask
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import finds_neighbours, graph_from_json, views_of

__all__ = ["Steps", "batches", "sweep"]

#: Weight of the previous value in the smoothed loss, which only decides where a test ends.
_MEMORY = 0.9


class Steps(Protocol):
    """A function that trains a network, one step per rate."""

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
            graph: the network; its own learning rate, schedule and warm-up are ignored.
            data: the data as the network sees them.
            settings: settings with the loss.
            seed: seed of weights and dropout.
            rates: learning rate of each step, shape `(num_steps,)`.
            rows: training rows of each step's batch, shape `(num_steps, batch_size)`.

        Returns:
            Loss of each step's batch before the step, penalties included, shape `(num_steps,)`; fewer values, or
            non-finite ones, if training cannot continue.
        """
        ...


def sweep(task: SweepTask, data: PreparedData, settings: TrainingSettings) -> LearningRateCurve:
    """Trains the network on the first split once from each seed, one step per rate.

    It ends when the first of the seeds' losses explodes.
    """
    graph, steps = data.problem.attach_columns(graph_from_json(task.architecture)), _steps_of(settings)
    data = data.for_views(*views_of(graph))
    if finds_neighbours(graph):
        check_supported(data.problem, data.splits[0].weight_train)
    size = int(graph.graph["training"]["batch_size"])
    curves = []
    for seed in task.seeds:
        rows = batches(seed, len(data.splits[0].x_train), size, len(task.rates))
        curves.append(_until_explosion(steps(graph, data, settings, seed, task.rates, rows)))
    shared = min(len(losses) for losses in curves)
    mean = np.mean([losses[:shared] for losses in curves], axis=0)
    return LearningRateCurve(task.rates[:shared], tuple(float(loss) for loss in mean))


def batches(seed: int, num_rows: int, size: int, steps: int) -> NDArray[np.int32]:
    """Rows of each step, shape `(steps, min(size, num_rows))`; each pass over the rows has a separate random order.

    An incomplete last batch of a pass is left out.
    """
    size = min(size, num_rows)
    a_pass = num_rows // size
    orders = (epoch_order(seed, epoch, num_rows)[: a_pass * size] for epoch in range(-(-steps // a_pass)))
    return np.concatenate([order.reshape(a_pass, size) for order in orders])[:steps]


def _until_explosion(losses: NDArray[Any]) -> list[float]:
    """The losses up to where one exceeds a multiple of the lowest, or is not finite."""
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
