"""`EvolutionClassifier` and `EvolutionRegressor`: tables of mixed columns, and use with scikit-learn's tools."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import evonas
from evonas.estimators import EvolutionClassifier, EvolutionRegressor
from genomes import InputError
from tests.estimators.test_checks import TINY

RNG = np.random.default_rng(0)
NUMBER = RNG.normal(size=60)
FRAME = pd.DataFrame(
    {
        "number": np.where(np.arange(60) % 9 == 0, np.nan, NUMBER),
        "word": np.where(NUMBER > 0.3, "high", "low"),
        "date": pd.date_range("2020-01-01", periods=60),
        "flag": NUMBER > 0,
    }
)
LABELS = np.where(NUMBER > 0, "yes", "no")


def test_estimators_are_imported_lazily():
    assert evonas.EvolutionClassifier is EvolutionClassifier
    script = "import sys, evonas; evonas.__all__; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    with pytest.raises(AttributeError, match="EvolutionCluster"):
        _ = evonas.EvolutionCluster


@pytest.fixture(scope="module")
def classifier():
    return EvolutionClassifier(**{**TINY, "evaluations": 2, "population": 2, "epochs": 8}).fit(FRAME, LABELS)


@pytest.mark.keras
def test_a_table_of_mixed_columns(classifier):
    assert list(classifier.classes_) == ["no", "yes"]
    assert list(classifier.feature_names_in_) == list(FRAME.columns)
    assert classifier.n_features_in_ == 4
    assert classifier.score(FRAME, LABELS) > 0.8
    new = FRAME.head(5).assign(word=["never seen", None, "high", "low", "low"])
    chances = classifier.predict_proba(new)
    assert chances.sum(axis=1) == pytest.approx(1)
    assert list(classifier.predict(new)) == ["yes" if chance > 0.5 else "no" for chance in chances[:, 1]]
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(new.rename(columns={"word": "term"}))


@pytest.mark.keras
def test_attributes_of_the_result(classifier):
    assert classifier.best_estimator_ is classifier
    results = classifier.cv_results_
    assert results["params"][classifier.best_index_] == classifier.best_params_
    assert results["rank_test_score"].min() == 1
    assert classifier.best_score_ == results["mean_test_score"].max() < 0  # the negative log loss
    assert list(classifier.history_["generation"]) == [0]
    given = classifier.best_model_.predict(classifier.network_.preparation.inputs(FRAME), verbose=0)  # raw columns
    assert given["probability"][:, 0] == pytest.approx(classifier.predict_proba(FRAME)[:, 1], abs=1e-5)
    assert np.array_equal(given["label"].ravel().astype(str), classifier.predict(FRAME))


@pytest.mark.keras
def test_a_pickled_estimator_predicts_the_same_without_keras(classifier, tmp_path):
    FRAME.to_pickle(tmp_path / "rows")
    (tmp_path / "classifier").write_bytes(pickle.dumps(classifier))
    script = """
import pickle, sys, pandas
rows = pandas.read_pickle("rows")
print(pickle.load(open("classifier", "rb")).predict_proba(rows)[:, 1].tolist())
sys.exit("keras" in sys.modules)
"""
    command = [sys.executable, "-c", script]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert output.strip() == str(classifier.predict_proba(FRAME)[:, 1].tolist())
    assert not hasattr(clone(classifier), "classes_")


@pytest.mark.keras
def test_several_targets_in_a_pipeline_under_cross_validation():
    x = FRAME[["number"]].to_numpy()
    pipeline = make_pipeline(StandardScaler(), EvolutionRegressor(**{**TINY, "epochs": 15}))
    targets = np.stack([NUMBER * 3 + 5, -NUMBER], axis=1)
    found = cross_val_score(pipeline, x, targets, cv=2, error_score="raise")
    assert len(found) == 2
    assert np.isfinite(found).all()


@pytest.mark.soak
@pytest.mark.keras
def test_a_kept_run_in_the_worker_process_is_continued(tmp_path):
    labels = np.where(np.arange(60) == 7, "rare", LABELS)  # a class with one row
    given = {**TINY, "in_process": False, "run_dir": tmp_path / "run"}
    first = EvolutionClassifier(**given).fit(FRAME, labels, sample_weight=np.ones(60))
    assert first.predict_proba(FRAME).shape == (60, 3)
    assert len(evonas.load_run(tmp_path / "run").evaluations) == 1
    again = clone(first).fit(FRAME, labels, sample_weight=np.ones(60))
    assert np.array_equal(again.predict_proba(FRAME), first.predict_proba(FRAME))
    with pytest.raises(InputError, match="data must be those of the run"):
        clone(first).fit(FRAME, LABELS)


@pytest.mark.parametrize(
    ("changes", "labels", "text"),
    [
        ({}, np.full(60, "yes"), "at least 2 classes"),
        ({"in_process": "maybe"}, LABELS, "in_process must be"),
        ({"class_weight": {"maybe": 2}}, LABELS, "class_weight must have labels"),
        ({"random_state": "luck"}, LABELS, "random_state must be"),
        ({"objective": "rmse"}, LABELS, "objective must be a metric of a binary target"),
        ({"settings": {"populaton": 3}}, LABELS, "did you mean 'population'"),
    ],
)
def test_mistakes(changes, labels, text):
    with pytest.raises(InputError, match=text):
        EvolutionClassifier(**{**TINY, **changes}).fit(FRAME, labels)


@pytest.mark.keras
def test_quantiles_are_predicted_by_the_objective_pinball():
    fitted = EvolutionRegressor(**TINY, objective="pinball", settings={"quantiles": (0.2, 0.5, 0.9)})
    fitted.fit(FRAME, NUMBER)
    found = fitted.predict_quantiles(FRAME)
    assert found.shape == (60, 3)
    assert (np.diff(found, axis=1) >= 0).all()
    assert list(fitted.predict(FRAME)) == list(found[:, 1])


@pytest.mark.keras
def test_calibrated_probabilities_give_the_same_labels():
    plain = EvolutionClassifier(**TINY).fit(FRAME, LABELS)
    scaled = EvolutionClassifier(**TINY, settings={"calibrate": True}).fit(FRAME, LABELS)
    assert scaled.network_.temperature != 1.0
    assert list(scaled.predict(FRAME)) == list(plain.predict(FRAME))
    logits = [np.log(each.predict_proba(FRAME)[:, 1] / each.predict_proba(FRAME)[:, 0]) for each in (plain, scaled)]
    np.testing.assert_allclose(logits[0], logits[1] * scaled.network_.temperature, rtol=1e-6)
