"""Users' own models with real Keras: how they are interpreted and trained, and that failures are values."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from evonas.data.prepare_inputs import prepare_inputs
from evonas.evaluation import Status, snapshots_from_arrays, snapshots_to_arrays
from evonas.training_tasks import TrainingSettings, TrainingTask
from tests.peak_memory import peak_bytes
from tests.training.networks import train_all
from tests.training.own_models import KINDS, SPACE, convolutional, images, sequences

pytestmark = pytest.mark.keras


def own(build, data, **settings):
    from evonas.training.single.user_model import UserModelTrainer

    return UserModelTrainer(data, TrainingSettings(trainer="single", **settings), build)


def task(limit=5, seed=3, space=SPACE, **genes):
    genome = space.sample(np.random.default_rng(0))
    return TrainingTask(space.genome_to_json(genome) | {"values": dict(genome) | genes}, seed, limit)


def prepare(make, **options):
    x, y = make()
    return prepare_inputs(x, y, seed=0, **options)


def run(build, data, given, **settings):
    (found,) = train_all(own(build, data, **settings), [given]).values()
    return found


@functools.cache
def train_kind(kind):
    """A model of every sort after three epochs; its export is tested, too."""
    build, make = KINDS[kind]
    return run(build, prepare(make), task(3))


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.soak if kind == "recurrent" else ()) for kind in KINDS]
)
@pytest.mark.sampled(1)
def test_models_of_every_sort_learn_and_repeat(kind):
    found = train_kind(kind)
    assert found.reason == ""
    assert found.curve[-1] < found.curve[0]
    assert found.epochs == len(found.train_curve) == 3
    assert found.parameters > 20
    if kind != "convolutional":  # contains layers that draw random numbers
        return
    again = run(convolutional, prepare(images), task(3))
    assert (again.curve, again.scores) == (found.curve, found.scores)
    for name, value in found.weights.items():
        np.testing.assert_array_equal(again.weights[name], value)


def test_models_with_too_many_parameters_are_not_trained():
    build, make = KINDS["convolutional"]
    found = run(build, prepare(make), task(3), max_parameters=10)
    assert (found.status, found.epochs, found.weights) == (Status.INFEASIBLE, 0, None)
    assert found.scores == {"parameters": found.parameters, "violation": found.parameters / 10 - 1}
    assert found.reason == f"over the limit: {found.parameters} parameters, at most 10"


# Inputs and outputs of the model.


def ending_in(*last, loss=None, kind="multiclass"):
    """A build function whose model ends in these layers, compiled if there is a loss."""

    def build(genes):
        import keras

        ends = [getattr(keras.layers, name)(*arguments) for name, *arguments in last]
        model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), *ends])
        if loss is not None:
            model.compile(keras.optimizers.Adam(0.02), loss)
        return model

    return build


@pytest.mark.soak
def test_probabilities_and_logits_are_the_same_network():
    data = prepare(images)
    found = [run(ending_in(("Dense", 3), *last), data, task(3)) for last in ((), [("Softmax",)])]
    assert found[0].curve == pytest.approx(found[1].curve, rel=1e-4)
    assert found[0].scores == pytest.approx(dict(found[1].scores), rel=1e-4)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("last", "loss"),
    [
        ([("Dense", 3, "softmax")], "categorical_crossentropy"),
        pytest.param([("Dense", 2)], None, marks=pytest.mark.soak),
        pytest.param([("Dense", 1, "sigmoid")], "binary_crossentropy", marks=pytest.mark.soak),
        ([("Dense", 1)], "hinge"),
    ],
)
@pytest.mark.sampled(1)
def test_classifiers_of_every_form_are_scored_alike(last, loss):
    """In every form, the log loss shows that the network has learned."""
    x, y = images()
    binary = last[0][1] < 3
    data = prepare_inputs(x, (y > 0).astype(int) if binary else y, seed=0)
    found = run(ending_in(*last, loss=loss), data, task(12, learning_rate=0.02))
    assert found.reason == ""
    assert found.scores["accuracy"] > 0.6
    assert found.scores["log_loss"] < (0.65 if binary else 0.95)


@pytest.mark.soak
def test_a_compiled_regression_sees_the_target_in_its_own_units():
    seen = {}

    def build(genes):
        import keras

        class Spy(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

        model = keras.Sequential([keras.Input((6, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
        if seen["compiled"]:
            model.compile(keras.optimizers.Adam(0.5), Spy())
        return model

    data = prepare(sequences)
    std, mean = data.problem.target_std[0], data.problem.target_mean[0]
    for compiled in (True, False):
        seen["compiled"] = compiled
        found = run(build, data, task(1, learning_rate=1e-9))
        if compiled:
            assert 0.1 * mean**2 < found.curve[0] < 2 * mean**2
        assert found.scores["mse"] == pytest.approx(found.curve[0] * (1 if compiled else std**2), rel=1e-4)


def test_genes_that_take_effect():
    data = prepare(images)
    rows = len(data.splits[0].y_train)
    seen = []

    def build(genes):
        import keras

        class Counting(keras.Sequential):
            def fit(self, x, y, **options):
                seen.append((options["batch_size"], float(self.optimizer.learning_rate), type(self.optimizer).__name__))
                return super().fit(x, y, **options)

        model = Counting([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
        if genes.get("own"):
            model.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    found = run(build, data, task(9, batch_size=rows, learning_rate=0.125, optimizer="rmsprop", epochs=2))
    assert found.epochs == 2
    assert seen == [(rows, 0.125, "RMSprop")] * 2
    seen.clear()
    run(build, data, task(1, batch_size=8, learning_rate=0.125, own=True))
    assert seen == [(8, 0.5, "SGD")]


# Stopping, failing, continuing.


def overfitting(genes):
    import keras

    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(3)])


def test_the_best_epoch_is_scored_and_stopping_waits_for_it():
    from evonas.training.single.fitting import assign
    from evonas.training.single.outputs import predict_outputs, try_outputs
    from evonas.training.single.user_model import build_own

    data = prepare(images)
    found = run(overfitting, data, task(60, learning_rate=0.03), patience=3)
    assert found.best_epoch == int(np.argmin(found.curve)) + 1 < found.epochs == found.best_epoch + 3 < 60
    split = data.splits[0]
    model = build_own(overfitting, {}, data.problem, 0)
    try_outputs(model, split.x_train)
    assign(model.weights, found.weights)
    logits = predict_outputs(model, split.x_validation).astype(np.float64)
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(logits)), split.y_validation]
    assert losses.mean() == pytest.approx(min(found.curve), rel=1e-5)
    assert found.scores["log_loss"] == pytest.approx(min(found.curve), rel=1e-5)


def refuse(genes):
    raise LookupError(f"no model\nfor {genes.units}")


FAULTS = {
    refuse: "build raised LookupError: no model for",
    lambda genes: genes.unit: "build raised AttributeError: no gene 'unit' here, only batch_size,",
    lambda genes: None: "build raised TypeError: build must return a keras.Model, not NoneType",
    ending_in(("Dense", 4)): "must have shape (num_samples, 3) for 3 classes, not (num_samples, 4)",
    ending_in(
        ("Dense", 3), ("Reshape", (3, 1))
    ): "must have shape (num_samples, 3) for 3 classes, not (num_samples, 3, 1)",
    ending_in(("Dense", 3), loss="no_such_loss"): "training raised ValueError: Could not interpret loss",
}


def test_failures_are_values(capfd):
    builds = [*FAULTS, overfitting]
    found = train_all(own(lambda genes: builds[genes.which](genes), prepare(images)), [
        task(2, which=number) for number in range(len(builds))
    ])  # fmt: skip
    for number, words in enumerate(FAULTS.values()):
        assert found[number].status is Status.FAILED
        assert words in found[number].reason
        assert "\n" not in found[number].reason
    assert found[len(FAULTS)].status is Status.OK
    assert capfd.readouterr().err.count("Traceback") >= len(FAULTS)


@pytest.mark.soak
def test_a_diverged_model_fails():
    found = run(overfitting, prepare(images), task(5, learning_rate=1e30))
    assert found.status is Status.FAILED
    assert "diverged" in found.reason


def noisy(genes):
    """With dropout and batch normalisation."""
    import keras

    flat = [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dropout(0.3)]
    return keras.Sequential(
        [*flat, keras.layers.Dense(genes.units), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    )


@functools.cache
def narrow():
    """The network after one epoch, to start from."""
    return run(noisy, prepare(images), replace(task(1), keep_snapshots=True))


@pytest.mark.soak
def test_continuing_gives_the_bits_of_an_uninterrupted_training():
    data = prepare(images)
    whole = run(noisy, data, task(3))
    first = narrow()
    kept = snapshots_from_arrays(snapshots_to_arrays(first.snapshots))
    rest = run(noisy, data, replace(task(3), start=kept))
    assert (rest.curve, rest.train_curve, rest.scores) == (whole.curve, whole.train_curve, whole.scores)
    over = run(noisy, data, replace(task(3, epochs=1), start=kept))
    assert (over.epochs, over.scores) == (1, first.scores)


@pytest.mark.soak
def test_weights_are_inherited_as_far_as_they_fit():
    data = prepare(images)
    first = narrow()
    wider = replace(task(1, units=20, learning_rate=1e-9), start=first.snapshots, origin=task(1).architecture)
    found = run(noisy, data, replace(wider, inherit=True))
    assert found.epochs == 1
    kernel, before = (next(v for k, v in e.weights.items() if "dense/kernel" in k) for e in (found, first))
    np.testing.assert_allclose(kernel[..., : before.shape[1]], before, atol=1e-6)
    other = run(noisy, data, wider)
    assert "weights must be of the shapes" in other.reason


@pytest.mark.soak
def test_folds_and_class_weights():
    x, y = images()
    data = prepare_inputs(x, y, seed=0, folds=2, class_weight="balanced")
    found = run(overfitting, data, task(2))
    assert found.status is Status.OK
    assert len(found.curve) == 2


@pytest.mark.soak
def test_a_hundred_small_models_stay_small():
    trainer = own(convolutional, prepare(images))
    train_all(trainer, [task(1, seed=seed) for seed in range(5)])
    before = peak_bytes()
    train_all(trainer, [task(1, seed=seed) for seed in range(100)])
    grown = (peak_bytes() - before) / 2**20
    print(f"100 models, peak memory grown by {grown:.0f} MB")
    assert grown < 1000
