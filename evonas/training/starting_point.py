"""Where a member's training starts: from its seed, from what another network has learned, or where one has stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.evaluation import Snapshot, Weights
from evonas.networks.inheritance import inherit_weights
from evonas.networks.partial_inheritance import is_plain
from evonas.networks.transfer import of_features
from evonas.seeds import RandomStream, stream_rng
from evonas.training_tasks import TrainingTask
from genomes.architecture.graph import graph_from_json, views_of
from genomes.errors import InputError

__all__ = ["start_of"]

#: Rows that inherited weights are fitted on.
_ROWS = 256

Initial = Callable[[], dict[str, NDArray[Any]]]


def start_of(
    task: TrainingTask, graph: nx.DiGraph, number: int, initial: Initial, rows: NDArray[Any], problem: Problem
) -> tuple[Initial, Snapshot | None]:
    """What gives a member's initial weights, and the training that it continues with, if any.

    Args:
        task: whose.
        graph: the task's architecture.
        number: of the fold and replicate.
        initial: gives the weights of the seed.
        rows: features of the fold's training rows that the network sees, shape `(num_rows, num_features)`.
        problem: what is predicted, with all features.

    Raises:
        InputError: it is to continue with a network of other layers.
    """
    if not task.start:
        return initial, None
    snapshot = task.start[number]
    if task.inherit:
        parent = graph if task.origin is None else problem.attach_columns(graph_from_json(task.origin))

        def weights() -> dict[str, NDArray[Any]]:
            some = rows[:: max(1, len(rows) // _ROWS)][:_ROWS]
            rng = stream_rng(RandomStream.INHERITANCE, task.seed, number)
            theirs, ours = (problem.for_views(*views_of(each)).feature_names for each in (parent, graph))
            trained, same = snapshot.best, theirs == ours
            if not same and is_plain(parent) and is_plain(graph):
                trained, same = of_features(trained, parent, theirs, ours), True
            return inherit_weights(parent, trained, graph, initial(), some, rng, same)[0]

        return weights, None
    if task.origin is None:
        return initial, snapshot
    wanted, there = ({name: value.shape for name, value in w.items()} for w in (initial(), snapshot.weights))
    if wanted != there:
        raise InputError(
            "a training can continue only with the layers that it began with, but the candidate's are others: let it "
            "inherit the weights"
        )
    return initial, _with_other_settings(snapshot, task.origin["training"], task.architecture["training"])


def _with_other_settings(snapshot: Snapshot, before: Any, after: Any) -> Snapshot:
    """The training with its patience reset, and, for another optimizer, its moments."""
    if before["optimizer"] != after["optimizer"]:
        snapshot = replace(snapshot, first=_zeros(snapshot.first), second=_zeros(snapshot.second))
    return replace(snapshot, waited=0)


def _zeros(weights: Weights) -> Weights:
    return {name: np.zeros_like(value) for name, value in weights.items()}
