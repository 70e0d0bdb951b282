"""Every gene value: the native and the population trainer give the numbers of `keras.Model.fit`.

Each key of the table is one call of `train`; each network is then trained alone by `SingleTrainer`, which is Keras
itself, once for all trainers, and some by a loop written out here. Dropout is compared by sharing masks: Keras gets a
layer that multiplies by those of `evonas.training.population.dropout` (whose distribution `test_dropout.py` checks).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evonas.evaluation import Status
from evonas.networks.initial import epoch_order, initial_weights
from evonas.networks.schedule import learning_rates
from evonas.training.population.network import Network
from evonas.training_tasks import TrainingSettings
from genomes.architecture.layers import ACTIVATIONS, INITIALIZERS, NORMALIZATIONS, OPTIMIZERS, SCHEDULES
from genomes.errors import InputError
from tests.training.gene_table import ALONE, SEEDS, TABLE, rows
from tests.training.networks import graph, task, train_all
from tests.training.trainers import TRAINERS

EPOCHS = 5
CLOSE = 1e-4
ROWS = [(key, name) for key, networks in TABLE.items() for name in networks]
ROWS_ALONE = [(key, name) for key, networks in ALONE.items() for name in networks]


#: Networks that are compared with Keras.
OURS = [name for name in TRAINERS if name != "single"]
#: What `make test` compares with Keras, for the native trainer: every gene whose value changes what Keras computes.
#: `make soak` covers the whole table and the population trainer.
AT_ONCE = (
    *("every layer otherwise", "leaky_relu sgd", "elu momentum cosine warm-up", "gelu rmsprop warm-up"),
    *("silu adamw cosine", "tanh nadam exponential warm-up", "skips, batch norm", "batch larger than the data"),
    *("mae", "huber weighted", "two targets weighted"),
    *("mish adam beta2 flat_cosine", "coslog4 adamw beta2 warm-up"),
)
every_one_of_ours = pytest.mark.parametrize(
    "trainer", [pytest.param(name, marks=() if name == "native" else pytest.mark.soak) for name in OURS]
)


def settings(loss):
    return TrainingSettings(loss=loss, patience=None)


def together(trainer, kind, loss, weighted, networks):
    """Name -> evaluation of networks trained in one call."""
    made = TRAINERS[trainer](rows(kind, weighted), settings(loss))
    found = train_all(made, [task(network, EPOCHS, SEEDS.get(name, 7)) for name, network in networks.items()])
    return {name: found[k] for k, name in enumerate(networks)}


def is_supported(trainer, network):
    """Whether a trainer has the network's kind of input and members."""
    return trainer != "population" or not (
        "embedding" in network.nodes[0] or "category_units" in network.nodes[0] or "members" in network.nodes[0]
    )


@pytest.fixture(scope="module")
def crowd():
    """(trainer, key) -> name -> evaluation; each key is trained on first use."""
    held = {}

    def of(trainer, key):
        if (trainer, key) not in held:
            networks = {name: each for name, each in TABLE[key].items() if is_supported(trainer, each)}
            held[trainer, key] = together(trainer, *key, networks)
        return held[trainer, key]

    return of


@functools.cache
def reference_of(key, name):
    """Keras's evaluation of a network of the table."""
    from evonas.training.single.trainer import SingleTrainer

    kind, loss, weighted = key
    one = task((TABLE.get(key, {}) | ALONE.get(key, {}))[name], EPOCHS, SEEDS[name])
    (reference,) = train_all(SingleTrainer(rows(kind, weighted), settings(loss)), [one]).values()
    return reference


def assert_same(found, curve, train_curve, rel=CLOSE):
    assert found.status is Status.OK
    assert len(found.curve) == len(found.train_curve) == found.epochs == len(curve)
    np.testing.assert_allclose(found.curve, curve, rtol=rel)
    np.testing.assert_allclose(found.train_curve, train_curve, rtol=rel)
    # Something was learned: equal constants would prove nothing.
    assert len(set(found.curve)) == len(curve)


def test_the_table_has_every_value_of_every_gene():
    networks = [network for networks in TABLE.values() for network in networks.values()]
    chosen = [networks[name] for networks in TABLE.values() for name in AT_ONCE if name in networks]
    assert len(chosen) == len(AT_ONCE)
    assert {network.graph["training"]["optimizer"] for network in chosen} == set(OPTIMIZERS)
    assert {network.graph["training"]["schedule"] for network in chosen} == set(SCHEDULES)
    at = [network.nodes[node] for network in chosen for node in range(1, len(network) - 1)]
    assert {layer["activation"] for layer in at} >= set(ACTIVATIONS) - {"linear"}
    assert {layer["normalization"] for layer in at} == set(NORMALIZATIONS)
    layers = [network.nodes[node] for network in networks for node in range(1, len(network) - 1)]
    genes = [network.graph["training"] for network in networks]
    for place, name, values in (
        (layers, "activation", ACTIVATIONS),
        (layers, "normalization", NORMALIZATIONS),
        (layers, "initializer", INITIALIZERS),
        (genes, "optimizer", OPTIMIZERS),
        (genes, "schedule", SCHEDULES),
    ):
        assert {attributes[name] for attributes in place} == set(values)
    assert {len(network) - 2 for network in networks} >= {0, 1, 2, 3, 4}
    assert {key[1] for key in TABLE} >= {"mse", "mae", "huber"}
    assert {key[0] for key in TABLE} == {"regression", "multi", "binary", "multiclass"}
    assert {key[2] for key in TABLE} == {True, False}


@pytest.mark.sampled(5)
@pytest.mark.keras
@every_one_of_ours
@pytest.mark.parametrize(
    ("key", "name"),
    [pytest.param(*row, marks=() if row[1] in AT_ONCE else pytest.mark.soak) for row in ROWS],
    ids=[name for _, name in ROWS],
)
def test_the_numbers_are_those_of_keras(crowd, key, name, trainer):
    if not is_supported(trainer, TABLE[key][name]):
        with pytest.raises(InputError, match="population trainer"):
            together(trainer, *key, {name: TABLE[key][name]})
        return
    assert_numbers_of_keras(crowd(trainer, key)[name], reference_of(key, name))


@pytest.mark.sampled(2)
@pytest.mark.keras
@pytest.mark.parametrize(("key", "name"), ROWS_ALONE, ids=[name for _, name in ROWS_ALONE])
def test_the_numbers_for_genes_that_a_population_does_not_support(key, name):
    assert_numbers_of_keras(together("native", *key, {name: ALONE[key][name]})[name], reference_of(key, name))


@pytest.mark.parametrize(("key", "name"), ROWS_ALONE, ids=[name for _, name in ROWS_ALONE])
def test_a_population_refuses_genes_that_it_does_not_support(key, name):
    with pytest.raises(InputError, match="must be off with the population trainer"):
        Network.from_graph(ALONE[key][name])


def assert_numbers_of_keras(found, reference):
    assert_same(found, reference.curve, reference.train_curve)
    assert found.best_epoch == reference.best_epoch
    assert found.parameters == reference.parameters
    assert dict(found.scores) == pytest.approx(dict(reference.scores), rel=CLOSE)
    assert found.weights.keys() == reference.weights.keys()
    for part, value in reference.weights.items():
        assert found.weights[part].shape == value.shape
        np.testing.assert_allclose(found.weights[part], value, rtol=1e-3, atol=1e-3)


def by_hand(model, network, prepared, seed, optimizer, loss):
    """(curve, train_curve) of a plain loop over `fit`, one call per epoch, setting the rate before every batch."""
    import keras

    split, genes = prepared.splits[0], network.graph["training"]
    batch = genes["batch_size"]
    steps = -(-len(split.x_train) // batch)
    rates = learning_rates(genes["learning_rate"], genes["schedule"], genes["warmup"], EPOCHS * steps)
    taken = iter(rates.tolist())

    class Rate(keras.callbacks.Callback):
        def on_train_batch_begin(self, step, logs=None):
            self.model.optimizer.learning_rate = next(taken)

    for name, value in initial_weights(network, 4, prepared.problem.num_outputs, seed).items():
        layer, part = name.split("/")
        if part in ("gamma", "beta", "moving_mean", "moving_variance"):
            layer = f"norm_{layer}"
        (variable,) = (v for v in model.get_layer(layer).weights if v.name == part)
        variable.assign(value)
    model.compile(optimizer=optimizer, loss=loss)
    curve, train_curve = [], []
    for epoch in range(EPOCHS):
        order = epoch_order(seed, epoch, len(split.x_train))
        weight = None if split.weight_train is None else split.weight_train[order]
        history = model.fit(
            split.x_train[order],
            split.y_train[order],
            sample_weight=weight,
            batch_size=batch,
            shuffle=False,
            verbose=0,
            callbacks=[Rate()],
        )
        train_curve.append(history.history["loss"][0])
        outputs = keras.ops.convert_to_tensor(model.predict_on_batch(split.x_validation))
        curve.append(float(loss(keras.ops.convert_to_tensor(split.y_validation), outputs)))
    assert next(taken, None) is None
    return curve, train_curve


def batch_norm_chain(network):
    import keras

    x = keras.Input((4,))
    h = keras.layers.Dense(10, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.01), name="layer_1")(x)
    h = keras.layers.BatchNormalization(name="norm_layer_1")(h)
    h = keras.layers.Activation("sigmoid")(h)
    h = keras.layers.Dense(6, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.01), name="layer_2")(h)
    h = keras.layers.BatchNormalization(name="norm_layer_2")(h)
    h = keras.layers.Activation("sigmoid")(h)
    h = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.01), name="output")(h)
    return keras.Model(x, h), keras.optimizers.Nadam(), keras.losses.MeanSquaredError()


def skip_classifier(network):
    import keras

    x = keras.Input((4,))
    a = keras.layers.Dense(9, activation="relu", name="layer_1")(x)
    b = keras.layers.Dense(6, activation="relu", name="layer_2")(a)
    h = keras.layers.Dense(3, name="output")(keras.layers.Concatenate()([a, b]))
    return keras.Model(x, h), keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def scheduled_chain(network):
    import keras

    layers = [keras.Input((4,)), keras.layers.Dense(20, activation="selu", name="layer_1")]
    model = keras.Sequential([*layers, keras.layers.Dense(1, name="output")])
    return model, keras.optimizers.SGD(momentum=0.9, nesterov=True), keras.losses.MeanSquaredError()


def weighted_logit(network):
    import keras

    layers = [keras.Input((4,))]
    for name, units, activation in (("layer_1", 9, "tanh"), ("output", 1, None)):
        layers.append(keras.layers.Dense(units, activation, kernel_regularizer=keras.regularizers.L2(0.01), name=name))
    return keras.Sequential(layers), keras.optimizers.Adam(), keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.mark.keras
@every_one_of_ours
@pytest.mark.parametrize(
    ("key", "name", "build"),
    [
        (("regression", "mse", False), "sigmoid batch norm l2", batch_norm_chain),
        (("multiclass", "auto", False), "multiclass", skip_classifier),
        (("regression", "mse", False), "selu nesterov exponential", scheduled_chain),
        (("binary", "auto", True), "binary weighted", weighted_logit),
    ],
    ids=["batch norm", "skips", "schedule", "weights"],
)
@pytest.mark.sampled(1)
@pytest.mark.soak
def test_the_numbers_are_those_of_keras_written_out(crowd, key, name, build, trainer):
    network = TABLE[key][name]
    model, optimizer, loss = build(network)
    curve, train_curve = by_hand(model, network, rows(key[0], key[2]), SEEDS[name], optimizer, loss)
    assert_same(crowd(trainer, key)[name], curve, train_curve)


DROPOUTS = {
    "chain": graph((12, 9), dropout=0.3, batch_size=31, activation="relu"),
    "batch norm": graph((10,), dropout=0.1, normalization="batch", optimizer="nadam"),
    "layer norm, skips": graph((6, 7), [(0, 1), (1, 2), (0, 3), (2, 3)], "gelu", 0.6, "layer", batch_size=100),
}


@functools.cache
def train_with_dropout(trainer):
    """The networks with dropout, and "plain ..." ones without."""
    plain = {f"plain {name}": network.copy() for name, network in DROPOUTS.items()}
    for network in plain.values():
        for node in range(1, len(network) - 1):
            network.nodes[node]["dropout"] = 0.0
    return together(trainer, "regression", "mse", False, DROPOUTS | plain)


@pytest.mark.keras
@every_one_of_ours
@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.sampled(1)
def test_dropout_with_shared_masks_gives_the_numbers_of_keras(name, trainer):
    import keras

    from evonas.training.population.dropout import keep_mask

    network = DROPOUTS[name]

    class SharedMask(keras.layers.Layer):
        """Dropout whose masks are functions of (seed, step, layer)."""

        def __init__(self, node):
            super().__init__()
            self.node, self.step = node, self.add_weight(shape=(), dtype="int32", trainable=False, name="step")

        def call(self, x, training=False):
            if not training:
                return x
            at = network.nodes[self.node]
            rate = keras.ops.full((1, 1, 1), at["dropout"])
            seed, step = keras.ops.full((1,), 7, "int32"), keras.ops.reshape(self.step.value, (1,))
            batch = network.graph["training"]["batch_size"]
            mask = keep_mask(seed, step, self.node, rate, batch, at["units"])[0]
            self.step.assign(self.step + 1)
            return x * mask[: keras.ops.shape(x)[0]]

    held = [keras.Input((4,))]
    for node in range(1, len(network)):
        sources = [held[source] for source in sorted(network.predecessors(node))]
        h = sources[0] if len(sources) == 1 else keras.layers.Concatenate()(sources)
        at, last = network.nodes[node], node == len(network) - 1
        label = "output" if last else f"layer_{node}"
        h = keras.layers.Dense(1 if last else at["units"], use_bias=at.get("normalization") != "batch", name=label)(h)
        if not last:
            kind = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}
            if at["normalization"] in kind:
                h = kind[at["normalization"]](name=f"norm_{label}")(h)
            h = SharedMask(node)(keras.layers.Activation(at["activation"])(h))
        held.append(h)
    optimizer = {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam}[network.graph["training"]["optimizer"]]
    curve, train_curve = by_hand(
        keras.Model(held[0], held[-1]),
        network,
        rows("regression", False),
        7,
        optimizer(),
        keras.losses.MeanSquaredError(),
    )
    assert_same(train_with_dropout(trainer)[name], curve, train_curve)


@pytest.mark.keras
@every_one_of_ours
@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_does_something(name, trainer):
    found = train_with_dropout(trainer)
    assert abs(found[f"plain {name}"].train_curve[-1] / found[name].train_curve[-1] - 1.0) > 1e-2


@pytest.mark.keras
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "jax", reason="this is that run")
def test_the_whole_table_on_jax():
    """Runs this file again in a separate process."""
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(Path(__file__))],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-4000:]


@pytest.mark.keras
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "jax", reason="of the run on jax")
def test_jax_needs_no_tensorflow():
    import keras

    assert keras.backend.backend() == "jax"
    assert "tensorflow" not in sys.modules
