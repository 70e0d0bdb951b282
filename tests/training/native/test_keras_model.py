"""A user's own Keras models, trained natively: the same losses as `fit`, or a reason why not."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from evonas.training.native.keras_fit import fit, prepare_fit
from evonas.training.native.refusal import Refused

layers, optimizers, regularizers = keras.layers, keras.optimizers, keras.regularizers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6)).astype(np.float32)
LINE = (X @ RNG.normal(size=6) + 0.3 * np.sin(3 * X[:, 0])).astype(np.float32)
TRUTH = (LINE > 0).astype(np.float32)
CLASSES = np.digitize(LINE, [-1.5, 1.5])
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]

Make = Callable[[], keras.Model]


def chain(*parts: Any) -> keras.Model:
    """Six inputs, the layers, one output."""
    return keras.Sequential([keras.Input((6,)), *parts, layers.Dense(1)])


def dense(activation: Any = "relu", **options: Any) -> Make:
    return lambda: chain(layers.Dense(8, activation=activation, **options))


def ending(units: int, activation: str | None) -> Make:
    return lambda: keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(units, activation=activation)]
    )


def normalized() -> keras.Model:
    return chain(
        layers.Dense(8, use_bias=False),
        layers.BatchNormalization(momentum=0.9, epsilon=1e-4),
        layers.ReLU(),
        layers.Dense(8),
        layers.LayerNormalization(scale=False),
        layers.LeakyReLU(),
    )


def branches() -> keras.Model:
    scale = layers.Normalization()
    scale.adapt(X)
    first = inputs = keras.Input((6,))
    first = scale(inputs)
    added = layers.Add()([first, layers.Dense(6, "relu")(first)])
    mean = layers.Average()([added, layers.Dense(6)(added)])
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(3, "tanh")])
    joined = layers.Concatenate()([first, mean, layers.Subtract()([added, mean]), inner(first)])
    return keras.Model(inputs, layers.Dense(1)(joined))


def frozen() -> keras.Model:
    model = chain(layers.Dense(5, "tanh", kernel_regularizer="l2"), layers.Dense(4))
    model.layers[0].trainable = False
    return model


def unbuilt() -> keras.Model:
    return keras.Sequential([layers.Flatten(), layers.Rescaling(0.5), layers.Dropout(0.0), layers.Dense(1)])


def compiled(make: Make, loss: Any = "mse", optimizer: Any = "adam", metrics: Any = None) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = make()
    model.compile(optimizer=optimizer() if callable(optimizer) else optimizer, loss=loss, metrics=metrics)
    return model


def fit_options(y: Any, **more: Any) -> dict[str, Any]:
    held = (X[:32], y[:32])
    return {"batch_size": 20, "epochs": 5, "shuffle": False, "verbose": 0, "validation_data": held, **more}


def check_same(model: keras.Model, y: Any, **more: Any) -> None:
    """Natively, then by Keras from the same weights: every logged number, and the weights in the end."""
    options = fit_options(y, **more)
    given = prepare_fit(model, (X, y), options, seed=1)
    assert not isinstance(given, Refused), given
    initial = model.get_weights()
    given.run()
    weights = given.training.weights()
    model.set_weights(initial)
    history = model.fit(X, y, **options).history
    assert sorted(history) == sorted(given.history)
    for name, values in history.items():
        np.testing.assert_allclose(given.history[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    for mine, theirs in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=2e-3)


ACTIVATIONS = (
    "elu", "selu", "sigmoid", "tanh", "silu", "gelu", "relu6", "hard_tanh", "hard_sigmoid", "softplus", "softsign",
    "exponential", "mish", "softmax", "leaky_relu",
)  # fmt: skip


@pytest.mark.soak
def test_every_activation() -> None:
    parts = [layers.Dense(2, activation=name) for name in ACTIVATIONS]

    def wide() -> keras.Model:
        inputs = keras.Input((6,))
        return keras.Model(inputs, layers.Dense(1)(layers.Concatenate()([part(inputs) for part in parts])))

    check_same(compiled(wide), LINE)


MODELS: dict[str, tuple[Make, Any, Any, Any]] = {
    "metrics": (dense(), "mse", LINE, ["mae", keras.metrics.RootMeanSquaredError()]),
    "binary": (ending(1, "sigmoid"), "binary_crossentropy", TRUTH, ["accuracy", keras.metrics.AUC()]),
    "logits": (ending(1, None), keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), TRUTH, None),
    "classes": (ending(3, "softmax"), "sparse_categorical_crossentropy", CLASSES, ["accuracy"]),
    "one-hot": (ending(3, "softmax"), keras.losses.CategoricalCrossentropy(label_smoothing=0.1), ONE_HOT, ["acc"]),
    "sigmoid-mse": (ending(1, "sigmoid"), "mse", TRUTH, None),
    "huber": (dense(), keras.losses.Huber(delta=0.5), LINE, None),
    "log-cosh": (dense(), "log_cosh", LINE, None),
    "mae": (dense(), "mean_absolute_error", LINE, None),
    "normalized": (normalized, "mse", LINE, None),
    "branches": (branches, "mse", LINE, None),
    "frozen": (frozen, "mse", LINE, None),
    "unbuilt": (unbuilt, "mse", LINE, None),
    "penalties": (
        dense(kernel_regularizer=regularizers.L1L2(1e-3, 1e-3), bias_regularizer=regularizers.L2(1e-2)),
        "mse",
        LINE,
        None,
    ),
}


#: Tried at once: Keras takes two seconds for each. The other losses are held against their definition elsewhere.
QUICK = ("binary", "one-hot", "huber", "normalized", "branches", "penalties")
#: The other optimizers are held against Keras in `test_optimizers.py` and `test_equivalence.py`.
QUICK_OPTIMIZERS = ("nesterov", "adagrad", "adam", "warm-up")


def at_once(names: Collection[str], quick: Collection[str]) -> list[Any]:
    """The names as parameters, of which those that are not quick are for `make soak`."""
    return [pytest.param(name, marks=() if name in quick else pytest.mark.soak) for name in names]


@pytest.mark.parametrize("name", at_once(MODELS, QUICK))
@pytest.mark.sampled(2)
def test_the_same_losses_as_fit(name: str) -> None:
    make, loss, y, metrics = MODELS[name]
    check_same(compiled(make, loss, metrics=metrics), y)


SCHEDULES = optimizers.schedules
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": partial(optimizers.SGD, 0.1, clipvalue=0.1),
    "momentum": partial(optimizers.SGD, 0.01, momentum=0.8, global_clipnorm=0.5),
    "nesterov": partial(optimizers.SGD, 0.01, momentum=0.8, nesterov=True, weight_decay=1e-2),
    "rmsprop": partial(optimizers.RMSprop, 0.01, rho=0.8, epsilon=1e-5),
    "adagrad": partial(optimizers.Adagrad, 0.05),
    "adam": partial(optimizers.Adam, 0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-5, clipnorm=0.1),
    "adamw": partial(optimizers.AdamW, 0.01, weight_decay=0.05),
    "nadam": partial(optimizers.Nadam, 0.01),
    "schedule": lambda: optimizers.Adam(SCHEDULES.ExponentialDecay(0.05, 10, 0.9)),
    "warm-up": lambda: optimizers.SGD(SCHEDULES.CosineDecay(0.05, 40, warmup_target=0.1, warmup_steps=5)),
}


@pytest.mark.parametrize("name", at_once(OPTIMIZERS, QUICK_OPTIMIZERS))
@pytest.mark.sampled(1)
def test_every_optimizer(name: str) -> None:
    check_same(compiled(dense(), optimizer=OPTIMIZERS[name]), LINE)


@pytest.mark.soak
def test_weights_of_rows_and_of_classes() -> None:
    check_same(compiled(dense()), LINE, sample_weight=np.abs(X[:, 0]))
    model = compiled(ending(1, "sigmoid"), "binary_crossentropy")
    check_same(model, TRUTH, class_weight={0: 1.0, 1: 3.0}, validation_data=None, validation_split=0.3)


def test_early_stopping_is_keras_s_own_and_gives_the_best_weights_back() -> None:
    model = compiled(dense(), optimizer=partial(optimizers.SGD, 0.25))
    stopping = keras.callbacks.EarlyStopping(patience=2, min_delta=0.01, restore_best_weights=True)
    check_same(model, LINE, epochs=30, callbacks=[stopping])


@pytest.mark.soak
def test_afterwards_the_model_is_trained_on_by_keras_as_if_it_had_been_all_along() -> None:
    model = compiled(dense(), optimizer=OPTIMIZERS["nadam"])
    initial = model.get_weights()
    history, refused = fit(model, (X, LINE), fit_options(LINE, epochs=3))
    assert refused is None
    assert model.history is history
    assert int(model.optimizer.iterations) == 15
    found = model.evaluate(X[:32], LINE[:32], verbose=0)
    assert found == pytest.approx(history.history["val_loss"][-1], rel=1e-5)
    then = model.fit(X, LINE, **fit_options(LINE, epochs=2)).history["loss"]
    other = compiled(dense(), optimizer=OPTIMIZERS["nadam"])
    other.set_weights(initial)
    straight = other.fit(X, LINE, **fit_options(LINE)).history["loss"]
    np.testing.assert_allclose(history.history["loss"] + then, straight, rtol=1e-4)


def test_dropout_and_the_order_are_random_and_follow_the_seed() -> None:
    def losses(seed: int) -> list[float]:
        model = compiled(lambda: chain(layers.Dense(8, "relu"), layers.Dropout(0.5)))
        given = prepare_fit(model, (X, LINE), fit_options(LINE, shuffle=True), seed)
        assert not isinstance(given, Refused)
        given.run()
        return given.history["loss"]

    assert losses(1) == losses(1) != losses(2)


class Mine(keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x


class Model(keras.Model):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x


def own_metric(y: Any, outputs: Any) -> Any:
    return keras.ops.mean(outputs)


REFUSALS: dict[str, tuple[Callable[[], keras.Model], dict[str, Any]]] = {
    "the callback ReduceLROnPlateau": (
        lambda: compiled(dense()),
        {"callbacks": [keras.callbacks.ReduceLROnPlateau()]},
    ),
    "(Mine)": (lambda: compiled(lambda: chain(Mine())), {}),
    "of the shape (6, 1)": (
        lambda: compiled(lambda: chain(layers.Reshape((6, 1)), layers.Conv1D(2, 2), layers.Flatten())),
        {},
    ),
    "the custom class Model": (lambda: compiled(Model), {}),
    "run eagerly": (lambda: _eager(), {}),
    "the activation own_metric": (lambda: compiled(dense(partial(own_metric, None))), {}),
    "the optimizer Lion": (lambda: compiled(dense(), optimizer="lion"), {}),
    "amsgrad": (lambda: compiled(dense(), optimizer=partial(optimizers.Adam, amsgrad=True)), {}),
    "the loss poisson": (lambda: compiled(dense(), "poisson"), {}),
    "the metric own_metric": (lambda: compiled(dense(), metrics=[own_metric]), {}),
    "steps_per_epoch": (lambda: compiled(dense()), {"steps_per_epoch": 2}),
    "validation_data is not a pair": (lambda: compiled(dense()), {"validation_data": (X, LINE, LINE)}),
    "a constraint": (lambda: compiled(dense(kernel_constraint="non_neg")), {}),
    "used more than once": (lambda: compiled(_shared), {}),
    "which the model does not output": (lambda: compiled(ending(1, None), "binary_crossentropy"), {}),
}


def _eager() -> keras.Model:
    model = compiled(dense())
    model.compile(loss="mse", run_eagerly=True)
    return model


def _shared() -> keras.Model:
    inputs, layer = keras.Input((6,)), layers.Dense(6)
    return keras.Model(inputs, layer(layer(inputs)))


@pytest.mark.parametrize("reason", REFUSALS)
def test_what_is_not_known_is_refused_with_the_reason(reason: str) -> None:
    make, more = REFUSALS[reason]
    given = prepare_fit(make(), (X, LINE), fit_options(LINE, **more))
    assert isinstance(given, Refused)
    words = {"the activation own_metric": "the activation"}
    assert words.get(reason, reason) in given.reason


def build(hp: Any) -> keras.Model:
    return compiled(lambda: chain(layers.Dense(hp.Int("units", 4, 32), "relu")))


@pytest.mark.parametrize("trainer", ["auto", pytest.param("single", marks=pytest.mark.soak)])
def test_a_tuner_trains_natively_unless_told_otherwise(
    tmp_path: Path, trainer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from evonas import tuner

    search = tuner.Evolution(build, "val_loss", 3, directory=tmp_path, in_process=True, trainer=trainer)  # type: ignore[arg-type]
    search.search(X, LINE, epochs=2, validation_split=0.25, verbose=0)
    assert (search.trained.natively, sum(search.trained.by_keras.values())) == ((3, 0) if trainer == "auto" else (0, 3))
    search.results_summary()
    expected = "3 models trained natively, 0 by Keras" if trainer == "auto" else "by Keras: trainer is single (3)"
    assert expected in capsys.readouterr().out
    best = search.get_best_models()[0]
    score = best.evaluate(X[72:], LINE[72:], verbose=0)
    assert score == pytest.approx(search.done_trials(1)[0].score, rel=1e-4)


def build_model(units: int = 8) -> keras.Model:
    return compiled(lambda: chain(layers.Dense(units, "relu")))


def test_a_cross_validation_trains_scores_and_refits_natively() -> None:
    from evonas.estimators import EvolutionSearchCV

    search = EvolutionSearchCV(build_model, {"units": [4, 8, 16]}, n_iter=2, cv=2, random_state=0)
    search.fit(X, LINE, epochs=3, callbacks=[keras.callbacks.EarlyStopping(monitor="loss", patience=2)])
    assert str(search.trained_) == "4 models trained natively, 0 by Keras"
    outputs = search.best_model_.predict(X, verbose=0)
    np.testing.assert_allclose(search.predict(X), outputs[:, 0], rtol=1e-4, atol=1e-5)
    assert search.best_estimator_.score(X, LINE) == pytest.approx(-search.best_model_.evaluate(X, LINE, verbose=0))


def flattened(genes: Any) -> keras.Model:
    """Compiled, on sequences of two numbers: a regression in the target's own units."""
    model = keras.Sequential(
        [keras.Input((6, 2)), layers.Flatten(), layers.Dense(genes.units, "relu"), layers.Dense(1)]
    )
    model.compile(optimizers.Adam(0.01), loss="mse")
    return model


def test_a_build_function_trains_natively_goes_on_and_gives_what_keras_gives() -> None:
    from evonas.data.prepare_inputs import prepare_inputs
    from evonas.training.single.user_model import UserModelTrainer
    from evonas.training_tasks import TrainingSettings, TrainingTask
    from tests.training.networks import trained
    from tests.training.own_models import SPACE, sequences

    x, y = sequences()
    data = prepare_inputs(x, y, seed=0)
    genome = SPACE.genome_to_json(SPACE.sample(np.random.default_rng(0)))

    def run(trainer: str, epochs: int, **more: Any) -> Any:
        own = UserModelTrainer(data, TrainingSettings(trainer=trainer), flattened)
        (found,) = trained(own, [TrainingTask(genome, 3, epochs, keep_snapshots=True, **more)]).values()
        return found

    native, keras_s = run("native", 4), run("single", 4)
    assert native.notes["trained"] == {"natively": 1, "by_keras": []}
    np.testing.assert_allclose(native.curve, keras_s.curve, rtol=1e-4)
    np.testing.assert_allclose(native.train_curve, keras_s.train_curve, rtol=1e-4)
    assert native.scores == pytest.approx(keras_s.scores, rel=1e-3)
    resumed = run("native", 4, start=run("native", 2).snapshots)
    assert resumed.curve == native.curve
