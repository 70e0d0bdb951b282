"""`MLflow`: logs a search as an MLflow run with a nested run for each network.

The parent run has the settings, the best score of each generation and, at the end, the best network's genes, the report
and, if a `.keras` file was exported, the model with its signature. Existing runs are found by a tag, so that a search
that is interrupted and resumed is logged once.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.config import Budget
from evonas.evaluation import Status
from evonas.trackers.callback import Callback, EvaluatedCandidate, genes_of, read_evaluated, space_of
from evonas.trackers.identity import run_digest
from evonas.trackers.libraries import library

if TYPE_CHECKING:
    from evonas.export_tasks import Exported
    from evonas.runs.progress import Generation
    from evonas.runs.reader import RunReader

__all__ = ["MLflow"]

_RUN_TAG, _PLACE_TAG, _PARENT_TAG = "evonas.run", "evonas.place", "mlflow.parentRunId"
#: Limits of MLflow requests: metrics and parameters per request, and characters per value.
_MOST_METRICS, _MOST_PARAMS, _LONGEST = 1000, 100, 500
#: Seconds reserved for logging a Keras model, which imports Keras; with less time left, only the file is logged.
_MODEL_SECONDS = 30.0


class MLflow(Callback):
    """Logs a search to a tracking server or a store.

    Args:
        uri: URI of the server or store, such as "http://127.0.0.1:5000" or "sqlite:///mlflow.db"; MLflow's default if
            None.
        experiment: name of the experiment, which is created if necessary.

    Raises:
        InputError: mlflow is not installed.

    Example:
        >>> evonas.search(x, y, callbacks=[MLflow("sqlite:///mlflow.db")])  # doctest: +SKIP
    """

    def __init__(self, uri: str | None = None, experiment: str = "evonas") -> None:
        self._mlflow, self._entities = library("mlflow", "mlflow"), library("mlflow.entities", "mlflow")
        self._uri, self._experiment_name = uri, experiment
        self._client: Any = None
        self._experiment = self._parent = self._objective = ""

    def on_start(self, run: RunReader, budget: Budget) -> None:
        """Finds or creates the parent run, and logs networks that earlier sessions did not log."""
        self._client = self._mlflow.MlflowClient(tracking_uri=self._uri)
        known = self._client.get_experiment_by_name(self._experiment_name)
        self._experiment = known.experiment_id if known else self._client.create_experiment(self._experiment_name)
        self._objective = run.objective.name
        digest = run_digest(run)
        found = self._runs(f"tags.`{_RUN_TAG}` = '{digest}'")
        if found:
            self._parent = found[0].info.run_id
            self._client.update_run(self._parent, status="RUNNING")
        else:
            name = run.directory.absolute().name
            made = self._client.create_run(self._experiment, run_name=name, tags={_RUN_TAG: digest})
            self._parent = made.info.run_id
            settings = run.settings.model_dump(mode="json", exclude_none=True)
            self._log(self._parent, settings, [])
        children = self._runs(f"tags.`{_PARENT_TAG}` = '{self._parent}'")
        nested = {each.data.tags.get(_PLACE_TAG): each for each in children}
        for candidate in read_evaluated(run):
            logged = nested.get(candidate.name)
            if logged is None:
                self.on_evaluation(candidate)
            elif logged.info.status == "RUNNING":  # the search was killed while the network was logged
                self._complete(logged.info.run_id, candidate, bool(logged.data.metrics or logged.data.params))

    def on_evaluation(self, candidate: EvaluatedCandidate) -> None:
        """Logs the network as a nested run, unless it exceeded a limit and was not trained."""
        if candidate.evaluation.status is Status.INFEASIBLE:
            return
        tags = {_PARENT_TAG: self._parent, _PLACE_TAG: candidate.name, "evonas.operator": candidate.operator}
        began = time.time() - candidate.evaluation.train_seconds
        start = min((span.started for span in candidate.evaluation.spans), default=began)
        started = {"start_time": int(1000 * start)}
        made = self._client.create_run(self._experiment, tags=tags, run_name=candidate.name, **started)
        self._complete(made.info.run_id, candidate, False)

    def on_generation(self, generation: Generation) -> None:
        """Logs the best score after the generation."""
        score = None if generation.best is None else generation.best.evaluation.scores.get(self._objective)
        if score is not None:
            self._log(self._parent, {}, [(f"best_{self._objective}", score, generation.number)])

    def on_end(self, run: RunReader, exported: Exported | None) -> None:
        """Logs the best network, the report and the exported model, and ends the parent run."""
        from evonas.runs.directory import REPORT_NAME

        stopped = run.stop == "interrupted"
        if run.best(1):
            best = run.ranked(1)
            evaluation = best.evaluation
            for name, value in genes_of(space_of(run), best.genome).items():
                # Tags, since an extended run may find a better network, and parameters cannot be changed.
                self._client.set_tag(self._parent, f"best.{_key(name)}", str(value)[:_LONGEST])
            self._log(self._parent, {}, [(name, score, run.generations) for name, score in evaluation.scores.items()])
        report = run.directory / REPORT_NAME
        if report.is_file() and not stopped:
            self._client.log_artifact(self._parent, str(report))
        if exported is not None:
            self._log_model(run, exported)
        self._client.set_terminated(self._parent, status="KILLED" if stopped else "FINISHED")

    def _complete(self, run_id: str, candidate: EvaluatedCandidate, logged: bool) -> None:
        """Logs a network's evaluation, in one request if it fits, and ends the network's run."""
        evaluation = candidate.evaluation
        if not logged:
            curves = (("loss", evaluation.train_curve), ("val_loss", evaluation.curve))
            metrics = [(name, value, epoch) for name, curve in curves for epoch, value in enumerate(curve, 1)]
            metrics += [(name, score, evaluation.best_epoch) for name, score in evaluation.scores.items()]
            self._log(run_id, candidate.genes, metrics)
        if evaluation.reason:
            self._client.set_tag(run_id, "evonas.reason", evaluation.reason[:_LONGEST])
        ended = max((int(1000 * span.ended) for span in evaluation.spans), default=None)
        status = "FAILED" if evaluation.status is Status.FAILED else "FINISHED"
        self._client.set_terminated(run_id, status=status, end_time=ended)

    def _log(self, run_id: str, params: Mapping[str, Any], metrics: Sequence[tuple[str, float, int]]) -> None:
        now = int(1000 * time.time())
        # The first request holds everything for a typical network, so that a kill leaves everything or nothing.
        param, metric = self._entities.Param, self._entities.Metric
        pairs = [param(_key(name), str(value)[:_LONGEST]) for name, value in params.items()]
        values = [metric(_key(name), value, now, step) for name, value, step in metrics if math.isfinite(value)]
        while pairs or values:
            most = _MOST_METRICS - min(len(pairs), _MOST_PARAMS)
            self._client.log_batch(run_id, metrics=values[:most], params=pairs[:_MOST_PARAMS])
            pairs, values = pairs[_MOST_PARAMS:], values[most:]

    def _runs(self, condition: str) -> list[Any]:
        """All runs of the experiment that satisfy a condition."""
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment], condition, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _log_model(self, run: RunReader, exported: Exported) -> None:
        """Logs the model with its signature, or only the file if it is not a Keras file or little time is left."""
        bound = run.budget.seconds
        if exported.path.suffix != ".keras" or (bound is not None and run.seconds + _MODEL_SECONDS > bound):
            log = self._client.log_artifacts if exported.path.is_dir() else self._client.log_artifact
            log(self._parent, str(exported.path), "model")
            return
        log_keras_model(self._mlflow, self._uri, self._parent, exported.path)


def log_keras_model(mlflow: Any, uri: str | None, run_id: str, path: Path) -> None:
    """Logs a `.keras` file written by evonas as the model of a run, with the signature of its inputs and outputs."""
    from importlib.metadata import version

    import numpy as np

    from evonas.training.export.keras_file import load_keras_file

    flavour, models, types = (library(f"mlflow.{name}", "mlflow") for name in ("keras", "models", "types"))
    model = load_keras_file(path)

    def schema(tensors: Mapping[str, Any]) -> Any:
        def kind(tensor: Any) -> Any:
            return np.dtype(str) if tensor.dtype == "string" else np.dtype(tensor.dtype)

        several = len(tensors) > 1
        specs = [
            types.TensorSpec(kind(each), (-1, *(size or -1 for size in each.shape[1:])), name if several else None)
            for name, each in tensors.items()
        ]
        return types.Schema(specs)

    inputs = {each.name: each for each in model.inputs}
    outputs = dict(zip(model.output_names, model.outputs, strict=True))
    before = mlflow.get_tracking_uri()
    try:
        if uri is not None:
            mlflow.set_tracking_uri(uri)
        with mlflow.start_run(run_id=run_id):
            flavour.log_model(
                model,
                name="model",
                signature=models.ModelSignature(schema(inputs), schema(outputs)),
                # Given explicitly, since MLflow would otherwise load the model in another process to detect its
                # imports.
                pip_requirements=[f"{name}=={version(name)}" for name in ("keras", "tensorflow", "numpy")],
            )
    finally:
        mlflow.set_tracking_uri(before)


def _key(name: str) -> str:
    """Converts a name to one that MLflow accepts for parameters and metrics."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:200]
