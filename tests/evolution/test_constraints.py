"""Limits and several objectives, through a whole run with an evaluator that does not train."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.config import Budget, Settings
from evonas.data.prepare import prepare_arrays
from evonas.data.prepared import PreparedData
from evonas.display import summaries
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.evolution.constraints import Screen
from evonas.networks.cost import measured_before, over_limit
from evonas.objective import pareto_front
from evonas.runs import RunReader
from genomes import DenseSpace, HyperparameterSpace, InputError, Range, read_population
from genomes.architecture.cost import count_parameters
from tests.genomes.dense_spaces import network
from tests.stub import StubEvaluator

#: A space of plain networks, in which few parameters also mean few operations.
SPACE = DenseSpace(
    neighbours=False, layers=Range(1, 3), units=Range(2, 64, log=True), embedding="none", members=1, output="dense"
)
LIMIT = 500


class Noting(StubEvaluator):
    """Records the candidates that it gets; if `slow`, every fifth network exceeds the time limit."""

    seen: ClassVar[list[Candidate]] = []
    slow = False

    def evaluate(
        self, candidates: Sequence[Candidate], done: frozenset[int] = frozenset(), *starts: Any
    ) -> Iterator[Mapping[int, Evaluation]]:
        for part in super().evaluate(candidates, done, *starts):
            ((place, evaluation),) = part.items()
            evaluation = replace(evaluation, parameters=size(candidates[place].genome))
            Noting.seen.append(candidates[place])
            late = self.slow and int(candidates[place].digest[8:12], 16) % 5 == 0
            yield {place: over_limit({"latency_ms": 3.0}, {"latency_ms": 2.0}) or evaluation if late else evaluation}


def data() -> PreparedData:
    x = np.random.default_rng(0).normal(size=(60, 3))
    return prepare_arrays(x, x @ [1.0, -2.0, 0.5], seed=0)


def search(out: Path, budget: Budget, evaluator: type = Noting, **settings: Any) -> evonas.SearchResult:
    chosen = Settings(**{"seed": 0, "population": 8, "finalists": 0, "strategy": "ga", **settings})
    Noting.seen = []
    return api.search_prepared(data(), space=SPACE, settings=chosen, budget=budget, out=out, evaluator=evaluator)


def size(genome: Any) -> int:
    return count_parameters(SPACE.architecture(genome), 3, 1)


@pytest.mark.parametrize("strategy", ["ga", "aging", "nsga2", "tpe", "random"])
@pytest.mark.sampled(3)
def test_networks_over_a_limit_are_shown_but_never_trained_nor_ranked(tmp_path: Path, strategy: str) -> None:
    out = tmp_path / "run"
    search(out, Budget(generations=6), strategy=strategy, max_parameters=LIMIT, max_flops=4 * LIMIT)
    assert Noting.seen
    assert all(size(candidate.genome) <= LIMIT for candidate in Noting.seen)
    with RunReader(out) as run:
        assert run.evaluated == len(Noting.seen)
        assert run.infeasible > 0
        assert run.failed == 0
        records = list(run.records())
        assert len(run.best(1000)) == len({each.digest for each in records if each.evaluation.status is Status.OK})
        with pytest.raises(InputError, match=f"choose one from 1 to {run.evaluated}"):
            run.ranked(run.evaluated + 1)
        assert f"{run.infeasible} networks over the limits, not trained" in "\n".join(summaries.summary_lines(run))
    for record in records:
        over = size(SPACE.genome_from_json(record.genome)) > LIMIT
        assert (record.evaluation.status is Status.INFEASIBLE) == over
        assert ("violation" in record.evaluation.scores) == over
    population = read_population(out / "population.json", SPACE)
    assert all(size(genome) <= LIMIT for genome in population.genomes)
    rows = list(csv.DictReader((out / "results.csv").open()))
    infeasible = [row for row in rows if row["status"] == "infeasible"]
    assert len(infeasible) == len(records) - len(Noting.seen)
    assert all(float(row["violation"]) > 0 and "at most 500" in row["reason"] for row in infeasible)


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.sampled(1)
def test_a_stopped_run_with_limits_continues_as_if_uninterrupted(
    tmp_path: Path, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Noting, "slow", slow)
    settings = {"strategy": "nsga2", "objectives": ("rmse", "flops"), "max_parameters": LIMIT}
    search(tmp_path / "straight", Budget(generations=6), **settings)
    search(tmp_path / "run", Budget(evaluations=3), **settings)
    for evaluations in (9, 11, 16):
        evonas.resume(tmp_path / "run", evaluations=evaluations, evaluator=Noting)
        with RunReader(tmp_path / "run") as run:
            assert run.evaluated == evaluations  # exactly: networks over a limit are not counted
    evonas.resume(tmp_path / "run", generations=6, evaluations=1000, evaluator=Noting)
    with RunReader(tmp_path / "run") as run, RunReader(tmp_path / "straight") as straight:
        assert run.digest() == straight.digest()


@pytest.mark.soak
def test_an_unattainable_limit_ends_the_run(tmp_path: Path) -> None:
    search(tmp_path / "run", Budget(evaluations=100), max_parameters=1)
    with RunReader(tmp_path / "run") as run:
        assert (run.evaluated, run.stop) == (0, "limits")
        assert run.infeasible >= 400
        assert "No network has a score yet" in summaries.summary_lines(run)
    assert Noting.seen == []


def test_the_front_of_a_run(tmp_path: Path) -> None:
    result = search(tmp_path / "run", Budget(generations=8), strategy="nsga2")
    assert result.settings.objectives == ("rmse", "parameters")
    values = [(r.evaluation.scores["rmse"], r.evaluation.parameters) for r in result.front]
    rows = [(row.rmse, row.parameters) for row in result.evaluations.itertuples()]
    assert len(values) >= 2
    assert values == sorted(values)
    for row in rows:
        assert row in values or any(a <= row[0] and b <= row[1] for a, b in values)
    assert all(row == value or not (row[0] <= value[0] and row[1] <= value[1]) for row in rows for value in values)
    assert result.front[0].digest == result.best.digest
    with RunReader(tmp_path / "run") as run:
        text = "\n".join(summaries.summary_lines(run))
        assert f"Front of rmse, parameters, {len(values)} networks:\n  rank 1: rmse" in text
        summary = json.loads(json.dumps(summaries.summary_values(run)))
        assert len(summary["front"]) == len(values)


def test_one_objective_has_a_front_of_one(tmp_path: Path) -> None:
    result = search(tmp_path / "run", Budget(generations=2))
    assert [record.digest for record in result.front] == [result.best.digest]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"objectives": ("parameters", "rmse")}, "objective must be a metric, not 'parameters'"),
        ({"objectives": ("rmse", "accuracy")}, "not 'accuracy'; besides the first objective also parameters, flops"),
        ({"objectives": ("rmse", "rmse")}, "each once"),
        ({"objectives": ("rmse", "flops"), "objective": "mae"}, "objective must be the first of objectives"),
        ({"objectives": ("rmse", "flops"), "strategy": "ga"}, "objectives must be one with strategy ga"),
        ({"max_parameters": 0}, "max_parameters must be at least 1, not 0"),
        ({"max_latency_ms": -1.0}, "max_latency_ms must be above 0, not -1.0"),
    ],
)
def test_bad_objectives_and_limits_are_refused(tmp_path: Path, settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        search(tmp_path / "run", Budget(generations=1), **{"strategy": "nsga2", **settings})
    assert not (tmp_path / "run").exists()


def test_a_space_without_architectures_has_no_limits_on_them(tmp_path: Path) -> None:
    space = HyperparameterSpace({"x": Range(0.0, 1.0)})
    with pytest.raises(InputError, match="flops must be known before training, but HyperparameterSpace gives"):
        api.search_prepared(
            data(), space=space, settings=Settings(seed=0, max_flops=9), out=tmp_path / "run", evaluator=Noting
        )
    # The worker counts parameters; trials have no data, so nothing is counted.
    problem = {"num_features": 3, "num_outputs": 1}
    assert not Screen.from_settings(Settings(max_parameters=9), space, problem).limits
    with pytest.raises(InputError, match="parameters must be known"):
        Screen.from_settings(Settings(max_parameters=9), space, {})


def test_measures_of_a_network() -> None:
    graph = SPACE.architecture(network(4, 2, normalization="batch"))
    # Kernels 3 x 4, 4 x 2, 2 x 1; beta and gamma for each unit, a bias for the output; two moving averages per unit.
    assert measured_before(graph, 3, 1) == {"parameters": 22 + 12 + 1, "flops": 44, "memory_bytes": 4 * (35 + 12 + 10)}
    assert over_limit({"parameters": 35.0}, {"parameters": 35.0}) is None
    over = over_limit({"parameters": 30.0, "flops": 12.0}, {"parameters": 20.0, "flops": 10.0})
    assert over is not None
    assert over.scores["violation"] == pytest.approx(0.7)
    assert over.reason == "over the limit: 30 parameters, at most 20; 12 FLOPs, at most 10"


def test_a_front_holds_the_nondominated_networks() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 3):
        points = [tuple(point) for point in rng.integers(0, 6, size=(60, count)).astype(float)]
        chosen = {points[place] for place in pareto_front(points)}
        for point in points:
            dominated = any(all(a <= b for a, b in zip(other, point)) and other != point for other in points)  # noqa: B905
            assert (point in chosen) != dominated
        assert len(pareto_front(points)) == len(chosen)
    assert pareto_front([]) == []
