"""Quantile regression: trained alike by the native trainer and by Keras, never crossing, with outputs by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.data.quantiles import with_quantiles
from evonas.deploy.prediction import prediction_table, predictor_of_file
from evonas.export_tasks import EnsembleTask, ExportTask
from evonas.metrics.calibration import coverage
from evonas.metrics.scores import compute_scores, constant_outputs, predictions
from evonas.networks.forward import raw_outputs
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import graph_to_json
from tests.training.networks import data, graph, task, trained
from tests.training.trainers import TRAINERS

SHARES = (0.1, 0.5, 0.9)


def prepared() -> Any:
    return with_quantiles(data("regression", weighted=True), SHARES)


def test_the_least_pinball_loss_is_that_of_the_quantiles():
    found = prepared()
    y, problem = found.splits[0].y_train, found.problem
    best = constant_outputs(problem, y)
    np.testing.assert_allclose(best, np.quantile(y[:, 0], SHARES))

    def loss(outputs: Any) -> float:
        return compute_scores(problem, y, np.tile(outputs, (len(y), 1)))["pinball"]

    assert all(loss(best) < loss(best + 0.05 * step) for step in (*np.eye(3), *-np.eye(3)))
    assert compute_scores(problem, y, y)["pinball"] == 0
    assert compute_scores(problem, y, y)["rmse"] == 0


def test_crossing_outputs_are_sorted():
    found = prepared()
    problem, y = found.problem, found.splits[0].y_validation
    raw = np.random.default_rng(0).normal(size=y.shape)
    assert (np.diff(predictions(problem, raw), axis=1) >= 0).all()
    assert compute_scores(problem, y, raw) == compute_scores(problem, y, raw[:, ::-1])


def test_coverage_is_the_share_of_rows_between():
    found = prepared()
    y, problem = found.splits[0].y_train, found.problem
    (interval,) = coverage(problem, y, np.tile(np.quantile(y[:, 0], SHARES), (len(y), 1)))
    assert (interval["low"], interval["high"], interval["nominal"]) == (0.1, 0.9, 0.8)
    assert interval["observed"] == pytest.approx(0.8, abs=0.02)


def test_the_native_trainer_learns_intervals_that_hold():
    found = prepared()
    network = graph((24,), activation="relu", learning_rate=0.01)
    (evaluation,) = trained(TRAINERS["native"](found, TrainingSettings(patience=20)), [task(network, 60)]).values()
    split = found.splits[0]
    raw = raw_outputs(network, evaluation.weights, split.x_train)
    (interval,) = coverage(found.problem, split.y_train, raw)
    assert interval["observed"] == pytest.approx(0.8, abs=0.1)
    constant = constant_outputs(found.problem, split.y_train)
    alone = compute_scores(found.problem, split.y_validation, np.tile(constant, (len(split.y_validation), 1)))
    assert evaluation.scores["pinball"] < 0.5 * alone["pinball"]


@pytest.mark.soak
@pytest.mark.keras
def test_keras_trains_the_same():
    found, network = prepared(), graph((9, 6), activation="relu", learning_rate=0.003)
    ours, theirs = (
        trained(TRAINERS[name](found, TrainingSettings(patience=None)), [task(network, 4)])[0]
        for name in ("native", "single")
    )
    np.testing.assert_allclose(ours.curve, theirs.curve, rtol=1e-4)
    np.testing.assert_allclose(ours.train_curve, theirs.train_curve, rtol=1e-4)
    assert ours.scores == pytest.approx(theirs.scores, rel=1e-3)


@pytest.mark.keras
def test_an_exported_model_has_an_output_for_each(tmp_path: Path):
    import keras

    from evonas.objective import Objective
    from evonas.training.export.ensemble import export_ensemble
    from evonas.training.export.export import export
    from evonas.training.export.keras_file import check_keras_file

    found, network, settings = prepared(), graph((5,)), TrainingSettings()
    (evaluation,) = trained(TRAINERS["native"](found, settings), [task(network, 3)]).values()
    order = ExportTask(graph_to_json(network), tmp_path / "q.keras", evaluation.weights, evaluation.scores)
    exported = export(order, found, settings)
    assert exported.validation_scores["pinball"] == pytest.approx(evaluation.scores["pinball"], rel=1e-5)
    assert [each["name"] for each in exported.interface["outputs"]] == ["quantile_0.1", "quantile_0.5", "quantile_0.9"]
    assert exported.calibration["test"]["coverage"][0]["nominal"] == 0.8
    check_keras_file(order.path)
    x = found.splits[0].x_validation
    outputs = keras.models.load_model(order.path).predict(x, verbose=0)
    wanted = predictions(found.problem, raw_outputs(network, evaluation.weights, x))
    np.testing.assert_allclose(np.concatenate(list(outputs.values()), axis=1), wanted, rtol=1e-4, atol=1e-4)
    assert predictor_of_file(order.path).problem.quantiles == SHARES
    several = ((order.architecture, evaluation.weights),) * 2
    both = export_ensemble(EnsembleTask(several, 2, Objective("pinball", "min"), tmp_path / "e.keras"), found, settings)
    assert both.validation_scores["pinball"] == pytest.approx(evaluation.scores["pinball"], rel=1e-5)


def test_a_table_of_predictions_has_a_column_for_each():
    import pandas as pd

    found = prepared()

    class Fixed:
        def _outputs(self, rows: Any) -> Any:
            return np.tile([1.0, 2.0, 3.0], (len(rows), 1))

    from evonas.deploy.prediction import Predictor

    table = prediction_table(Predictor(replace(found.problem, target_names=("y",)), Fixed()), pd.DataFrame({"a": [0]}))
    assert list(table) == ["quantile_0.1", "quantile_0.5", "quantile_0.9"]
