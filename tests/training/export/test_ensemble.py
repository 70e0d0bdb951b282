"""An ensemble is one Keras file whose predictions are the mean of its networks'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evonas.export_tasks import EnsembleTask
from evonas.metrics.scores import compute_scores
from evonas.networks.initial import initial_weights
from evonas.objective import Objective
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import graph_to_json
from tests.training.networks import data, graph

pytestmark = pytest.mark.keras


@pytest.mark.parametrize(
    "kind", ["regression", *(pytest.param(k, marks=pytest.mark.soak) for k in ("binary", "multiclass"))]
)
def test_the_file_predicts_the_mean_and_is_no_worse_than_any(kind: str, tmp_path: Path) -> None:
    import keras

    from evonas.training.export.deployable import deployable
    from evonas.training.export.ensemble import export_ensemble
    from evonas.training.export.keras_file import check_keras_file
    from evonas.training.model import build_model, set_weights

    prepared = data(kind)
    problem, split = prepared.problem, prepared.splits[0]
    networks, alone, models = [], [], []
    for seed, widths in enumerate(((4,), (6, 3), (5,))):
        network = graph(widths, [(k, k + 1) for k in range(len(widths) + 1)])
        weights = initial_weights(network, problem.num_features, problem.num_outputs, seed)
        model = build_model(network, problem.num_features, problem.num_outputs)
        set_weights(model, weights)
        raw = model.predict(split.x_validation, verbose=0)
        networks.append((graph_to_json(network), weights))
        alone.append(compute_scores(problem, split.y_validation, raw))
        models.append(deployable(model, problem))
    name = "rmse" if kind == "regression" else "log_loss"
    task = EnsembleTask(tuple(networks), 3, Objective(name, "min"), tmp_path / "ensemble.keras")
    exported = export_ensemble(task, prepared, TrainingSettings())
    assert exported.validation_scores[name] <= min(each[name] for each in alone) * (1 + 1e-6)
    assert name in exported.test_scores
    count = int(exported.note.split()[0])
    shares = [float(text.strip().rstrip("%")) / 100 for text in exported.note.partition("weighted ")[2].split(",")]
    assert len(shares) == count
    assert sum(shares) == pytest.approx(1.0, abs=0.02)
    check_keras_file(task.path)
    opened = keras.models.load_model(task.path)
    given = opened.predict(split.x_validation, verbose=0)
    each = np.array([model.predict(split.x_validation, verbose=0) for model in models])
    assert (given <= each.max(axis=0) + 1e-4 * np.abs(given).max()).all()
    assert (given >= each.min(axis=0) - 1e-4 * np.abs(given).max()).all()
