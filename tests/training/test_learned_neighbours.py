"""Networks that predict from learned neighbours: computed, resumed, inherited and exported everywhere alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evonas.evaluation import Status, snapshots_to_arrays
from evonas.export_tasks import EnsembleTask, ExportTask
from evonas.networks.forward import raw_outputs
from evonas.networks.inheritance import inherit_weights
from evonas.networks.initial import initial_weights
from evonas.networks.neighbours import MAX_REFERENCES, REFERENCES, reference_rows, without_references
from evonas.objective import Objective
from evonas.training.native import neighbour_arrays
from evonas.training.native.trainer import NativeTrainer
from evonas.training.replicates import member_seed
from evonas.training_tasks import ALL_ROWS, TrainingSettings
from genomes.architecture.cost import count_flops, count_parameters
from genomes.architecture.graph import digest, graph_from_json, graph_to_json
from genomes.errors import InputError
from tests.training.gene_table import PERIODIC
from tests.training.networks import data, graph, task, train_all

SETTINGS = TrainingSettings(patience=None)
KINDS = ("regression", "multi", "binary", "multiclass")
NETWORK = graph((8, 6), None, "relu", output="neighbours")


def trained(kind, network=NETWORK, epochs=4, prepared=None, **options):
    """The only evaluation of a training."""
    one = replace(task(network, epochs), **options)
    (found,) = train_all(NativeTrainer(prepared or data(kind), SETTINGS, threads=1), [one]).values()
    assert found.status is Status.OK
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_computes_the_recorded_outputs_from_the_weights_alone(kind):
    found, prepared = trained(kind, keep_snapshots=True), data(kind)
    (snapshot,) = found.snapshots
    for precision in (np.float32, np.float64):
        outputs = raw_outputs(NETWORK, found.weights, prepared.splits[0].x_validation, precision)
        np.testing.assert_allclose(outputs, snapshot.outputs, rtol=1e-4, atol=1e-4)


@pytest.mark.sampled(2)
@pytest.mark.keras
@pytest.mark.parametrize("kind", KINDS)
def test_keras_computes_the_same_with_weights_of_the_same_names(kind):
    from evonas.training.model import get_weights, trained_model

    found, prepared = trained(kind), data(kind)
    model = trained_model(NETWORK, 4, prepared.problem.num_outputs, found.weights)
    x = prepared.splits[0].x_validation
    np.testing.assert_allclose(
        model.predict(x, verbose=0), raw_outputs(NETWORK, found.weights, x), rtol=1e-4, atol=1e-4
    )
    back = get_weights(model)
    assert back.keys() == found.weights.keys()
    for name, value in found.weights.items():
        np.testing.assert_array_equal(back[name], value)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count_parameters(NETWORK, 4, 1)


def test_references_are_the_training_rows_and_never_rows_held_out(monkeypatch):
    prepared = data("regression", folds=2)
    (found,) = train_all(NativeTrainer(prepared, SETTINGS), [task(NETWORK)]).values()
    np.testing.assert_array_equal(found.weights["output/targets"], prepared.splits[0].y_train)
    whole = trained("regression", fold=ALL_ROWS)
    assert len(whole.weights[REFERENCES]) == 200
    monkeypatch.setattr(neighbour_arrays, "MAX_REFERENCES", 40)
    few = trained("regression", keep_snapshots=True)
    rows = reference_rows(member_seed(0, 0, 0), 150, 40)
    split = data("regression").splits[0]
    np.testing.assert_array_equal(few.weights["output/targets"], split.y_train[rows])
    assert list(rows) == sorted(set(rows.tolist()))
    assert list(rows) != list(reference_rows(1, 150, 40))
    # The validation after each epoch used other rows; the scores are those of the rows that are kept.
    outputs = raw_outputs(NETWORK, few.weights, split.x_validation)
    np.testing.assert_allclose(few.snapshots[0].outputs, outputs, rtol=1e-4, atol=1e-4)
    assert few.scores["mse"] / 20.0**2 == pytest.approx(np.mean((outputs - split.y_validation) ** 2), rel=1e-4)
    assert few.curve != found.curve


def test_a_continued_training_has_the_bits_of_an_uninterrupted_one():
    whole, half = (trained("binary", epochs=e, horizon=6, keep_snapshots=True) for e in (6, 3))
    again = trained("binary", epochs=6, horizon=6, start=half.snapshots, keep_snapshots=True)
    a, b = (snapshots_to_arrays(each.snapshots) for each in (whole, again))
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name])
    for name, value in whole.weights.items():
        np.testing.assert_array_equal(value, again.weights[name])


@pytest.mark.parametrize("inputs", [{}, PERIODIC])
def test_hidden_layers_are_inherited_from_and_by_dense_outputs_but_never_references(inputs):
    dense, near = graph((8, 6), inputs=inputs), graph((8, 6), inputs=inputs, output="neighbours")
    rows = data().splits[0].x_train
    for parent, child in ((dense, near), (near, dense), (near, near)):
        weights, own = trained("regression", parent).weights, initial_weights(child, 4, 1, 5)
        found, same = inherit_weights(parent, weights, child, own, rows, np.random.default_rng(0))
        assert found.keys() == own.keys()
        assert same is (parent is child)
        np.testing.assert_allclose(found["layer_1/kernel"], weights["layer_1/kernel"], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found["layer_2/kernel"], weights["layer_2/kernel"], rtol=1e-5, atol=1e-5)
        if parent is child:
            np.testing.assert_allclose(found["output/kernel"], weights["output/kernel"], rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(found["output/kernel"], own["output/kernel"])


def test_a_child_is_trained_from_its_parent_s_weights():
    parent = trained("regression", keep_snapshots=True)
    wider = graph((8, 9), None, "relu", output="neighbours")
    child = trained("regression", wider, epochs=1, start=parent.snapshots, origin=graph_to_json(NETWORK), inherit=True)
    assert child.curve[0] < trained("regression", wider, epochs=1).curve[0]


@pytest.mark.sampled(2)
@pytest.mark.keras
@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_network_has_the_recorded_scores(kind, tmp_path):
    from evonas.training.export.export import export
    from evonas.training.export.keras_file import load_keras_file

    found, prepared = trained(kind), data(kind)
    where = tmp_path / "model.keras"
    one = ExportTask(graph_to_json(NETWORK), where, weights=found.weights, scores=found.scores)
    written = export(one, prepared, SETTINGS)
    assert dict(written.validation_scores) == pytest.approx(dict(found.scores), rel=1e-5)
    assert load_keras_file(where) is not None


@pytest.mark.sampled(2)
@pytest.mark.keras
@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_a_retrained_and_an_averaged_network_are_exported(kind, tmp_path):
    from evonas.training.export.ensemble import export_ensemble
    from evonas.training.export.export import export

    prepared, weights = data(kind), [trained(kind, seed=seed).weights for seed in (1, 2)]
    one = ExportTask(graph_to_json(NETWORK), tmp_path / "one.keras", retrain=True, epochs=4, best_epoch=3)
    assert export(one, prepared, SETTINGS).retrained
    networks = tuple((graph_to_json(NETWORK), each) for each in weights)
    objective = Objective(*(("rmse", "min") if kind == "regression" else ("log_loss", "min")))
    found = export_ensemble(EnsembleTask(networks, 2, objective, tmp_path / "mean.keras"), prepared, SETTINGS)
    assert found.validation_scores


@pytest.mark.sampled(1)
@pytest.mark.keras
@pytest.mark.parametrize("form", ["savedmodel", "tflite"])
def test_other_formats_predict_the_same(form, tmp_path):
    from evonas.training.export.export import export

    found, name = trained("multiclass"), {"savedmodel": "saved", "tflite": "model.tflite"}[form]
    one = ExportTask(graph_to_json(NETWORK), tmp_path / name, weights=found.weights, scores=found.scores, format=form)
    assert "differs from the Keras model by at most" in export(one, data("multiclass"), SETTINGS).note


@pytest.mark.keras
def test_an_untrained_network_computes_representations(tmp_path):
    import keras

    from evonas.training.export.rebuild import build_untrained

    model, note = build_untrained(NETWORK, 4, 1, "regression", "mse", 0, 100, 5)
    assert "representations" in note
    model.save(tmp_path / "m.keras")
    found = keras.models.load_model(tmp_path / "m.keras", safe_mode=True)
    assert found(np.zeros((3, 4), np.float32)).shape == (3, 64)


def test_cost_counts_the_representation_and_the_references():
    dense = graph((8, 6), None, "relu")
    assert count_parameters(NETWORK, 4, 1) == count_parameters(dense, 4, 1) - 7 + 6 * 64
    assert count_flops(NETWORK, 4, 1) > count_flops(dense, 4, 1) + MAX_REFERENCES * 64


def test_its_json_is_read_back_and_it_has_no_members_or_smoothing():
    assert digest(graph_from_json(graph_to_json(NETWORK))) == digest(NETWORK)
    for network in (graph((8, 6), output="neighbours", inputs={"members": 2}), graph((8,), output="neighbours")):
        if not network.nodes[0].get("members"):
            network.graph["training"]["label_smoothing"] = 0.1
        with pytest.raises(InputError, match="with an output of neighbours"):
            graph_from_json(graph_to_json(network))


def test_trainers_refuse_weighted_rows():
    with pytest.raises(InputError, match="output must be dense for weighted rows"):
        trained("regression", prepared=data("regression", weighted=True))


@pytest.mark.parametrize("epochs", [1, 2])
def test_trained_weights_are_those_without_references(epochs):
    found = trained("binary", epochs=epochs)
    assert without_references(found.weights).keys() == initial_weights(NETWORK, 4, 1, 0).keys()
