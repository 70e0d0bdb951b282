"""Networks with different numeric encodings over the same data: trained, inherited from, exported and combined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evonas.data.prepare import prepare_table
from evonas.data.prepared import PreparedData, Problem
from evonas.evaluation import Evaluation
from evonas.export_tasks import EnsembleTask, ExportTask
from evonas.networks.initial import initial_weights
from evonas.objective import Objective
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.graph import graph_from_json, graph_to_json, numbers_of
from genomes.architecture.layers import NUMERIC_ENCODINGS
from tests.training.networks import graph
from tests.training.trainers import TRAINERS

pytestmark = pytest.mark.keras


def table() -> pd.DataFrame:
    """A table with numeric columns only."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=300), "b": np.exp(rng.normal(0, 1, 300))})
    return frame.assign(y=np.sin(3 * frame.a) + frame.b)


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    word = np.random.default_rng(1).choice(["u", "v"], 300)
    return prepare_table(table().assign(word=word), "y", seed=0, numbers=NUMERIC_ENCODINGS)


def architecture(numbers: str) -> dict:
    network = graph((6,))
    network.nodes[0]["numbers"] = numbers
    return graph_to_json(graph_from_json(graph_to_json(network)))


@pytest.fixture(scope="module")
def trained(prepared: PreparedData) -> list[tuple[TrainingTask, Evaluation]]:
    """One network for each encoding, all trained by the same trainer."""
    from evonas.training.native import NativeTrainer

    tasks = [TrainingTask(architecture(numbers), 3, 2, keep_snapshots=True) for numbers in NUMERIC_ENCODINGS]
    found: dict[int, Evaluation] = {}
    for part in NativeTrainer(prepared, TrainingSettings()).train(tasks):
        found |= part
    return [(task, found[index]) for index, task in enumerate(tasks)]


def test_an_unnamed_encoding_is_the_standard_one() -> None:
    assert numbers_of(graph_from_json(architecture("standard"))) == "standard"


@pytest.mark.parametrize("numbers", NUMERIC_ENCODINGS)
@pytest.mark.sampled(1)
def test_an_encoding_is_used_as_if_it_were_the_only_one(prepared, trained, numbers: str) -> None:
    from evonas.training.single.trainer import SingleTrainer

    task, evaluation = trained[NUMERIC_ENCODINGS.index(numbers)]
    (part,) = [part for part in SingleTrainer(prepared.for_views(numbers), TrainingSettings()).train([task]) if part]
    np.testing.assert_allclose(evaluation.curve, part[0].curve, rtol=1e-4)
    assert evaluation.parameters == part[0].parameters == 6 * (len(prepared.problem.columns(numbers)) + 1) + 7


@pytest.mark.soak
def test_a_child_with_another_encoding_keeps_shared_features(prepared, trained) -> None:
    (task, parent), _, (_, stranger), *_ = trained
    child = replace(task, architecture=architecture("log"), origin=task.architecture, start=parent.snapshots)
    child = replace(child, inherit=True, keep_snapshots=False)
    curves = []
    for make in TRAINERS.values():
        (part,) = [part for part in make(prepared, TrainingSettings()).train([child]) if part]
        curves.append(part[0].curve)
    for curve in curves[:-1]:
        np.testing.assert_allclose(curve, curves[-1], rtol=1e-4)
    assert curves[0][0] < stranger.curve[0]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("numbers", ["log", "periodic", "robust"])
def test_the_exported_model_takes_raw_rows(prepared, trained, tmp_path: Path, numbers: str) -> None:
    from evonas.training.export.export import export
    from evonas.training.held_out import test_scores

    task, evaluation = trained[NUMERIC_ENCODINGS.index(numbers)]
    order = ExportTask(task.architecture, tmp_path / "best.keras", evaluation.weights, evaluation.scores)
    written = export(order, prepared, TrainingSettings())  # raises if the scores on raw validation rows differ
    assert written.validation_scores["rmse"] == pytest.approx(evaluation.scores["rmse"], rel=1e-5)
    tested = test_scores(task.architecture, evaluation.weights, prepared, None)
    assert written.test_scores["rmse"] == pytest.approx(tested["rmse"], rel=1e-5)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_other_formats_support_every_encoding(prepared, trained, tmp_path: Path, kind: str) -> None:
    from evonas.training.export.export import export

    if kind == "onnx":
        pytest.importorskip("tf2onnx")
        pytest.importorskip("onnxruntime")
    numbers = prepare_table(table(), "y", seed=0, numbers=NUMERIC_ENCODINGS)
    for task, _ in trained:
        graph = graph_from_json(task.architecture)
        weights = initial_weights(graph, len(numbers.problem.columns(numbers_of(graph))), 1, 0)
        order = ExportTask(task.architecture, tmp_path / f"m.{kind}", weights, format=kind)
        assert "differs from the Keras model by at most" in export(order, numbers, TrainingSettings()).note


@pytest.mark.soak
def test_an_ensemble_of_different_encodings(prepared, trained, tmp_path: Path) -> None:
    from evonas.training.export.ensemble import export_ensemble
    from evonas.training.export.keras_file import check_keras_file

    networks = tuple((task.architecture, evaluation.weights) for task, evaluation in trained)
    task = EnsembleTask(networks, 4, Objective("rmse", "min"), tmp_path / "ensemble.keras")
    written = export_ensemble(task, prepared, TrainingSettings())
    check_keras_file(task.path)
    assert not written.note.startswith("1 ")
    assert written.validation_scores["rmse"] <= min(each.scores["rmse"] for _, each in trained) * (1 + 1e-6)


def test_a_network_of_many_pixels_is_described_without_a_list_of_them() -> None:
    problem = Problem("binary", 2, 1 << 40, (0.0,), (1.0,), ("a", "b"), sample_shape=(1 << 19, 1 << 19, 4))
    assert problem.for_views("standard") is problem
