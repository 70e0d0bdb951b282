"""The exported model is the model that was scored, and plain Keras opens it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evonas.export_tasks import ExportTask, format_of
from evonas.metrics.scores import compute_scores, predictions
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import graph_to_json
from genomes.errors import InputError
from tests.training.networks import data, graph, task, trained

pytestmark = pytest.mark.keras
SETTINGS = TrainingSettings(trainer="single")
KINDS = ("regression", "multi", "binary", "multiclass")
NETWORK = graph((8, 6), [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)], normalization="batch", dropout=0.1, l2=1e-4)

#: Opens the files with nothing but Keras and numpy; evonas and genomes cannot be imported.
READER = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.modules["evonas"] = sys.modules["genomes"] = None
import keras, numpy
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    x = numpy.load(path + ".npy")
    numpy.save(path + ".out.npy", model.predict(x, verbose=0))
"""


every_kind = pytest.mark.parametrize("kind", KINDS)


class Exported(dict):
    """Of a kind, once asked for: the data, the evaluation, the task and what the export gave."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def __missing__(self, kind):
        from evonas.training.export.export import export
        from evonas.training.native import NativeTrainer

        prepared = data(kind)
        (found,) = trained(NativeTrainer(prepared, TrainingSettings()), [task(NETWORK, 4)]).values()
        order = ExportTask(graph_to_json(NETWORK), self.folder / f"{kind}.keras", found.weights, found.scores)
        self[kind] = (prepared, found, order, export(order, prepared, SETTINGS))
        return self[kind]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return Exported(tmp_path_factory.mktemp("exported"))


@every_kind
@pytest.mark.sampled(2)
def test_the_file_has_the_recorded_scores(exported, kind):
    prepared, found, order, report = exported[kind]
    assert report.path == order.path
    assert dict(report.validation_scores) == pytest.approx(dict(found.scores), rel=1e-5)
    assert (
        report.test_scores.keys()
        == compute_scores(prepared.problem, prepared.y_test, np.zeros((20, prepared.problem.num_outputs))).keys()
    )
    assert not report.retrained
    assert [p.name for p in order.path.parent.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("kinds", [("regression", "binary"), pytest.param(KINDS, marks=pytest.mark.soak)], ids=len)
def test_plain_keras_opens_it_without_evonas(exported, kinds, tmp_path):
    for kind in kinds:
        prepared, _, order, _ = exported[kind]
        np.save(f"{order.path}.npy", prepared.splits[0].x_validation)
    paths = [str(exported[kind][2].path) for kind in kinds]
    subprocess.run(
        [sys.executable, "-I", "-c", READER, *paths], cwd=tmp_path, check=True, capture_output=True, timeout=600
    )
    for kind in kinds:
        prepared, found, order, _ = exported[kind]
        split, problem = prepared.splits[0], prepared.problem
        predicted = np.load(f"{order.path}.out.npy").astype(np.float64)
        if problem.task == "regression":
            raw = (predicted - problem.target_mean) / problem.target_std
            assert compute_scores(problem, split.y_validation, raw)["rmse"] == pytest.approx(
                found.scores["rmse"], rel=1e-5
            )
        elif kind == "binary":
            truth = split.y_validation
            loss = -np.mean(truth * np.log(predicted) + (1 - truth) * np.log(1 - predicted))
            assert loss == pytest.approx(found.scores["log_loss"], rel=1e-5)
        else:
            loss = -np.log(predicted[np.arange(len(predicted)), split.y_validation]).mean()
            assert loss == pytest.approx(found.scores["log_loss"], rel=1e-5)


def test_a_difference_is_noticed_and_leaves_the_old_file(exported):
    from evonas.training.export.export import export

    prepared, found, order, _ = exported["regression"]
    before = order.path.read_bytes()
    wrong = replace(order, scores={**found.scores, "rmse": found.scores["rmse"] * 1.001})
    with pytest.raises(RuntimeError, match="rmse"):
        export(wrong, prepared, SETTINGS)
    assert order.path.read_bytes() == before


@every_kind
@pytest.mark.sampled(2)
def test_the_last_layer_speaks_the_target_s_units(exported, kind):
    import keras

    prepared, _, order, _ = exported[kind]
    model, x = keras.models.load_model(order.path), prepared.splits[0].x_validation
    wanted = predictions(prepared.problem, np.asarray(model.get_layer("network")(x)))
    wanted = wanted[:, 1:] if prepared.problem.task == "binary" else wanted
    np.testing.assert_allclose(np.asarray(model(x)), wanted, rtol=1e-4)


@pytest.mark.soak
def test_retraining_uses_validation_rows_and_says_so(exported, tmp_path):
    from evonas.training.export.export import export, retrain

    prepared, found, order, _ = exported["regression"]
    again = replace(
        order, path=tmp_path / "again.keras", retrain=True, weights=None, epochs=4, best_epoch=found.best_epoch
    )
    report = export(again, prepared, SETTINGS)
    assert report.retrained
    assert "retrained" in report.note
    assert report.validation_scores == {}
    assert report.test_scores["rmse"] > 0
    weighted = data(weighted=True)
    assert retrain(again, weighted, SETTINGS).keys() == found.weights.keys()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "model.h5"}, r"must end in \.keras"),
        ({"path": "nowhere/model.keras"}, "existing folder"),
        ({"weights": None}, "retrain"),
    ],
)
def test_a_mistake_is_named(exported, tmp_path, change, words):
    from evonas.training.export.export import export

    prepared, _, order, _ = exported["regression"]
    change = {name: tmp_path / value if name == "path" else value for name, value in change.items()}
    with pytest.raises(InputError, match=words):
        export(
            replace(order, path=tmp_path / "model.keras", **change)
            if "path" not in change
            else replace(order, **change),
            prepared,
            SETTINGS,
        )


def test_a_fold_s_network_is_not_held_to_the_mean(exported, tmp_path):
    from evonas.training.export.export import export

    _, _, order, _ = exported["regression"]
    cut = replace(order, path=tmp_path / "fold.keras", scores={"rmse": 1e9})
    assert "first fold" in export(cut, data(folds=2), SETTINGS).note


def test_an_ending_that_is_no_format_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in one of \.keras, \.onnx, \.tflite, not 'model\.foo'"):
        format_of(tmp_path / "model.foo")
    assert format_of(tmp_path / "model.onnx") == "onnx"
