"""Scoring networks with the weights that their seeds define, whole populations at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.metrics.scores import compute_scores, mean_loss
from evonas.networks.perturbation import Lineages
from evonas.training.model import build_model, set_weights
from evonas.training.population.seeded_weights import SeededWeightsTrainer
from evonas.training.single.graph_model import raw_outputs
from evonas.training_tasks import TrainingSettings
from genomes import DenseSpace, InputError
from genomes.architecture.graph import graph_to_json
from tests.training.networks import data, graph, task, train_all

pytestmark = pytest.mark.keras

NETWORKS = (
    graph((8,)),
    graph((12, 5), normalization="batch", activation="relu", dropout=0.3),
    graph((6, 6), normalization="layer", activation="gelu", edges=[(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)], l2=0.1),
)


@pytest.mark.parametrize(("kind", "folds"), [("multi", 1), ("binary", 2), ("multiclass", 1)])
@pytest.mark.sampled(2)
def test_scores_are_those_of_the_keras_models_with_the_same_weights(kind: str, folds: int) -> None:
    prepared = data(kind, weighted=True, folds=folds)
    problem = prepared.problem
    trainer = SeededWeightsTrainer(prepared, TrainingSettings(loss="huber", replicates=3))
    tasks = [replace(task(each, 9, 0), lineage=(k, 7, 8)) for k, each in enumerate(NETWORKS)]
    found = train_all(trainer, tasks)
    for k, each in enumerate(NETWORKS):
        weights = Lineages().weights(graph_to_json(each), each, tasks[k].lineage, 4, problem.num_outputs)
        model = build_model(each, 4, problem.num_outputs)
        set_weights(model, weights)
        expected, losses = [], []
        for split in prepared.splits:
            expected.append(compute_scores(problem, split.y_validation, raw_outputs(model, split.x_validation)))
            outputs = raw_outputs(model, split.x_train)
            losses.append(mean_loss(problem, "huber", split.y_train, outputs, split.weight_train))
        assert found[k].status == "ok"
        assert found[k].epochs == found[k].best_epoch == len(found[k].curve) == 1
        assert found[k].train_curve[0] == pytest.approx(np.mean(losses), rel=1e-5)
        for name, value in found[k].scores.items():
            assert value == pytest.approx(np.mean([each[name] for each in expected]), rel=1e-5), name
        assert found[k].weights is not None
        assert all(np.array_equal(found[k].weights[name], weights[name]) for name in weights)


@pytest.mark.soak
def test_evolved_weights_beat_random_ones_and_are_exported_as_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = x[:, 0] - x[:, 1] ** 2 + 0.1 * rng.normal(size=300)
    options: dict[str, Any] = {"strategy": "neuroevolution", "population": 20, "generations": 15}
    options["space"] = DenseSpace(layers=1, units=8, activation="relu", normalization="none", numbers="standard")
    result = evonas.search(x, y, out=tmp_path / "run", **options)
    again = evonas.search(x, y, out=tmp_path / "again", **{**options, "generations": 7})
    again = evonas.resume(again.run_dir, generations=15)
    assert again.best == replace(result.best, evaluation=again.best.evaluation)
    assert again.best_score == result.best_score
    others = [evonas.search(x, y, out=tmp_path / str(seed), seed=seed, **options) for seed in (1, 2)]
    assert median(each.best_score / each.history["best_rmse"][0] for each in (result, *others)) < 0.75
    assert result.exported.validation_scores["rmse"] == pytest.approx(result.best_score, rel=1e-5)
    assert result.finalists.empty
    with pytest.raises(InputError, match="were evolved"):
        evonas.finalists(result.run_dir)
