"""Objectives named as in scikit-learn and Keras: known directions, refusals, values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, get_scorer_names, mean_absolute_percentage_error

import evonas
from evonas.api import prepared_search as api
from evonas.data.prepared import Problem, Split
from evonas.metrics.named import KERAS_METRICS, chosen_metric, scorer_value, with_metric
from evonas.metrics.scores import predictions
from evonas.objective import METRICS, Objective
from evonas.runs import RunReader
from genomes import InputError
from tests.api.test_search import StubEvaluator, table
from tests.stub import no_standby

PROBLEMS = {
    "regression": Problem("regression", 2, 1, (10.0,), (2.0,), (), ("a", "b"), ("y",)),
    "binary": Problem("binary", 2, 1, (), (), ("no", "yes"), ("a", "b"), ("y",)),
    "multiclass": Problem("multiclass", 2, 7, (), (), tuple("pqrstuv"), ("a", "b"), ("y",)),
}


def rows(task: str) -> tuple[Any, Any]:
    """Targets as in `Split`, and raw outputs."""
    rng = np.random.default_rng(0)
    if task == "regression":
        return rng.normal(size=(40, 1)).astype(np.float32), rng.normal(size=(40, 1))
    if task == "binary":
        return (rng.random((40, 1)) < 0.3).astype(np.float32), rng.normal(size=(40, 1)) * rng.choice([1, 8], (40, 1))
    return rng.integers(0, 7, 40).astype(np.int32), rng.normal(size=(40, 7)) * rng.choice([1, 8], (40, 1))


def split(task: str) -> Split:
    y, _ = rows(task)
    x = np.zeros((40, 2), np.float32)
    return Split(x, y, x, y)


@pytest.mark.parametrize(
    ("text", "task", "objective"),
    [
        ("rmse", "regression", Objective("rmse", "min")),
        ("auc", "binary", Objective("auc", "max")),
        ("auc:max", "binary", Objective("auc", "max")),
        ("balanced_accuracy", "multiclass", Objective("balanced_accuracy", "max")),
        ("neg_mean_absolute_error", "regression", Objective("neg_mean_absolute_error", "max")),
        ("MeanAbsolutePercentageError", "regression", Objective("mean_absolute_percentage_error", "min")),
        ("poisson:min", "regression", Objective("poisson", "min")),
        ("false_negatives:min", "binary", Objective("false_negatives", "min")),
        ("true_positives:max", "binary", Objective("true_positives", "max")),
    ],
)
def test_names(text: str, task: str, objective: Objective) -> None:
    assert chosen_metric(text, task) == objective


@pytest.mark.parametrize(
    ("text", "task", "words"),
    [
        ("rmsee", "regression", "did you mean 'rmse'"),
        ("balanced_acuracy", "binary", "did you mean 'balanced_accuracy'"),
        ("xyzzy", "binary", "a scikit-learn scorer"),
        ("auc", "multiclass", "multiclass target, which 'auc' is not"),
        ("poisson", "binary", "binary target, which 'poisson' is not"),
        ("false_negatives", "binary", "write false_negatives:min or false_negatives:max"),
        ("rmse:max", "regression", "rmse must be minimised, not maximised"),
        ("f1:min", "binary", "f1 must be maximised, not minimised"),
        ("rmse:down", "regression", "must end in :min or :max"),
    ],
)
def test_refusals(text: str, task: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        chosen_metric(text, task)


@pytest.mark.parametrize("task", PROBLEMS)
@pytest.mark.parametrize("name", sorted(set(get_scorer_names()) - set(METRICS)))
def test_every_scorer_is_checked_before_the_first_training(name: str, task: str) -> None:
    problem, given = PROBLEMS[task], split(task)
    objective = chosen_metric(name, task)
    refusal = ""
    try:
        found = with_metric(problem, given, objective)
    except InputError as error:
        refusal = str(error)
    if refusal:
        assert "but it reports: " in refusal
        return
    assert (found.metric, found.direction) == (name, "max")
    y, outputs = rows(task)
    try:
        value = scorer_value(name, found, y, outputs)
    except ValueError:  # for example logarithms of negative predictions: the network then has no score
        return
    assert isinstance(value, float)


def test_values_are_those_of_scikit_learn() -> None:
    y, outputs = rows("multiclass")
    value = scorer_value("balanced_accuracy", PROBLEMS["multiclass"], y, outputs)
    assert value == pytest.approx(balanced_accuracy_score(y, outputs.argmax(axis=1)))
    y, outputs = rows("regression")
    value = scorer_value("neg_mean_absolute_percentage_error", PROBLEMS["regression"], y, outputs)
    assert value == pytest.approx(-mean_absolute_percentage_error(10 + 2 * y, 10 + 2 * outputs), rel=1e-5)


@pytest.mark.soak
def test_a_search_goes_the_right_way_and_resumes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(api, "_worker", StubEvaluator)
    monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    monkeypatch.chdir(tmp_path)
    result = evonas.search(*table(), objective="explained_variance", generations=2, population=4, out="up")
    assert result.best_score == result.evaluations["explained_variance"].max()
    assert evonas.resume("up", generations="+1").best_score >= result.best_score
    found = evonas.search(*table(), objective="MeanAbsoluteError", generations=2, population=4, out="down")
    assert found.best_score == found.evaluations["mean_absolute_error"].min()
    with RunReader("down") as run:
        assert run.objective == Objective("mean_absolute_error", "min")


def as_keras_takes_them(problem: Problem, name: str, y: Any, outputs: Any) -> tuple[Any, Any]:
    """Targets and predictions in float32, shaped for Keras."""
    found = predictions(problem, outputs).astype(np.float32)
    if problem.task == "regression":
        return predictions(problem, y).astype(np.float32), found
    if problem.task == "binary":
        return y, found[:, 1:]
    return (y[:, None] if name.startswith("sparse_") else np.eye(found.shape[1], dtype=np.float32)[y]), found


@pytest.mark.keras
def test_keras_metrics_are_those_of_the_table() -> None:
    import keras

    from evonas.metrics.problem_scores import compute_scores

    for name, (class_name, direction, tasks) in KERAS_METRICS.items():
        metric = getattr(keras.metrics, class_name)()
        assert metric.name == name
        assert {"up": "max", "down": "min"}.get(getattr(metric, "_direction", "")) == direction, name
        for task in tasks:
            problem, (y, outputs) = replace(PROBLEMS[task], metric=name, direction="min"), rows(task)
            # Given one column, Keras compares each row with itself unless the column is extracted.
            of_columns = name in ("cosine_similarity", "pearson_correlation", "concordance_correlation")
            metric = getattr(keras.metrics, class_name)(**({"axis": 0} if of_columns else {}))
            metric.update_state(*as_keras_takes_them(problem, name, y, outputs))
            assert compute_scores(problem, y, outputs)[name] == pytest.approx(float(metric.result()), rel=2e-5), name
    y, outputs = rows("regression")
    found = compute_scores(replace(PROBLEMS["regression"], metric="mean_absolute_error", direction="min"), y, outputs)
    assert found["mean_absolute_error"] == pytest.approx(found["mae"], rel=1e-5)
    found = compute_scores(replace(PROBLEMS["regression"], metric="pearson_correlation", direction="max"), y, outputs)
    assert found["pearson_correlation"] == pytest.approx(np.corrcoef(y[:, 0], outputs[:, 0])[0, 1], rel=1e-4)
    y, outputs = rows("multiclass")
    found = compute_scores(
        replace(PROBLEMS["multiclass"], metric="categorical_crossentropy", direction="min"), y, outputs
    )
    assert 0 < found["categorical_crossentropy"] < found["log_loss"]  # Keras clips its probabilities at 1e-7
    y, outputs = rows("binary")
    found = compute_scores(replace(PROBLEMS["binary"], metric="balanced_accuracy", direction="max"), y, outputs)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y[:, 0], outputs[:, 0] > 0))
