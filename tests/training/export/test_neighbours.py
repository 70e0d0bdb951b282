"""Networks with features of neighbours: trained alike by all trainers that can, exported, and put together."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evonas.data.prepare import prepare_table
from evonas.data.prepared import PreparedData
from evonas.export_tasks import EnsembleTask, ExportTask
from evonas.objective import Objective
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.graph import graph_from_json, graph_to_json
from genomes.errors import InputError
from tests.training.networks import graph

pytestmark = pytest.mark.keras

NEIGHBOURS = ((("a",), (0.01, 0.3)), (("a", "b"), (0.05,)), (("b",), (1.0,)))


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": 1e3 + rng.normal(size=300), "b": np.exp(rng.normal(0, 1, 300))})
    kind = np.where(rng.random(300) < 0.2, "r", np.where(frame.a > 1e3, "p", "q"))
    return frame.assign(y=np.sin(3 * frame.a) + frame.b, kind=kind)


def data_of(target: str) -> PreparedData:
    other = {"y": "kind", "kind": "y"}[target]
    return prepare_table(table().drop(columns=other), target, seed=0)


def architecture(columns: tuple[str, ...], bandwidths: tuple[float, ...]) -> dict:
    network = graph((6,))
    network.nodes[0]["neighbours"] = {"columns": list(columns), "bandwidths": list(bandwidths)}
    return graph_to_json(graph_from_json(graph_to_json(network)))


def trained(data: PreparedData, **fields):
    """Tasks and evaluations of networks with different neighbours, by the native trainer."""
    from evonas.training.native import NativeTrainer

    tasks = [TrainingTask(architecture(*each), 3, 2, **fields) for each in NEIGHBOURS]
    found = {}
    for part in NativeTrainer(data, TrainingSettings()).train(tasks):
        found |= part
    return [(task, found[place]) for place, task in enumerate(tasks)]


@pytest.fixture(scope="module")
def regression():
    data = data_of("y")
    return data, trained(data, keep_snapshots=True)


@pytest.mark.soak
def test_trainers_agree(regression) -> None:
    from evonas.training.single.trainer import SingleTrainer

    data, found = regression
    for task, evaluation in found[:2]:
        (part,) = [part for part in SingleTrainer(data, TrainingSettings()).train([task]) if part]
        np.testing.assert_allclose(evaluation.curve, part[0].curve, rtol=1e-4)
        assert evaluation.parameters == part[0].parameters
    assert found[0][1].parameters == 6 * (2 + 2 + 1) + 7


def test_a_child_with_other_neighbours_keeps_what_both_see(regression) -> None:
    from evonas.training.native import NativeTrainer

    data, ((task, parent), *_) = regression
    child = replace(task, architecture=architecture(("a",), (0.3, 0.5)), origin=task.architecture, inherit=True)
    child = replace(child, start=parent.snapshots, keep_snapshots=False)
    (part,) = [part for part in NativeTrainer(data, TrainingSettings()).train([child]) if part]
    assert part[0].curve[0] < parent.curve[0]


def test_the_population_trainer_refuses_them(regression) -> None:
    from evonas.training.population.trainer import PopulationTrainer

    data, ((task, _), *_) = regression
    with pytest.raises(InputError, match="neighbours must be absent with trainer population"):
        list(PopulationTrainer(data, TrainingSettings()).train([task]))


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("target", "metric"), [("y", "rmse"), ("kind", "log_loss")])
def test_the_exported_model_gives_the_recorded_scores_to_plain_keras(target, metric, regression, tmp_path: Path):
    from evonas.training.export.export import export
    from evonas.training.export.keras_file import check_keras_file
    from evonas.training.held_out import test_scores

    data, found = regression if target == "y" else ((other := data_of(target)), trained(other))
    task, evaluation = found[0]
    order = ExportTask(task.architecture, tmp_path / "best.keras", evaluation.weights, evaluation.scores)
    written = export(order, data, TrainingSettings())  # raises unless the raw validation rows score the same
    check_keras_file(order.path)
    assert written.validation_scores[metric] == pytest.approx(evaluation.scores[metric], rel=1e-5)
    tested = test_scores(task.architecture, evaluation.weights, data, None)
    assert written.test_scores[metric] == pytest.approx(tested[metric], rel=1e-5)


@pytest.mark.soak
def test_the_file_opens_where_evonas_is_not(regression, tmp_path: Path) -> None:
    from evonas.training.export.export import export

    data, ((task, evaluation), *_) = regression
    order = ExportTask(task.architecture, tmp_path / "best.keras", evaluation.weights, evaluation.scores)
    export(order, data, TrainingSettings())
    code = (
        "import sys; sys.modules['evonas'] = sys.modules['genomes'] = None; import keras, numpy as np;"
        f"model = keras.models.load_model({str(order.path)!r}, safe_mode=True);"
        "print(model({'a': np.array([[1000.0]]), 'b': np.array([[1.0]])}).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert "(1, 1)" in done.stdout, done.stderr[-2000:]


@pytest.mark.soak
def test_a_retrained_network_and_an_ensemble_are_exported(regression, tmp_path: Path) -> None:
    from evonas.training.export.ensemble import export_ensemble
    from evonas.training.export.export import export
    from evonas.training.export.keras_file import check_keras_file

    data, found = regression
    task, _ = found[0]
    order = ExportTask(task.architecture, tmp_path / "again.keras", retrain=True, best_epoch=1, epochs=2)
    assert export(order, data, TrainingSettings()).test_scores
    networks = tuple((task.architecture, evaluation.weights) for task, evaluation in found)
    ensemble = EnsembleTask(networks, 4, Objective("rmse", "min"), tmp_path / "ensemble.keras")
    written = export_ensemble(ensemble, data, TrainingSettings())
    check_keras_file(ensemble.path)
    assert written.validation_scores["rmse"] <= min(each.scores["rmse"] for _, each in found) * (1 + 1e-6)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_other_formats_hold_them(regression, tmp_path: Path, kind: str) -> None:
    from evonas.training.export.export import export

    if kind == "onnx":
        pytest.importorskip("tf2onnx")
        pytest.importorskip("onnxruntime")
    data, found = regression
    for task, evaluation in found:
        order = ExportTask(task.architecture, tmp_path / f"m.{kind}", evaluation.weights, format=kind)
        assert "differs from the Keras model by at most" in export(order, data, TrainingSettings()).note
