"""Rows and options of a training run in the form that the kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import networkx as nx
import numpy as np

from evonas.data.prepared import Problem, Split
from evonas.networks.initial import epoch_order
from evonas.networks.schedule import learning_rates
from evonas.training.native.training import Optimization, TrainingRows
from evonas.training.optimizers import constants_of
from evonas.training.rates import decays, has_factors, rate_factor
from evonas.training_tasks import TrainingSettings

__all__ = ["optimization", "rows_of", "smooth_labels"]


def rows_of(split: Split, quantiles: Sequence[float] = ()) -> TrainingRows:
    """A split in the form that the kernels read; for the pinball loss, quantiles are appended to the targets."""

    def table(values: Any) -> Any:
        return np.ascontiguousarray(np.asarray(values, np.float32).reshape(len(values), -1))

    def target(values: Any) -> Any:
        found = table(values)
        shares = np.broadcast_to(np.array(quantiles, np.float32), (len(found), len(quantiles)))
        return np.ascontiguousarray(np.concatenate([found, shares], axis=1)) if quantiles else found

    weight = split.weight_train
    return TrainingRows(
        table(split.x_train),
        target(split.y_train),
        table(split.x_validation),
        target(split.y_validation),
        None if weight is None else np.ascontiguousarray(weight, np.float32),
    )


def smooth_labels(rows: TrainingRows, problem: Problem, graph: nx.DiGraph) -> TrainingRows:
    """The rows of a classifier with label smoothing as in its graph; validation rows are unchanged."""
    share = np.float32(graph.graph["training"].get("label_smoothing", 0.0))
    if not share or problem.task == "regression":
        return rows
    if problem.task == "binary":
        return replace(rows, y=rows.y * (1 - share) + np.float32(0.5) * share)
    known = np.eye(problem.num_outputs, dtype=np.float32)
    y, y_validation = (known[y[:, 0].astype(np.intp)] for y in (rows.y, rows.y_validation))
    return replace(rows, y=y * (1 - share) + share / np.float32(problem.num_outputs), y_validation=y_validation)


def optimization(
    graph: nx.DiGraph, loss: str, settings: TrainingSettings, num_rows: int, horizon: int, seed: int
) -> Optimization:
    """How the network of a graph is trained.

    Args:
        graph: provides the training settings.
        loss: one of `instructions.LOSSES`.
        settings: early stopping.
        num_rows: number of training rows.
        horizon: number of epochs that the schedule spans.
        seed: seed of the data order and dropout.
    """
    how = graph.graph["training"]
    batch = min(int(how["batch_size"]), max(num_rows, 1))
    steps = horizon * -(-num_rows // batch)
    if loss == "multiclass" and how.get("label_smoothing"):
        loss = "categorical"
    return Optimization(
        optimizer=how["optimizer"],
        loss=loss,
        batch_size=batch,
        rates=learning_rates(float(how["learning_rate"]), how["schedule"], float(how["warmup"]), steps),
        order=lambda epoch: epoch_order(seed, epoch, num_rows),
        weight_decay=decays(how, steps),
        seed=seed,
        patience=settings.patience,
        min_delta=settings.min_delta,
        constants=constants_of(how),
        factor=partial(rate_factor, how) if has_factors(how) else None,
    )
