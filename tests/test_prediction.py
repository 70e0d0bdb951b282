"""New rows predicted and labelled rows scored, in Python and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas import SearchResult
from evonas.data.prepared import Problem
from evonas.deploy.fitted_network import FittedNetwork
from evonas.deploy.prediction import code_target, raw_from_predictions
from evonas.metrics.scores import predictions
from evonas.runs.reader import RunReader
from genomes.errors import InputError
from tests.cli.commands import evonas
from tests.reporting.synthetic import synthetic_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    regression, classes = folder / "regression", folder / "classes"
    return {"regression": synthetic_run(regression), "classes": synthetic_run(classes, classes=3)}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(30, 3)), columns=["area", "rooms", "odd"])
    frame.assign(price=rng.choice(["odd", "second", "third"], 30)).to_csv(tmp_path / "new.csv", index=False)
    frame.assign(price=rng.normal(size=30)).to_json(tmp_path / "new.jsonl", orient="records", lines=True)
    return tmp_path / "new.csv"


def test_outputs_go_to_raw_ones_and_back():
    rng = np.random.default_rng(0)
    for problem in (
        Problem("regression", 2, 2, (1.0, -5.0), (2.0, 0.1)),
        Problem("binary", 2, 1, classes=("a", "b")),
        Problem("multiclass", 2, 3, classes=("a", "b", "c")),
    ):
        outputs = predictions(problem, rng.normal(size=(7, problem.num_outputs)))
        raw = raw_from_predictions(problem, outputs)
        assert predictions(problem, raw) == pytest.approx(outputs)


def test_labels_are_coded_in_the_type_that_they_had():
    for kind, classes, given in (
        ("text", ("no", "yes"), ["yes", "no"]),
        ("integer", ("0", "7"), [7, 0]),
        ("integer", ("0", "7"), ["7", "0"]),
        ("boolean", ("False", "True"), [True, False]),
        ("boolean", ("False", "True"), ["yes", "no"]),
        ("number", ("0.5", "1.5"), [1.5, 0.5]),
    ):
        problem = Problem("binary", 1, 1, classes=classes, target_names=("y",), label_type=kind)
        assert code_target(problem, pd.DataFrame({"y": given})).tolist() == [1, 0]
    with pytest.raises(InputError, match=r"must hold classes that the search saw \(0.5, 1.5\).*the label '2.5'"):
        code_target(problem, pd.DataFrame({"y": [2.5]}))
    with pytest.raises(InputError, match="must have the target 'y'"):
        code_target(problem, pd.DataFrame({"x": [2.5]}))


def test_the_command_predicts_as_the_result_does(runs: dict[str, Path], table: Path, tmp_path: Path):
    rows = pd.read_csv(table)
    out = tmp_path / "predicted.csv"
    done = evonas("predict", str(runs["classes"]), str(table), "-o", str(out))
    assert done.exit_code == 0, done.output
    found = pd.read_csv(out)
    result = SearchResult(runs["classes"])
    assert found["label"].tolist() == result.predict(rows).tolist()
    names = [f"probability_{name}" for name in ("odd", "second", "third")]
    assert found[names].to_numpy() == pytest.approx(result.predict_proba(rows), abs=1e-6)
    again = evonas("predict", str(runs["classes"]), str(table), "-o", str(out))
    assert (again.exit_code, "must be a new file" in again.output) == (2, True)
    values = evonas("predict", str(runs["regression"]), str(table.with_suffix(".jsonl")))
    lines = values.output.splitlines()
    assert (lines[0], len(lines)) == ("price", 31)


def test_labelled_rows_are_scored(runs: dict[str, Path], table: Path):
    rows = pd.read_csv(table)
    done = evonas("evaluate", str(runs["classes"]), str(table), "--json")
    scores = json.loads(done.output)["scores"]
    result = SearchResult(runs["classes"])
    assert scores["accuracy"] == pytest.approx((result.predict(rows) == rows["price"]).mean())
    assert result.evaluate(rows) == pytest.approx(scores)
    numbers = pd.read_json(table.with_suffix(".jsonl"), lines=True)
    regression = SearchResult(runs["regression"])
    error = regression.predict(numbers) - numbers["price"]
    assert regression.evaluate(numbers)["mae"] == pytest.approx(error.abs().mean(), rel=1e-5)


def test_what_predicts_is_a_run_or_a_file(tmp_path: Path, table: Path):
    done = evonas("predict", str(table), str(table))
    assert (done.exit_code, "must be a run directory or a .keras file" in done.output) == (2, True)
    (tmp_path / "bad.keras").write_bytes(b"no model")
    assert evonas("evaluate", str(tmp_path / "bad.keras"), str(table)).exit_code == 2


@pytest.mark.keras
def test_a_file_predicts_as_its_run(runs: dict[str, Path], table: Path, tmp_path: Path):
    # Not `export`, which compares with the scores of the run, and these are made up.
    result = SearchResult(runs["classes"])
    with RunReader(runs["classes"]) as run:
        weights = run.weights(result.best)
    network = FittedNetwork(result._architecture, weights, result._data.problem, result._preparation)
    network.model().save(tmp_path / "best.keras")
    card = {"data": {"task": "multiclass", "classes": list(result._data.problem.classes), "targets": ["price"]}}
    (tmp_path / "best.keras.card.json").write_text(json.dumps(card))
    given = [evonas(name, str(tmp_path / "best.keras"), str(table)) for name in ("predict", "evaluate")]
    wanted = [evonas(name, str(runs["classes"]), str(table)) for name in ("predict", "evaluate")]
    assert [each.exit_code for each in given] == [0, 0]
    assert given[0].output.splitlines()[0] == wanted[0].output.splitlines()[0]
    values: list[Any] = [
        np.genfromtxt(each.output.splitlines()[1:], delimiter=",")[:, 1:] for each in (given[0], wanted[0])
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-5)
    assert "accuracy" in given[1].output
