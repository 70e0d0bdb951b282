"""`Evolution` with real Keras: searches written as in KerasTuner's guides."""

from __future__ import annotations

import random

import numpy as np
import pytest

import evonas
from evonas import tuner
from evonas.runs import RunReader
from genomes import InputError

pytestmark = pytest.mark.keras

X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def build(hp):
    import keras

    model = keras.Sequential()  # built by fit, not here
    for layer in range(hp.Int("num_layers", 1, 2)):
        model.add(keras.layers.Dense(hp.Int(f"units_{layer}", 4, 16, step=4), hp.Choice("act", ["relu", "tanh"])))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(0.25))
    model.add(keras.layers.Dense(2, activation="softmax"))
    rate = hp.Float("lr", min_value=1e-3, max_value=1e-1, sampling="log")
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Tuned(tuner.HyperModel):
    """A tuner with a custom `fit`, which tunes the training."""

    def build(self, hp):
        if hp.Choice("act", ["relu", "tanh"]) == "none":
            raise AssertionError
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 32]), **kwargs)


def test_a_search_in_the_worker_process(tmp_path, capsys):
    import keras

    options = {"objective": "val_accuracy", "max_trials": 2, "directory": tmp_path, "project_name": "run"}
    drawn = random.getstate()
    search = tuner.Evolution(build, **options)
    fitting = {"epochs": 2, "validation_split": 0.25, "callbacks": [keras.callbacks.EarlyStopping("val_loss")]}
    search.search(X, Y, **fitting)
    search.get_best_models()
    assert random.getstate() == drawn  # Keras draws from it when it builds the model
    with pytest.raises(InputError, match="was created in Python with 'build'"):
        evonas.resume(tmp_path / "run", evaluations=9)
    search.results_summary()
    search.search_space_summary(extended=True)
    printed = capsys.readouterr().out
    for text in ("Trial 2 of 2", "val_accuracy (max)", "num_layers: 1", "lr (Float)"):
        assert text in printed
    first, second = search.get_best_hyperparameters(2)
    assert first.values != second.values

    search.search(X, Y, **fitting)  # all trials are done
    assert search.remaining_trials == 0
    assert "Trial" not in capsys.readouterr().out
    with pytest.raises(InputError, match="these differ: data"):
        search.search(X + 1, Y, **fitting)
    with pytest.raises(InputError, match="these differ: build"):
        tuner.Evolution(lambda hp: build(hp), **options).search(X, Y, **fitting)


def test_models_have_the_score_of_their_best_epoch(tmp_path):
    search = tuner.Evolution(
        Tuned(),
        objective="val_acc",
        max_trials=2,
        directory=tmp_path,
        in_process=True,
        optimizer="sgd",
        metrics=["acc"],
    )
    held_out = (X[:20], Y[:20])
    search.search(X[20:], Y[20:], epochs=2, validation_data=held_out, verbose=0)
    (model,) = search.get_best_models()
    (best,) = search.get_best_hyperparameters()
    assert best.get("batch_size") in (16, 32)
    assert "batch_size" in best.values  # though only `fit` asks for it
    with RunReader(search.project_dir) as run:
        recorded = run.best(1)[0].evaluation
    loss, accuracy = model.evaluate(*held_out, verbose=0)
    assert loss == pytest.approx(recorded.scores["val_loss"], rel=1e-5)
    assert accuracy == pytest.approx(recorded.scores["val_acc"])
    assert recorded.scores["val_acc"] == max(recorded.curve)
    assert search.hypermodel.build(best).compiled


class Priced(tuner.HyperModel):
    """Does not train, and may be stopped midway."""

    def __init__(self):
        self.left = 99

    def build(self, hp):
        import keras

        hp.Int("units", 1, 1000)
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp, model, **kwargs):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return hp.get("units") + hp.Float("price", 0.0, 9.0) + float(np.abs(model.get_weights()[0]).sum())


def test_a_stopped_search_continues_as_if_uninterrupted(tmp_path):
    def search(name, left=99):
        options = {"directory": tmp_path, "project_name": name, "in_process": True, "executions_per_trial": 2}
        tuned = tuner.Evolution(Priced(), max_trials=6, **options)
        tuned.hypermodel.given.left = left
        tuned.search(verbose=0)
        return tuned

    whole = search("whole")
    with pytest.raises(KeyboardInterrupt):
        search("broken", left=5)
    assert search("broken").remaining_trials == 0
    with RunReader(tmp_path / "whole") as one, RunReader(tmp_path / "broken") as other:
        assert one.digest() == other.digest()
    first, *_, last = whole.get_best_hyperparameters(9)
    assert first.get("units") + first.get("price") < last.get("units") + last.get("price")


@pytest.mark.parametrize(
    ("objective", "fit", "text"),
    [
        ("val_accuracy", {}, "pass validation_data to search"),
        ("val_auc", {"validation_split": 0.2}, "compile the model with that metric"),
        ("val_loss", {"epochs": 0}, "at least one epoch"),
    ],
)
def test_mistakes_stop_the_search(tmp_path, objective, fit, text):
    search = tuner.Evolution(build, objective=objective, max_trials=2, directory=tmp_path, in_process=True)
    with pytest.raises(InputError, match=text):
        search.search(X, Y, verbose=0, **fit)


class Reading(tuner.HyperModel):
    """Inspects the data that it is given to train on."""

    def build(self, hp):
        import keras

        hp.Int("units", 1, 1000)
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp, model, data, numbers, remote, callbacks=None, verbose=0):
        first, second = ([float(x[0, 0]) for x, _ in data] for _ in range(2))
        return {
            "val_loss": hp.get("units"),
            "rows": len(first),
            "reshuffled": first != second and sorted(first) == sorted(second),
            "number": next(numbers)[0],
            "batches": remote.num_batches,
            "third": float(remote[2][0][0, 0]),
        }


@pytest.mark.soak
def test_data_sets_generators_and_batches_are_read_while_trials_train_on_them(tmp_path):
    import threading

    import keras
    import tensorflow as tf

    class Remote(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()  # cannot be sent

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return np.full((1, 1), index), np.zeros(1)

    read = []

    def numbers():
        while True:
            read.append(1)
            yield len(read), 0

    rows = np.arange(32.0).reshape(-1, 1)
    data = tf.data.Dataset.from_tensor_slices((rows, rows)).shuffle(32).batch(1)
    search = tuner.Evolution(Reading(), objective="val_loss", max_trials=2, directory=tmp_path)
    search.search(data, numbers(), remote=Remote(), verbose=0)
    found = [trial.metrics.metrics for trial in search.done_trials()]
    assert [each["number"] for each in found] == [1, 2]  # every trial continues
    assert len(read) == 2  # nothing is read ahead
    assert all((each["rows"], each["reshuffled"], each["batches"], each["third"]) == (32, 1, 3, 2) for each in found)


def test_objects_that_cannot_be_sent_are_named(tmp_path):
    import threading

    import keras

    class Log(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()

    search = tuner.Evolution(build, objective="val_loss", max_trials=2, directory=tmp_path)
    with pytest.raises(InputError, match=r"callbacks\[0\] \(Log\) must be .* because of its 'lock'.*in_process=True"):
        search.search(X, Y, callbacks=[Log()], verbose=0)


def test_trials_in_a_thread_leave_keras_of_this_process_alone() -> None:
    from concurrent.futures import ThreadPoolExecutor

    import keras  # noqa: F401

    from evonas.api.trials import may_stay_here

    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(may_stay_here, {"trainer": "native"}).result()
    assert may_stay_here({"trainer": "native"})
