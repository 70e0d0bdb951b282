"""The MLflow tracker, read back from MLflow's own store. Skipped if MLflow is not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.evaluation import Evaluation, Span, Status
from evonas.runs import RunReader
from evonas.trackers import read_evaluated, trackers_of
from evonas.trackers.mlflow import log_keras_model
from tests.stub import StubEvaluator, no_standby

mlflow = pytest.importorskip("mlflow")
X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5]
GOLDEN = Path(__file__).parents[1] / "golden" / "model.keras"


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(api, "_worker", StubEvaluator)
    monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)


def read_logged(uri: str) -> tuple[Any, Any, list[Any]]:
    """A client, the parent run, and its nested runs in order."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("evonas")
    runs = client.search_runs([experiment.experiment_id])
    nested = [each for each in runs if "evonas.place" in each.data.tags]
    (parent,) = [each for each in runs if "evonas.place" not in each.data.tags]
    return client, parent, sorted(nested, key=lambda each: each.data.tags["evonas.place"])


def test_what_is_read_back_over_a_stop(tmp_path: Path) -> None:
    uri = (tmp_path / "store").as_uri()
    evonas.search(X, Y, evaluations=3, population=4, out="run", strategy="random", callbacks=trackers_of(mlflow=uri))
    client, parent, nested = read_logged(uri)
    # As if the search had been killed while it logged a network.
    client.delete_run(nested[0].info.run_id)
    client.update_run(nested[1].info.run_id, status="RUNNING")
    evonas.resume("run", evaluations=6, callbacks=trackers_of(mlflow=uri))
    client, parent, nested = read_logged(uri)
    assert parent.info.run_name == "run"
    assert parent.info.status == "FINISHED"
    assert parent.data.params["population"] == "4"
    with RunReader("run") as run:
        candidates, best = list(read_evaluated(run)), run.ranked(1)
    assert parent.data.metrics["rmse"] == best.evaluation.scores["rmse"]
    assert [each.data.tags["evonas.place"] for each in nested] == [each.name for each in candidates]
    for each, candidate in zip(nested, candidates, strict=True):
        assert each.info.status == "FINISHED"
        assert each.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert each.data.params == {name: str(value) for name, value in candidate.genes.items()}
        assert each.data.metrics["rmse"] == candidate.evaluation.scores["rmse"]
        curve = [(point.step, point.value) for point in client.get_metric_history(each.info.run_id, "val_loss")]
        assert curve == [(1, 2.0), (2, 1.0)]


def test_runs_begin_and_end_with_their_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = (Span("a", 0, 1000.0, 1002.0), Span("a", 1, 1001.0, 1005.5))
    good = Evaluation(Status.OK, {"rmse": 1.0}, spans=spans)
    monkeypatch.setattr(StubEvaluator, "evaluation", good, raising=False)
    uri = (tmp_path / "store").as_uri()
    evonas.search(X, Y, evaluations=2, population=2, out="run", strategy="random", callbacks=trackers_of(mlflow=uri))
    assert {(each.info.start_time, each.info.end_time) for each in read_logged(uri)[2]} == {(1_000_000, 1_005_500)}


def test_the_report_is_an_artifact_of_the_run(tmp_path: Path) -> None:
    uri = (tmp_path / "store").as_uri()
    search = {"evaluations": 2, "population": 2, "out": "run", "strategy": "random"}
    result = evonas.search(X, Y, **search)
    result.report()
    evonas.resume("run", evaluations=3, callbacks=trackers_of(mlflow=uri))
    client, parent, _ = read_logged(uri)
    assert [each.path for each in client.list_artifacts(parent.info.run_id)] == ["report.html"]


@pytest.mark.keras
def test_the_champion_is_a_model_with_a_signature(tmp_path: Path) -> None:
    uri = (tmp_path / "store").as_uri()
    client = mlflow.MlflowClient(tracking_uri=uri)
    run_id = client.create_run(client.create_experiment("evonas")).info.run_id
    log_keras_model(mlflow, uri, run_id, GOLDEN)
    mlflow.set_tracking_uri(uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    (given,) = model.metadata.signature.inputs.inputs
    assert given.shape[0] == -1
    assert len(model.predict(np.zeros((2, *given.shape[1:]), given.type))) == 2
