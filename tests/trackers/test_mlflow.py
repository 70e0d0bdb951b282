"""The MLflow tracker, read back from MLflow's own store. Skipped where it is not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import search as api
from evonas.runs import RunReader
from evonas.trackers import evaluated_in, trackers_of
from tests.stub import StubEvaluator, no_standby

mlflow = pytest.importorskip("mlflow")
X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5]


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(api, "_worker", StubEvaluator)
    monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)


def logged(uri: str) -> tuple[Any, Any, list[Any]]:
    """A client, the parent run, and its nested runs by place."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("evonas")
    runs = client.search_runs([experiment.experiment_id])
    nested = [each for each in runs if "evonas.place" in each.data.tags]
    (parent,) = [each for each in runs if "evonas.place" not in each.data.tags]
    return client, parent, sorted(nested, key=lambda each: each.data.tags["evonas.place"])


def test_what_is_read_back_over_a_stop(tmp_path: Path) -> None:
    uri = (tmp_path / "store").as_uri()
    evonas.search(X, Y, evaluations=3, population=4, out="run", strategy="random", callbacks=trackers_of(mlflow=uri))
    client, parent, nested = logged(uri)
    # As if the search had been killed while it logged a network.
    client.delete_run(nested[0].info.run_id)
    client.update_run(nested[1].info.run_id, status="RUNNING")
    evonas.resume("run", evaluations=6, callbacks=trackers_of(mlflow=uri))
    client, parent, nested = logged(uri)
    assert parent.info.run_name == "run"
    assert parent.info.status == "FINISHED"
    assert parent.data.params["population"] == "4"
    with RunReader("run") as run:
        candidates, best = list(evaluated_in(run)), run.ranked(1)
    assert parent.data.metrics["rmse"] == best.evaluation.scores["rmse"]
    assert [each.data.tags["evonas.place"] for each in nested] == [each.name for each in candidates]
    for each, candidate in zip(nested, candidates, strict=True):
        assert each.info.status == "FINISHED"
        assert each.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert each.data.params == {name: str(value) for name, value in candidate.genes.items()}
        assert each.data.metrics["rmse"] == candidate.evaluation.scores["rmse"]
        curve = [(point.step, point.value) for point in client.get_metric_history(each.info.run_id, "val_loss")]
        assert curve == [(1, 2.0), (2, 1.0)]
