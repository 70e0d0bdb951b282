"""Typical uses of the estimators: forms of targets, arrays after tables, meta-estimators, many fits in one process."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import tempfile
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GroupKFold, cross_validate, learning_curve
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evonas.config import Budget
from evonas.errors import Interrupted, StorageError
from evonas.estimators import EvolutionClassifier, EvolutionRegressor
from evonas.estimators.run_directory import run_directory
from evonas.training import registry
from genomes import InputError
from tests.estimators.test_checks import TINY

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 2))
CODES = np.digitize(X[:, 0], [-0.5, 0.5])
QUICK = {**TINY, "settings": {"trainer": "native"}}


def test_one_column_per_class_is_accepted_and_returned_as_columns():
    columns = np.eye(3)[CODES]
    found = EvolutionClassifier(**QUICK).fit(X, pd.DataFrame(columns, columns=list("abc")))
    predicted = found.predict(X)
    assert predicted.shape == columns.shape
    assert np.array_equal(predicted.sum(axis=1), np.ones(90))
    assert found.predict_proba(X).shape == (90, 3)
    assert 0 <= found.score(X, columns) <= 1
    assert np.array_equal(predicted.argmax(axis=1), EvolutionClassifier(**QUICK).fit(X, CODES).predict(X))


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (np.c_[X[:, 0] > 0, X[:, 1] > 0], "several or no 1s in a row: .*MultiOutputClassifier"),
        (np.c_[CODES, CODES], "other values in a row"),
        (np.eye(4)[CODES], "column 3 is 0 everywhere"),
        (np.ones(90, np.int64), "not only the class 1: add"),
    ],
)
def test_invalid_classes_are_refused_with_a_message(y, text):
    with pytest.raises(InputError, match=text):
        EvolutionClassifier(**QUICK).fit(X, y)


def test_several_labels_per_row_work_as_the_message_says():
    several = np.c_[X[:, 0] > 0, X[:, 1] > 0].astype(int)
    assert MultiOutputClassifier(EvolutionClassifier(**QUICK)).fit(X, several).predict(X).shape == (90, 2)


@pytest.mark.parametrize(
    "labels", [np.array([3_000_000_000, 3_000_000_001]), np.array([False, True]), np.array(["no", "yes"])]
)
def test_labels_keep_their_type(labels):
    y = np.asarray(labels)[(X[:, 0] > 0).astype(int)]
    predicted = EvolutionClassifier(**QUICK).fit(X, y).predict(X)
    assert predicted.dtype == y.dtype
    assert set(predicted.tolist()) <= set(y.tolist())


def test_an_array_after_a_table_is_matched_by_column_order():
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": np.where(X[:, 0] > 0, "u", "v")})
    found = EvolutionClassifier(**QUICK).fit(frame, CODES)
    with pytest.warns(UserWarning, match="feature names"):
        assert np.array_equal(found.predict(frame.to_numpy()), found.predict(frame))
    with pytest.warns(UserWarning, match="feature names"), pytest.raises(ValueError, match="2 features"):
        found.predict(X)
    plain = EvolutionRegressor(**QUICK).fit(X, X[:, 0])
    with pytest.warns(UserWarning, match="feature names"):
        assert np.array_equal(plain.predict(frame[["a", "b"]]), plain.predict(X))


def test_weights_and_groups_are_routed():
    groups = np.repeat(np.arange(15), 6)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = EvolutionClassifier(**QUICK).set_fit_request(sample_weight=True, groups=True)
        estimator.set_score_request(sample_weight=False)
        found = cross_validate(
            estimator, X, CODES, cv=GroupKFold(2), params={"groups": groups, "sample_weight": np.ones(90)}
        )
    assert len(found["test_score"]) == 2
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        EvolutionClassifier(**QUICK).fit(X, CODES, groups=groups[:5])
    with pytest.raises(InputError, match="at least 2 groups"):
        EvolutionClassifier(**QUICK).fit(X, CODES, groups=np.zeros(90))


def test_a_pipeline_routes_weights_and_groups():
    groups = np.repeat(np.arange(15), 6)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = EvolutionClassifier(**QUICK).set_fit_request(sample_weight=True, groups=True)
        estimator.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        given = {"groups": groups, "sample_weight": np.ones(90)}
        found = cross_validate(make_pipeline(scaler, estimator), X, CODES, cv=GroupKFold(2), params=given)
        assert len(found["test_score"]) == 2
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="not explicitly set"):
            cross_validate(EvolutionClassifier(**QUICK), X, CODES, params={"sample_weight": np.ones(90)})


def test_class_weights_change_predictions():
    rare = EvolutionClassifier(**QUICK, class_weight={0: 1e-3, 1: 1e3, 2: 1e-3}).fit(X, CODES)
    assert (rare.predict(X) == 1).mean() > (EvolutionClassifier(**QUICK).fit(X, CODES).predict(X) == 1).mean()
    EvolutionClassifier(**QUICK, class_weight="balanced").fit(X, np.array(list("abc"))[CODES])
    with pytest.raises(InputError, match="keys, not 7"):
        EvolutionClassifier(**QUICK, class_weight={7: 1}).fit(X, CODES)


def test_a_fitted_estimator_is_stored_and_cloned():
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "u", "v")})
    found = EvolutionClassifier(**QUICK).fit(frame, CODES)
    stream = io.BytesIO()
    joblib.dump(found, stream, compress=3)
    stream.seek(0)
    for again in (pickle.loads(pickle.dumps(found)), joblib.load(stream), copy.deepcopy(found)):
        assert np.array_equal(again.predict_proba(frame), found.predict_proba(frame))
        assert list(again.feature_names_in_) == ["a", "b"]
    fresh = clone(found).set_params(epochs=1)
    assert fresh.get_params() == {**found.get_params(), "epochs": 1}
    assert not hasattr(fresh, "classes_")


def test_other_estimators_accept_it():
    estimator = EvolutionClassifier(**QUICK)
    CalibratedClassifierCV(estimator, cv=2).fit(X, CODES).predict_proba(X)
    VotingClassifier([("a", estimator), ("b", EvolutionClassifier(**QUICK))], voting="soft").fit(X, CODES).predict(X)
    StackingClassifier([("a", estimator), ("b", GaussianNB())], cv=2).fit(X, CODES).predict_proba(X)
    assert permutation_importance(clone(estimator).fit(X, CODES), X, CODES, n_repeats=2).importances_mean.shape == (2,)
    assert np.isfinite(learning_curve(estimator, X, CODES, cv=2, train_sizes=[0.5, 1.0])[2]).all()


def test_a_fit_without_bounds_gets_one(monkeypatch):
    seen = []

    def search(data, *, budget, **given):
        seen.append(budget)
        raise InputError("enough")

    monkeypatch.setattr("evonas.api.prepared_search.search_prepared", search)
    for bounds in ({}, {"time": 5}, {"evaluations": 3}):
        with pytest.raises(InputError, match="enough"):
            EvolutionRegressor(**bounds).fit(X, X[:, 0])
    assert seen == [Budget(generations=10, seconds=120), Budget(seconds=5), Budget(evaluations=3)]


def test_an_error_in_a_temporary_run_names_no_deleted_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt, match="give run_dir") as caught, run_directory(None) as place:
        raise Interrupted(place, 130)
    assert str(place) not in str(caught.value)
    with pytest.raises(StorageError, match="set TMPDIR"), run_directory(None) as place:
        raise StorageError(f"{place} is full")
    with pytest.raises(Interrupted), run_directory(tmp_path) as place:
        raise Interrupted(place, 130)


def leftovers() -> tuple[int, int, int]:
    """Counts the threads, descriptors and temporary files of this process."""
    return threading.active_count(), len(os.listdir("/proc/self/fd")), len(os.listdir(tempfile.gettempdir()))


@pytest.mark.parametrize("fits", [3, pytest.param(30, marks=pytest.mark.soak)])
def test_many_fits_leave_nothing_behind(fits, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    EvolutionClassifier(**QUICK).fit(X, CODES)
    before, memory = leftovers(), resident()
    for seed in range(fits):
        EvolutionClassifier(**{**QUICK, "random_state": seed}).fit(X, CODES)
    assert leftovers() == before
    assert resident() - memory < 100e6


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.soak
def test_neither_fit_nor_predict_loads_keras():
    script = f"""
import sys, numpy as np
from evonas import EvolutionClassifier
x = np.random.default_rng(0).normal(size=(60, 2))
EvolutionClassifier(**{QUICK!r}).fit(x, x[:, 0] > 0).predict(x)
sys.exit(any(name in sys.modules for name in ("keras", "tensorflow", "jax")))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_fits_side_by_side_share_the_cores(monkeypatch):
    made, make = [], registry.make_trainer
    monkeypatch.setattr("evonas.estimators.estimator.assigned_threads", lambda: 1)
    monkeypatch.setattr(
        registry, "make_trainer", lambda data, chosen: made.append(chosen.threads) or make(data, chosen)
    )
    EvolutionClassifier(**QUICK).fit(X, CODES)
    assert made == [1]
