"""Steps of a range test with Keras itself: the reference."""

from __future__ import annotations

import math

import keras
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData
from evonas.training.single.graph_model import of_members, prepare_model
from evonas.training_tasks import TrainingSettings

__all__ = ["losses_at_rates"]


def losses_at_rates(
    graph: nx.DiGraph,
    data: PreparedData,
    settings: TrainingSettings,
    seed: int,
    rates: tuple[float, ...],
    rows: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Implements `evonas.training.sweep.Steps`; ends when a loss is not finite."""
    split, graph = data.splits[0], graph.copy()
    graph.graph["training"] = {**graph.graph["training"], "schedule": "constant", "warmup": 0.0}
    for name in ("label_smoothing", "mixup"):
        graph.graph["training"].pop(name, None)
    # As for an epoch of one batch: one step per call.
    model = prepare_model(graph, data.problem, settings, seed, rows.shape[1], 1)
    losses: list[float] = []
    y = of_members(split.y_train, model)
    for rate, chosen in zip(rates, rows, strict=True):
        model.optimizer.learning_rate = rate
        model.reset_metrics()
        weight = () if split.weight_train is None else (of_members(split.weight_train[chosen], model),)
        losses.append(float(model.train_on_batch(split.x_train[chosen], y[chosen], *weight)))
        if not math.isfinite(losses[-1]):
            break
    keras.utils.clear_session()
    return np.array(losses)
