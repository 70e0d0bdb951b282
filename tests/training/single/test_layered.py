"""What a training of networks with other layers than dense ones is: the same as Keras's, and broken off anywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evonas.evaluation import Status
from evonas.networks.forward import raw_outputs
from evonas.networks.initial import initial_weights
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.graph import graph_to_json
from tests.training.layered import IMAGE, MEAN, NETWORKS, SERIES, TOKENS, conv, layered, layered_data
from tests.training.networks import trained
from tests.training.test_contract import assert_same_bits

pytestmark = pytest.mark.keras

AUGMENTED = layered(
    [conv(6, dropout=0.2), conv(6, stride=2, normalization="layer"), MEAN],
    optimizer="adamw",
    weight_decay=0.01,
    schedule="cosine",
    warmup=0.2,
    label_smoothing=0.1,
    flip=True,
    shift=0.2,
    rotation=0.1,
    zoom=0.1,
    noise=0.05,
    cutout=0.3,
    mixup=0.4,
)
TEXT = NETWORKS["text"]
RECURRENT = NETWORKS["series of several lengths"]


def task(network, epochs=2, seed=0, **others):
    return TrainingTask(graph_to_json(network), seed, epochs, keep_snapshots=True, **others)


def made(sample=IMAGE, masked=False, folds=1, **settings):
    from evonas.training.single.trainer import SingleTrainer

    given = TrainingSettings(**{"trainer": "single", "patience": None} | settings)
    return SingleTrainer(layered_data(sample, masked, folds=folds), given)


RANDOM = NETWORKS["random convolutions"]
OF_EACH = [(AUGMENTED, IMAGE, False), (RECURRENT, SERIES, True), (TEXT, TOKENS, False), (RANDOM, SERIES, False)]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("network", "sample", "masked"), OF_EACH, ids=["images", "series", "text", "random"])
def test_a_training_that_goes_on_has_the_bits_of_an_unbroken_one(network, sample, masked):
    trainer = made(sample, masked)
    (whole,) = trained(trainer, [task(network, 3)]).values()
    (first,) = trained(trainer, [task(network, 1, horizon=3)]).values()
    (rest,) = trained(trainer, [task(network, 3, start=first.snapshots)]).values()
    assert whole.status is Status.OK
    assert whole.epochs == len(whole.curve) == 3
    assert_same_bits(rest, whole)
    assert len({*whole.train_curve}) == 3
    data = layered_data(sample, masked)
    raw = raw_outputs(data.problem.attach_columns(network), whole.weights, data.splits[0].x_validation)
    y = data.splits[0].y_validation
    logs = raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))
    assert whole.scores["log_loss"] == pytest.approx(-logs[np.arange(len(y)), y].mean(), rel=1e-4)


@pytest.mark.soak
def test_steps_in_one_program_are_those_of_fit(monkeypatch):
    """With the last batch smaller than the others, and Keras's own batch normalisation."""
    import keras

    from evonas.training.single import resident

    network = layered([conv(6, l2=0.01), conv(4, stride=2), MEAN], optimizer="nadam", batch_size=25)
    (mine,) = trained(made(), [task(network, 3)]).values()
    monkeypatch.setattr(resident, "_program", lambda model, weighted: resident._by_fit(model))
    monkeypatch.setattr("evonas.training.single.graph_model.FusedBatchNormalization", keras.layers.BatchNormalization)
    (theirs,) = trained(made(), [task(network, 3)]).values()
    assert mine.train_curve == pytest.approx(theirs.train_curve, rel=1e-4)
    assert mine.curve == pytest.approx(theirs.curve, rel=1e-3)
    for name, value in theirs.weights.items():
        np.testing.assert_allclose(mine.weights[name], value, rtol=2e-3, atol=2e-4, err_msg=name)


def test_folds_limits_and_patience_hold_as_for_dense_networks():
    network = layered([conv(4), MEAN])
    (found,) = trained(made(folds=2, replicates=1, patience=1, min_delta=10.0), [task(network, 5)]).values()
    assert (found.epochs, len(found.snapshots)) == (2, 2)
    assert found.parameters == 3 * 3 * 3 * 4 + 2 * 4 + 5 * 3
    (over,) = trained(made(max_parameters=100), [task(network)]).values()
    assert over.status is Status.INFEASIBLE


def frozen(weights):
    return {name: value for name, value in weights.items() if name.startswith("layer_1/")}


def test_random_convolutions_are_fitted_to_training_rows_and_stay(monkeypatch):
    from evonas.networks.layered import fit_frozen

    network = NETWORKS["random convolutions of several lengths"]
    data = layered_data(SERIES, True)
    (held,) = trained(made(SERIES, True), [task(network, 3)]).values()
    graph = data.problem.attach_columns(network)
    wanted = frozen(fit_frozen(graph, held.weights, data.splits[0].x_train))
    assert len(wanted) == 6
    for name, value in wanted.items():
        np.testing.assert_array_equal(held.weights[name], value, err_msg=name)
    assert held.parameters == 3 * (200 + 1)
    monkeypatch.setattr("evonas.training.single.frozen._MOST_BYTES", 0)
    (anew,) = trained(made(SERIES, True), [task(network, 3)]).values()
    assert anew.curve == pytest.approx(held.curve, rel=1e-3)
    for name, value in held.weights.items():
        np.testing.assert_allclose(anew.weights[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


def test_a_bag_of_words_weighs_words_by_their_rarity_in_training_rows_and_trains_their_vectors():
    data, network = layered_data(TOKENS), NETWORKS["bag of words and pairs"]
    (found,) = trained(made(TOKENS), [task(network, 2)]).values()
    assert found.status is Status.OK
    ids = data.splits[0].x_train[:, :8].astype(int)
    there = [{word for word in row if 1 < word < 20} for row in ids.tolist()]
    rarity = found.weights["layer_1/words_rarity_embeddings"][:, 0]
    for word in range(20):
        rows = sum(word in row for row in there)
        wanted = math.log((1 + len(ids)) / (1 + rows)) + 1 if word > 1 else 0.0
        assert rarity[word] == pytest.approx(wanted, rel=1e-6), word
    initial = initial_weights(data.problem.attach_columns(network), 10, 3, 0)
    for table in ("words", "pairs"):
        changed = found.weights[f"layer_1/{table}_embeddings"] != initial[f"layer_1/{table}_embeddings"]
        assert changed.any()
    assert found.parameters == (20 + 17) * 6 + 6 * 8 + 8 + 8 * 3 + 3


def test_of_few_series_in_folds_the_weights_have_seen_all_rows():
    from evonas.networks.layered import fit_frozen

    data = layered_data(SERIES, folds=2)
    assert data.refits
    assert not layered_data(IMAGE, folds=2).refits
    assert not layered_data(SERIES, folds=2, count=300).refits
    (found,) = trained(made(SERIES, folds=2), [task(RANDOM, 2)]).values()
    (fold,) = trained(made(SERIES, folds=2), [task(RANDOM, 2, fold=0)]).values()
    assert found.status is Status.OK
    split, graph = data.splits[0], data.problem.attach_columns(RANDOM)
    for weights, rows in (
        (found.weights, np.concatenate([split.x_train, split.x_validation])),
        (fold.weights, split.x_train),
    ):
        for name, value in frozen(fit_frozen(graph, weights, rows)).items():
            np.testing.assert_array_equal(weights[name], value, err_msg=name)


@pytest.mark.soak
def test_chunks_change_only_what_is_drawn(monkeypatch):
    """Without augmentation an epoch is the same however many rows are put in order at a time."""
    network = layered([conv(4), MEAN], batch_size=16)
    (whole,) = trained(made(), [task(network)]).values()
    monkeypatch.setattr("evonas.training.single.resident._CHUNK_NUMBERS", 16 * 192)
    (parts,) = trained(made(), [task(network)]).values()
    assert parts.curve == whole.curve
    assert parts.train_curve == pytest.approx(whole.train_curve, rel=1e-6)  # a sum of sums
    for name, value in whole.weights.items():
        np.testing.assert_array_equal(parts.weights[name], value)


@pytest.mark.soak
def test_a_range_test_and_a_latency_are_of_any_network():
    from evonas.rate_sweep import SweepTask
    from evonas.training.latency import measure_latency
    from evonas.training.sweep import sweep

    prepared = layered_data()
    curve = sweep(SweepTask(graph_to_json(AUGMENTED), (1e-4, 1e-3), (0,)), prepared, TrainingSettings(trainer="single"))
    assert len(curve.losses) == 2
    assert measure_latency(AUGMENTED, prepared) > 0


def test_nothing_of_a_trained_network_stays_in_tensorflow_s_tables():
    """`silu` has a gradient of its own, the loop over batches functions of its own: both were kept for ever."""
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    trainer, network = made(), layered([conv(4, activation="silu"), MEAN])
    counts = []
    for seed in range(3):
        trained(trainer, [task(network, 1, seed=seed)])
        gradients = sum(name.startswith("CustomGradient-") for name in ops.gradient_registry.list())
        counts.append((gradients, len(context.context().list_function_names())))
    assert counts[2] == counts[1]


def test_mixed_precision_learns_and_is_scored_as_what_is_exported():
    network = layered([conv(8, activation="silu"), MEAN], learning_rate=0.01)
    (mixed,) = trained(made(precision="bfloat16"), [task(network, 3)]).values()
    assert mixed.status is Status.OK
    assert all(value.dtype == np.float32 for value in mixed.weights.values())
    assert mixed.train_curve[-1] < mixed.train_curve[0]
    data = layered_data(IMAGE)
    raw = raw_outputs(data.problem.attach_columns(network), mixed.weights, data.splits[0].x_validation)
    logs = raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))
    y = data.splits[0].y_validation
    assert mixed.scores["log_loss"] == pytest.approx(-logs[np.arange(len(y)), y].mean(), rel=1e-4)
