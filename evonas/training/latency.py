"""Latency of networks for a single row, as a limit and as the objective `latency_ms`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import networkx as nx
import numpy as np

from evonas.data.prepared import PreparedData
from evonas.evaluation import Evaluation, InTraining, Status
from evonas.networks.cost import over_limit
from evonas.networks.forward import predictor
from evonas.networks.initial import initial_weights
from evonas.networks.neighbours import blank_references
from evonas.training_tasks import Trainer, TrainingSettings, TrainingTask, in_training_of
from genomes.architecture.graph import finds_neighbours, graph_from_json, views_of
from genomes.architecture.layers import row_of

__all__ = ["LatencyTrainer", "clock_of", "measure_latency", "measure_native_latency"]

_WARM_UP, _REPEATS = 20, 200

Clock = Callable[[nx.DiGraph, PreparedData, str], float]


def clock_of(settings: TrainingSettings) -> Clock:
    """The function that measures: without Keras if the networks are trained without it."""
    return measure_native_latency if settings.trainer == "native" else measure_latency


def measure_native_latency(graph: nx.DiGraph, data: PreparedData, precision: str = "float32") -> float:
    """Milliseconds for a batch of one row in numpy, on one core, measured as in `measure_latency`.

    For small networks, calls of numpy dominate, as dispatch does for a compiled program.
    """
    problem = data.problem.for_views(*views_of(graph))
    graph = problem.attach_columns(graph)
    weights = initial_weights(graph, problem.num_features, problem.num_outputs, seed=0)
    if finds_neighbours(graph):
        weights |= blank_references(problem, len(data.splits[0].y_train))
    forward, row = predictor(graph, weights), np.zeros((1, problem.num_features), np.float32)
    return _median_milliseconds(lambda: forward(row))


def measure_latency(graph: nx.DiGraph, data: PreparedData, precision: str = "float32") -> float:
    """Milliseconds that the network takes for a batch of one row in Keras's backend. Imports Keras.

    The backend (XLA) compiles the network with untrained weights into one program. The time from the call in Python,
    with a row already in memory, to the result is measured, including dispatch, which dominates for small networks.
    Returns the median of 200 calls after 20 uncounted ones; it depends on the machine and its load.
    """
    import keras

    from evonas.training.model import build_model
    from evonas.training.neighbour_layers import ReferenceShape
    from evonas.training.population.backends import current_backend

    problem = data.problem.for_views(*views_of(graph))
    graph = problem.attach_columns(graph)
    weights = blank_references(problem, len(data.splits[0].y_train)) if finds_neighbours(graph) else {}
    references = ReferenceShape.from_weights(weights)
    model = build_model(graph, problem.num_features, problem.num_outputs, precision=precision, references=references)
    forward = current_backend().compile_function(lambda row: model(row, training=False))
    row = keras.ops.zeros((1, problem.num_features), "float32")
    return _median_milliseconds(lambda: np.asarray(forward(row)))


def _attributes_of_speed(graph: nx.DiGraph, node: int) -> tuple[str, ...]:
    """Attributes of a layer that determine its speed, without those used only in training."""
    return ("kind", *row_of(graph.nodes[node]).builds)


def _median_milliseconds(call: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(_WARM_UP + _REPEATS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return 1e3 * median(seconds[_WARM_UP:])


class LatencyTrainer:
    """A trainer that measures each network first, rejects those that are too slow, and records the latency of the
    others.

    Measurements are not reproducible: a resumed run uses the committed ones, and measures other networks again.
    """

    def __init__(
        self, trainer: Trainer, data: PreparedData, settings: TrainingSettings, clock: Clock | None = None
    ) -> None:
        """Wraps `trainer`, which receives all tasks, so that it plans as if none were too slow."""
        self._trainer, self._data, self._settings = trainer, data, settings
        self._clock = clock or clock_of(settings)
        limit = settings.max_latency_ms
        self._limits = {} if limit is None else {"latency_ms": limit}
        self._known: dict[str, float] = {}

    def state(self) -> Any:
        """See the wrapped trainer."""
        return self._trainer.state()

    def restore(self, state: Any) -> None:
        """See the wrapped trainer."""
        self._trainer.restore(state)

    def in_training(self) -> Sequence[InTraining]:
        """See the wrapped trainer."""
        return in_training_of(self._trainer)

    def cancel(self) -> None:
        """Stops the wrapped trainer immediately, if it supports that."""
        cancel = getattr(self._trainer, "cancel", None)
        if cancel is not None:
            cancel()

    def train(self, tasks: Sequence[TrainingTask], done: frozenset[int]) -> Iterator[Mapping[int, Evaluation]]:
        """See `Trainer.train`; networks that are too slow come first, as INFEASIBLE."""
        latencies: dict[int, float] = {}
        too_slow: set[int] = set()
        for index, task in enumerate(tasks):
            if index in done:
                continue
            latencies[index] = self._latency(task)
            rejected = over_limit({"latency_ms": latencies[index]}, self._limits)
            if rejected is not None:
                too_slow.add(index)
            yield {} if rejected is None else {index: rejected}
        for part in self._trainer.train(tasks, done | too_slow):
            yield {index: _note(evaluation, latencies[index]) for index, evaluation in part.items()}

    def _latency(self, task: TrainingTask) -> float:
        graph = graph_from_json(task.architecture)
        nodes = [
            [graph.nodes[node].get(name) for name in _attributes_of_speed(graph, node)] for node in range(len(graph))
        ]
        key = json.dumps([nodes, sorted(graph.edges)])
        if key not in self._known:
            self._known[key] = self._clock(graph, self._data, self._settings.precision)
        return self._known[key]


def _note(evaluation: Evaluation, latency_ms: float) -> Evaluation:
    if evaluation.status is not Status.OK:
        return evaluation
    return replace(evaluation, scores={**evaluation.scores, "latency_ms": latency_ms})
