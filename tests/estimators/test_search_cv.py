"""`EvolutionSearchCV`, used as textbooks use `RandomizedSearchCV` over a wrapped Keras model."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.stats import reciprocal
from sklearn.base import clone, is_classifier
from sklearn.model_selection import ShuffleSplit

from evonas.estimators import EvolutionSearchCV
from evonas.estimators.search_cv import _stratification_labels
from genomes import InputError

pytestmark = pytest.mark.keras

X = np.random.default_rng(0).normal(size=(48, 4)).astype("float32")
Y = X @ [1.0, 2.0, 3.0, 4.0]
LABELS = np.where(X[:, 0] > 0, "yes", "no")


def build_model(n_hidden=1, n_neurons=30, learning_rate=3e-3):
    import keras

    assert type(n_neurons) is int
    model = keras.Sequential([keras.Input((4,))])
    for _ in range(n_hidden):
        model.add(keras.layers.Dense(n_neurons, activation="relu"))
    model.add(keras.layers.Dense(1))
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(learning_rate=learning_rate))
    return model


def build_classifier(units, activation="softmax"):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(2, activation)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=activation is None))
    return model


def test_a_randomised_search_becomes_an_evolved_one(tmp_path):
    import keras

    space = {"n_hidden": [0, 1], "n_neurons": np.arange(1, 30), "learning_rate": reciprocal(1e-3, 1e8)}
    search = EvolutionSearchCV(build_model, space, n_iter=4, cv=2, random_state=1, run_dir=tmp_path / "run")
    fitting = {"epochs": 2, "validation_data": (X[:9], Y[:9])}
    search.fit(X, Y, **fitting, callbacks=[keras.callbacks.EarlyStopping(patience=2)])
    results = search.cv_results_
    assert {"param_n_hidden", "params", "mean_fit_time", "split1_test_score", "std_test_score"} <= results.keys()
    assert all(len(column) == 4 for column in results.values())
    scores, ranks = results["mean_test_score"], results["rank_test_score"]
    assert np.isnan(scores).any()  # absurd learning rates fail
    assert ranks[np.isnan(scores)].min() > ranks[~np.isnan(scores)].max()
    assert search.best_score_ == np.nanmax(scores) < 0
    assert search.best_params_ == results["params"][search.best_index_]
    assert search.best_score_ == pytest.approx(
        np.mean([results[f"split{k}_test_score"][search.best_index_] for k in range(2)])
    )
    assert search.score(X, Y) == pytest.approx(-np.mean((search.predict(X) - Y) ** 2), rel=1e-3)
    assert len(search.history_["val_loss"]) == 2
    # The copy predicts with Keras, the original with the kernels that trained it.
    np.testing.assert_allclose(pickle.loads(pickle.dumps(search)).predict(X), search.predict(X), rtol=1e-5, atol=1e-6)

    again = clone(search).fit(X, Y, **fitting)  # the run exists: there is no second search
    assert again.best_params_ == search.best_params_
    with pytest.raises(InputError, match="these differ: data"):
        clone(search).fit(X, Y * 2, **fitting)


def test_classifiers_with_labels_and_several_scores():
    search = EvolutionSearchCV(
        build_classifier,
        {"units": [4, 8], "batch_size": [16], "activation": ["softmax", None]},
        n_iter=2,
        cv=ShuffleSplit(1, random_state=0),
        scoring={"ll": "neg_log_loss", "accuracy": "accuracy"},
        refit="accuracy",
        return_train_score=True,
        in_process=True,
        random_state=0,
    )
    search.fit(X, LABELS, epochs=2, sample_weight=np.ones(48))
    assert {"mean_test_ll", "rank_test_accuracy", "split0_train_ll"} <= search.cv_results_.keys()
    assert list(search.classes_) == ["no", "yes"]
    assert set(search.predict(X)) <= {"no", "yes"}
    assert search.predict_proba(X).sum(axis=1) == pytest.approx(1)
    assert is_classifier(search)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"space": {"neurons": [1]}}, r"space must name parameters of build_model \(n_hidden, n_neurons"),
        ({"n_iter": 0}, "n_iter must be"),
        ({"scoring": ["r2", "neg_max_error"]}, "refit must be the name"),
        (
            {"cv": 40, "scoring": ["r2", "neg_max_error"], "refit": "r2", "return_train_score": True},
            "folds times scores",
        ),
        (
            {"build_model": lambda n_hidden: 1, "space": {"n_hidden": [1]}},
            "must return a compiled keras.Model, not int",
        ),
    ],
)
def test_mistakes(changes, text):
    given = {"build_model": build_model, "space": {"n_hidden": [1, 2]}, "n_iter": 1, "cv": 2, "in_process": True}
    with pytest.raises(InputError, match=text):
        EvolutionSearchCV(**{**given, **changes}).fit(X, Y)


def test_a_model_that_raises_fails_alone_or_stops_the_search():
    def fails(n_hidden):
        if n_hidden == 1:
            raise RuntimeError("one is too few")
        return build_model(n_hidden)

    given = {"n_iter": 2, "cv": 2, "in_process": True, "random_state": 0, "settings": {"strategy": "random"}}
    search = EvolutionSearchCV(fails, {"n_hidden": [0, 1]}, **given).fit(X, Y)
    assert search.best_params_ == {"n_hidden": 0}
    assert sorted(search.cv_results_["rank_test_score"]) == [1, 2]
    with pytest.raises(InputError, match="a model raised RuntimeError: one is too few"):
        EvolutionSearchCV(fails, {"n_hidden": [1]}, **given, error_score="raise").fit(X, Y)


def build_columns(units, last="softmax", loss="categorical_crossentropy"):
    import keras

    layers = [keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(3, last)]
    model = keras.Sequential(layers)
    model.compile("adam", loss)
    return model


def test_targets_with_one_column_per_class():
    y = np.eye(3)[np.digitize(X[:, 0], [-0.5, 0.5])]
    search = EvolutionSearchCV(build_columns, {"units": [2, 4]}, n_iter=1, cv=2, in_process=True).fit(X, y, epochs=1)
    assert np.isfinite(search.best_score_)
    assert search.predict(X).shape == y.shape


@dataclass
class Stub:
    """A compiled model whose predictions are given."""

    loss: Any
    given: list
    compiled: bool = True

    def predict(self, x, verbose=0):
        return np.array(self.given, np.float32)


@pytest.mark.parametrize(
    ("loss", "classes", "given", "predicted"),
    [
        ("categorical_crossentropy", None, [[0.2, 0.8], [0.9, 0.1]], [[0, 1], [1, 0]]),
        ("sparse_categorical_crossentropy", None, [[0.2, 0.8], [0.9, 0.1]], [[0, 1], [1, 0]]),
        ("binary_crossentropy", None, [[0.6, 0.8], [0.2, 0.1]], [[1, 1], [0, 0]]),
        ("binary_crossentropy", ["no", "yes"], [[0.6], [0.2]], ["yes", "no"]),
        (lambda y, p: p, ["no", "yes"], [[0.2, 0.8], [0.9, 0.1]], ["yes", "no"]),
        ("mse", None, [[0.6, 3.0], [0.2, 0.1]], [[0.6, 3.0], [0.2, 0.1]]),
        ("mse", [0, 1, 2], [[0.6], [0.2]], [0.6, 0.2]),
    ],
)
def test_predictions_have_the_form_of_the_target(loss, classes, given, predicted):
    from evonas.training.single.callbacks import wrap_as_estimator

    estimator = wrap_as_estimator(Stub(loss, given), None if classes is None else np.array(classes), columns=2)
    found = estimator.predict(X[:2])
    assert found.tolist() == (np.array(predicted, np.float32) if loss == "mse" else np.array(predicted)).tolist()


def test_folds_are_stratified_if_there_are_classes():
    codes = np.repeat([0, 1, 2], 20)
    for y in (codes, np.eye(3)[codes], codes.astype(str), codes[:, None]):
        assert np.array_equal(_stratification_labels(np.asarray(y)).astype(int), codes)
    for y in ((X[:, :3] > 0).astype(int), X[:, 0], X):
        assert _stratification_labels(np.asarray(y)) is None
