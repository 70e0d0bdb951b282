"""Networks with numeric embeddings and with members: computed, trained, inherited and exported everywhere alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evonas.evaluation import snapshots_to_arrays
from evonas.export_tasks import ExportTask
from evonas.networks.forward import raw_outputs
from evonas.networks.initial import initial_weights
from evonas.networks.partial_inheritance import inherit_parts
from evonas.networks.perturbation import perturb
from evonas.training_tasks import TrainingSettings
from genomes.architecture.cost import count_flops, count_parameters
from genomes.architecture.embedding import categories_of, embedding_of, embeds
from genomes.architecture.graph import digest, finds_neighbours, graph_from_json, graph_to_json
from genomes.architecture.members import members_of
from genomes.errors import InputError
from tests.training.gene_table import ALONE, LINEAR, PERIODIC, TABLE
from tests.training.networks import data, graph, task, train_all

NETWORKS = {
    name: network
    for networks in (*TABLE.values(), ALONE["regression", "mse", False])
    for name, network in networks.items()
    if not finds_neighbours(network)  # see test_learned_neighbours.py
    and (embeds(network) or members_of(network) is not None or "parametric" in name)
}
FULL = {"members": 4, "adapters": "full", "member_start": "hidden"}
every_network = pytest.mark.parametrize("name", NETWORKS)
SETTINGS = TrainingSettings(patience=None)


def some_weights(network, num_outputs=2, seed=3):
    """No value is initial, so that any omission shows."""
    return perturb(initial_weights(network, 4, num_outputs, seed), 5)


def by_the_native_trainer(network, weights, x, num_outputs=2):
    from evonas.training.native.lowering import lower
    from evonas.training.native.training import predict

    return predict(lower(network, 4, num_outputs, 13), weights, x)


@every_network
def test_numpy_and_the_native_trainer_compute_the_same(name):
    network, x = NETWORKS[name], data().splits[0].x_validation
    weights = some_weights(network)
    expected = raw_outputs(network, weights, x, np.float64)
    assert expected.shape == (len(x), 2)
    np.testing.assert_allclose(by_the_native_trainer(network, weights, x), expected, rtol=1e-4, atol=1e-5)
    assert sum(v.size for part, v in weights.items() if "moving" not in part) == count_parameters(network, 4, 2)


@pytest.mark.sampled(6)
@pytest.mark.keras
@every_network
def test_keras_computes_the_same_with_weights_of_the_same_names(name):
    from evonas.training.model import build_model, get_weights, members_model, set_weights

    network, x = NETWORKS[name], data().splits[0].x_validation
    weights, model = some_weights(network), build_model(network, 4, 2)
    set_weights(model, weights)
    np.testing.assert_allclose(model.predict(x, verbose=0), raw_outputs(network, weights, x), rtol=1e-4, atol=1e-5)
    found = get_weights(members_model(model))
    assert found.keys() == weights.keys()
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count_parameters(network, 4, 2)


def test_members_differ_and_the_prediction_is_their_mean():
    from evonas.networks.forward import forward

    network, x = graph((6, 5), inputs=FULL | LINEAR), data().splits[0].x_validation
    outputs = forward(network, initial_weights(network, 4, 1, 0), x).outputs[3]
    assert outputs.shape == (len(x), 4, 1)
    assert len(np.unique(np.round(outputs[0], 6))) == 4
    np.testing.assert_allclose(raw_outputs(network, initial_weights(network, 4, 1, 0), x), outputs.mean(1), rtol=1e-5)


def test_what_is_shared_and_what_is_each_member_s_own():
    chain = members_of(graph((6, 5, 4), inputs={"members": 3, "member_start": "hidden"}))
    assert (chain.shared, chain.first, chain.adapted, chain.scaled) == ({0, 1}, {2}, {2}, set())
    full = members_of(graph((6, 5, 4), inputs=FULL))
    assert (full.adapted, full.scaled) == ({2, 3}, {2, 3})
    assert members_of(graph((6, 5), inputs={"members": 3, "member_start": "input"})).shared == {0}
    assert members_of(graph((6,), inputs={"members": 3})).first == {1}  # no later layer could differ
    assert members_of(graph((), inputs={"members": 3})) is None


def test_cost_grows_with_members_and_units():
    plain, several = graph((6, 5, 4)), graph((6, 5, 4), inputs={"members": 8})
    assert count_flops(several, 4, 1) == count_flops(plain, 4, 1) + 7 * 2 * (6 * 5 + 5 * 4 + 4)
    wide = graph((6,), inputs=LINEAR | {"embedding_units": 50})
    assert count_flops(wide, 4, 1) > count_flops(graph((6,), inputs=LINEAR), 4, 1)


def test_a_graph_s_json_keeps_them_and_omits_them_if_off():
    for network in NETWORKS.values():
        assert digest(graph_from_json(graph_to_json(network))) == digest(network)
    off = graph_to_json(graph((6,), inputs={"embedding": "none", "embedding_units": 9, "members": 1}))
    assert graph_to_json(graph_from_json(off)) == graph_to_json(graph((6,)))


def test_columns_of_the_data_decide_what_is_embedded():
    linear, periodic = (embedding_of(graph((6,), inputs=inputs)) for inputs in (LINEAR, PERIODIC))
    assert (linear.groups, linear.rest) == (((0,), (1, 2)), (3,))
    assert (periodic.groups, periodic.rest, periodic.units) == (((0,), (1,)), (0, 1, 2, 3), 3)
    untold = graph_from_json(graph_to_json(graph((6,), inputs=LINEAR)))
    with pytest.raises(InputError, match="columns of numbers must be known"):
        embedding_of(untold)
    with pytest.raises(InputError, match="embedding must be none for data without known columns"):
        replace(data().problem, numeric=(-1, -1, -1, -1)).attach_columns(untold)


def test_each_categorical_column_has_its_own_map_beside_its_features():
    network = graph((6,), inputs={"category_units": 3})
    found = categories_of(network)
    assert (found.groups, found.rest, found.width) == (((1, 2), (3,)), (), 6)
    assert count_parameters(network, 4, 1) == count_parameters(graph((6,)), 4, 1) + 2 * (2 + 1) * 3 + 6 * 6
    untold = graph_from_json(graph_to_json(network))
    with pytest.raises(InputError, match="columns of categories must be known"):
        categories_of(untold)
    with pytest.raises(InputError, match="category_units must be 0 for data without known columns of categories"):
        replace(data().problem, categorical=()).attach_columns(untold)


@pytest.mark.parametrize("inputs", [{}, LINEAR])
def test_a_child_that_begins_to_embed_categories_computes_what_its_parent_does(inputs):
    x, parent = data().splits[0].x_validation, graph((9, 7), inputs=inputs)
    weights, child = some_weights(parent), graph((9, 7), inputs=inputs | {"category_units": 3})
    found = inherit_parts(parent, weights, child, initial_weights(child, 4, 2, 1))
    np.testing.assert_allclose(raw_outputs(child, found, x), raw_outputs(parent, weights, x), rtol=1e-5)
    weights, other = some_weights(child), graph((9, 7), inputs=inputs | {"category_units": 2})
    for heir in (parent, other):
        found = inherit_parts(child, weights, heir, initial_weights(heir, 4, 2, 1))
        rest = 11 if inputs else 4
        assert (found["layer_1/kernel"][:rest] == weights["layer_1/kernel"][:rest]).all()
        assert not found["layer_1/kernel"][rest:].any()


def test_a_training_continues_where_it_stopped():
    from evonas.training.native import NativeTrainer

    trainer = NativeTrainer(data(weighted=True), SETTINGS, threads=2)
    for inputs in (LINEAR | FULL, PERIODIC | {"members": 3, "member_start": "input"}):
        whole = replace(task(graph((9, 7), normalization="batch", dropout=0.2, inputs=inputs), 4), keep_snapshots=True)
        (half,) = train_all(trainer, [replace(whole, epochs=2, horizon=4)]).values()
        expected, found = train_all(trainer, [whole, replace(whole, start=half.snapshots)]).values()
        assert found.curve == expected.curve
        one, other = (snapshots_to_arrays(each.snapshots) for each in (expected, found))
        for part, value in one.items():
            np.testing.assert_array_equal(value, other[part])


def test_a_child_of_the_same_layers_computes_what_its_parent_does():
    for network in (graph((9, 7), inputs=LINEAR | FULL), graph((9, 7), normalization="batch", inputs=PERIODIC)):
        weights = some_weights(network)
        assert_equal(inherit_parts(network, weights, network, initial_weights(network, 4, 2, 1)), weights)


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])


@pytest.mark.parametrize("inputs", [LINEAR, PERIODIC, FULL, {"members": 2}, FULL | PERIODIC, {}])
def test_a_child_inherits_what_fits(inputs):
    x, parent = data().splits[0].x_validation, graph((9, 7), inputs=FULL | LINEAR)
    weights, child = some_weights(parent), graph((9, 7, 6), inputs=inputs, normalization="layer")
    initial = initial_weights(child, 4, 2, 1)
    found = inherit_parts(parent, weights, child, initial)
    assert {name: value.shape for name, value in found.items()} == {n: v.shape for n, v in initial.items()}
    assert (found["layer_2/kernel"] == weights["layer_2/kernel"]).all()
    assert np.array_equal(found["layer_1/kernel"], weights["layer_1/kernel"]) == (inputs == LINEAR)
    assert np.isfinite(raw_outputs(child, found, x)).all()


def test_members_of_a_plain_network_begin_near_it():
    x, parent = data().splits[0].x_validation, graph((9, 7))
    weights, child = some_weights(parent), graph((9, 7), inputs=FULL)
    initial = initial_weights(child, 4, 2, 1)
    before, after, own = (
        raw_outputs(network, given, x)
        for network, given in (
            (parent, weights),
            (child, inherit_parts(parent, weights, child, initial)),
            (child, initial),
        )
    )
    assert np.abs(after - before).mean() < 0.3 * np.abs(own - before).mean()


@pytest.mark.sampled(2)
@pytest.mark.keras
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("members, skips, periodic embedding", "regression"),
        ("members, skips, periodic embedding", "multiclass"),
        ("members from the input, full, layer norm, embedding", "regression"),
        ("members from the input, full, layer norm, embedding", "multiclass"),
        ("categories, skips, tree embedding, members", "regression"),
        ("parametric, skips, batch norm", "regression"),
        ("parametric, members", "multiclass"),
    ],
)
def test_the_exported_file_gives_the_recorded_scores_and_opens_in_safe_mode(name, kind, tmp_path):
    import keras

    from evonas.training.export.export import export
    from evonas.training.export.keras_file import check_keras_file
    from evonas.training.native import NativeTrainer

    prepared, network = data(kind), NETWORKS[name]
    (found,) = train_all(NativeTrainer(prepared, SETTINGS), [task(network, 3)]).values()
    order = ExportTask(graph_to_json(network), tmp_path / "m.keras", found.weights, found.scores)
    report = export(order, prepared, TrainingSettings(trainer="native"))
    assert dict(report.validation_scores) == pytest.approx(dict(found.scores), rel=1e-5)
    check_keras_file(order.path)
    layers = keras.models.load_model(order.path, safe_mode=True).get_layer("network").layers
    assert all(type(layer).__module__.startswith("keras.src") for layer in layers)


@pytest.mark.keras
def test_the_population_trainer_refuses_members():
    from evonas.training.population.trainer import PopulationTrainer

    trainer = PopulationTrainer(data(), SETTINGS)
    for inputs in (LINEAR, FULL):
        with pytest.raises(InputError, match="another trainer"):
            train_all(trainer, [task(graph((6, 5), inputs=inputs), 1)])
