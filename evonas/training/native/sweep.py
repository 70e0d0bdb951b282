"""Steps of a learning-rate range test by the compiled function."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData
from evonas.networks.initial import initial_weights
from evonas.training.native.lowering import lower
from evonas.training.native.neighbour_arrays import references_of
from evonas.training.native.training import NetworkTraining, Optimization, TrainingRows
from evonas.training.optimizers import constants_of
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import finds_neighbours

__all__ = ["losses_at_rates"]


def losses_at_rates(
    graph: nx.DiGraph,
    data: PreparedData,
    settings: TrainingSettings,
    seed: int,
    rates: tuple[float, ...],
    rows: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Implements `evonas.training.sweep.Steps`: one epoch over the rows in the order of the steps."""
    problem, split, how = data.problem, data.splits[0], graph.graph["training"]
    chosen, size = rows.reshape(-1), rows.shape[1]

    def table(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.asarray(values, np.float32).reshape(len(values), -1))

    x, y = table(split.x_train[chosen]), table(split.y_train[chosen])
    weight = None if split.weight_train is None else np.ascontiguousarray(split.weight_train[chosen], np.float32)
    training = NetworkTraining(
        lower(graph, problem.num_features, problem.num_outputs, size),
        TrainingRows(x, y, x[:0], y[:0], weight),
        Optimization(
            optimizer=how["optimizer"],
            loss=settings.loss_of(problem.task, problem.quantiles),
            batch_size=size,
            rates=np.array(rates, np.float32),
            order=lambda epoch: np.arange(len(chosen), dtype=np.int32),
            weight_decay=float(how["weight_decay"]),
            seed=seed,
            constants=constants_of(how),
        ),
        initial_weights(graph, problem.num_features, problem.num_outputs, seed),
        references=references_of(y, problem, seed) if finds_neighbours(graph) else None,
    )
    return training.step_losses(len(rates))
