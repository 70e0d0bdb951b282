"""Latency: what is measured, and how it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evonas.data.prepare import prepare_arrays
from evonas.evaluation import Evaluation, Status
from evonas.training.latency import LatencyTrainer, measure_latency, measure_native_latency
from evonas.training.registry import make_trainer
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.graph import graph_to_json
from genomes.dense.graph import to_graph
from tests.genomes.dense_spaces import network


class Trainer:
    """Does not train; records its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, frozenset[int]]] = []

    def state(self) -> Any:
        return len(self.calls)

    def restore(self, state: Any) -> None:
        self.restored = state

    def train(self, tasks: Sequence[TrainingTask], done: frozenset[int]) -> Iterator[Mapping[int, Evaluation]]:
        self.calls.append((len(tasks), done))
        yield {}
        for index in range(len(tasks)):
            if index not in done:
                failed = Evaluation(Status.FAILED, reason="diverged")
                yield {index: failed if index == 3 else Evaluation(Status.OK, {"rmse": float(index)})}


def task(*units: int, **genes: Any) -> TrainingTask:
    return TrainingTask(graph_to_json(to_graph(network(*units, **genes))), 0, 5)


def train_with_limit(
    limit: float | None, done: frozenset[int] = frozenset()
) -> tuple[dict[int, Evaluation], Trainer, list[int]]:
    clocked: list[int] = []

    def clock(graph: Any, data: Any, precision: str) -> float:
        clocked.append(len(graph) - 2)
        return float(len(graph) - 2)

    inner = Trainer()
    settings = TrainingSettings(max_latency_ms=limit, objectives=("rmse", "latency_ms"))
    trainer = LatencyTrainer(inner, SimpleNamespace(), settings, clock)  # type: ignore[arg-type]
    tasks = [task(4), task(4, 4, 4, 4), task(4, 4), task(8), task(4, learning_rate=0.1)]
    found: dict[int, Evaluation] = {}
    for part in trainer.train(tasks, done):
        found |= part
    trainer.restore(7)
    assert (trainer.state(), inner.restored) == (1, 7)
    return found, inner, clocked


def test_slow_networks_are_not_trained_and_the_others_carry_their_latency() -> None:
    found, inner, clocked = train_with_limit(2.5)
    assert found[1].status is Status.INFEASIBLE
    assert found[1].scores == {"latency_ms": 4.0, "violation": pytest.approx(0.6)}
    assert {place: found[place].scores for place in (0, 2, 4)} == {
        place: {"rmse": float(place), "latency_ms": latency} for place, latency in ((0, 1.0), (2, 2.0), (4, 1.0))
    }
    assert found[3].status is Status.FAILED
    assert inner.calls == [(5, frozenset({1}))]  # the whole generation, for planning
    assert clocked == [1, 4, 2, 1]  # equal layers once


def test_without_a_limit_nothing_is_too_slow_and_finished_tasks_are_not_measured() -> None:
    found, inner, clocked = train_with_limit(None, frozenset({0, 1}))
    assert sorted(found) == [2, 3, 4]
    assert inner.calls == [(5, frozenset({0, 1}))]
    assert clocked == [2, 1, 1]


@pytest.mark.parametrize("measure", [measure_latency, measure_native_latency])
def test_a_larger_network_takes_longer(measure: Any) -> None:
    x = np.random.default_rng(0).normal(size=(60, 8))
    data = prepare_arrays(x, x[:, 0], seed=0)
    small, large = (measure(to_graph(network(*units)), data) for units in ((4,), (3000, 3000, 3000)))
    assert 0 < small < large < 1e3


@pytest.mark.parametrize("measure", [measure_latency, measure_native_latency])
def test_the_time_with_learned_neighbours_includes_the_rows_that_predictions_refer_to(measure: Any) -> None:
    x = np.random.default_rng(0).normal(size=(6000, 8))
    data = prepare_arrays(x, x[:, 0], seed=0)
    alone, near = (measure(to_graph(network(4, output=output)), data) for output in ("dense", "neighbours"))
    assert alone < near < 1e3


@pytest.mark.parametrize("values", [{"max_latency_ms": 5.0}, {"objectives": ("rmse", "latency_ms")}])
def test_the_worker_measures_where_it_is_asked_to(values: dict[str, Any]) -> None:
    x = np.random.default_rng(0).normal(size=(60, 8))
    data = prepare_arrays(x, x[:, 0], seed=0)
    assert isinstance(make_trainer(data, TrainingSettings(trainer="single", **values)), LatencyTrainer)
    assert not isinstance(make_trainer(data, TrainingSettings(trainer="single")), LatencyTrainer)
