"""`TensorBoard`: logs a search as event files, which TensorBoard shows alongside those of Keras. Imports no TensorFlow.

One file is written for each trained network, with the scalars `loss` and `val_loss` by epoch, the scores at the best
epoch, and the genes and status for the HPARAMS tab. Existing files are not overwritten, so that a run that is
interrupted and resumed is logged once.

    folder/<run directory's name>-<digest of the run>/g000-i07-<digest of the network>/events.out.tfevents...
"""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.config import Budget
from evonas.evaluation import Status
from evonas.io.atomic import write_new
from evonas.objective import objectives_of
from evonas.trackers.callback import Callback, EvaluatedCandidate, read_evaluated, space_of
from evonas.trackers.identity import run_digest
from evonas.trackers.libraries import library
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["TensorBoard"]

_MODULES = {
    "event": "tensorboard.compat.proto.event_pb2",
    "summary": "tensorboard.compat.proto.summary_pb2",
    "records": "tensorboard.summary.writer.record_writer",
    "api": "tensorboard.plugins.hparams.api_pb2",
    "data": "tensorboard.plugins.hparams.plugin_data_pb2",
    "metadata": "tensorboard.plugins.hparams.metadata",
}


class TensorBoard(Callback):
    """Writes event files below a folder.

    Args:
        folder: log directory for TensorBoard, created if necessary; several runs may share it.

    Raises:
        InputError: tensorboard is not installed, or `folder` is a file.

    Example:
        >>> evonas.search(x, y, callbacks=[TensorBoard("logs")])  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"tensorboard must be a folder, but {folder} is a file: choose another name")
        self._modules = {name: library(module, "tensorboard") for name, module in _MODULES.items()}
        self._run_folder = self.folder

    def on_start(self, run: RunReader, budget: Budget) -> None:
        """Describes the experiment, and logs networks that earlier sessions did not log."""
        digest = run_digest(run)
        found = sorted(self.folder.glob(f"*-{digest}")) if self.folder.is_dir() else []
        # The run directory may have been renamed.
        self._run_folder = found[0] if found else self.folder / f"{run.directory.absolute().name}-{digest}"
        objectives = objectives_of(run.objective, run.settings.objectives or (run.objective.name,))
        self._write(self._run_folder, [self._experiment(space_of(run), [each.name for each in objectives])])
        logged = {path.parent.name for path in self._run_folder.glob("*/*.tfevents.*")}
        for candidate in read_evaluated(run):
            if _folder_name(candidate) not in logged:
                self.on_evaluation(candidate)

    def on_evaluation(self, candidate: EvaluatedCandidate) -> None:
        """Writes the file of a network, unless it exceeded a limit and was not trained."""
        evaluation = candidate.evaluation
        if evaluation.status is Status.INFEASIBLE:
            return
        values = [(0, self._start(candidate))]
        for tag, curve in (("loss", evaluation.train_curve), ("val_loss", evaluation.curve)):
            values += [(epoch, self._scalar(tag, value)) for epoch, value in enumerate(curve, 1)]
        scores = {name: score for name, score in evaluation.scores.items() if math.isfinite(score)}
        values += [(evaluation.best_epoch, self._scalar(name, score)) for name, score in scores.items()]
        self._write(self._run_folder / _folder_name(candidate), [*values, (0, self._session_end(evaluation.status))])

    # The contents of the files.

    def _scalar(self, tag: str, value: float) -> Any:
        return self._modules["summary"].Summary.Value(tag=tag, simple_value=value)

    def _experiment(self, space: Any, metrics: Iterable[str]) -> tuple[int, Any]:
        """The names and types of genes, and the scores in the HPARAMS tab."""
        api = self._modules["api"]
        infos = [
            api.HParamInfo(name=gene.name, type=getattr(api, f"DATA_TYPE_{_kind_of(gene.domain)}"))
            for gene in getattr(space, "genes", ())
        ]
        shown = [
            api.MetricInfo(name=api.MetricName(tag=tag), display_name=tag)
            for tag in dict.fromkeys((*metrics, "val_loss"))
        ]
        experiment = api.Experiment(hparam_infos=infos, metric_infos=shown, time_created_secs=time.time())
        return 0, self._hparams("EXPERIMENT_TAG", experiment=experiment)

    def _start(self, candidate: EvaluatedCandidate) -> Any:
        start = self._modules["data"].SessionStartInfo(
            group_name=candidate.name, start_time_secs=time.time() - candidate.evaluation.train_seconds
        )
        for name, value in candidate.genes.items():
            if isinstance(value, bool):
                start.hparams[name].bool_value = value
            elif isinstance(value, int | float):
                start.hparams[name].number_value = value
            else:
                start.hparams[name].string_value = str(value)
        return self._hparams("SESSION_START_INFO_TAG", session_start_info=start)

    def _session_end(self, status: Status) -> Any:
        api = self._modules["api"]
        word = api.STATUS_FAILURE if status is Status.FAILED else api.STATUS_SUCCESS
        end = self._modules["data"].SessionEndInfo(status=word, end_time_secs=time.time())
        return self._hparams("SESSION_END_INFO_TAG", session_end_info=end)

    def _hparams(self, tag: str, **content: Any) -> Any:
        metadata = self._modules["metadata"]
        data = metadata.create_summary_metadata(self._modules["data"].HParamsPluginData(**content))
        return self._modules["summary"].Summary.Value(
            tag=getattr(metadata, tag), metadata=data, tensor=metadata.NULL_TENSOR
        )

    def _write(self, folder: Path, values: Iterable[tuple[int, Any]]) -> None:
        """Writes one event file in the folder atomically, unless there is one already."""
        folder.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        records = self._modules["records"].RecordWriter(file)
        for event in self._events(values):
            records.write(event.SerializeToString())
        # By convention, "tfevents" is followed by a time in seconds.
        with suppress(FileExistsError):
            write_new(folder / "events.out.tfevents.0000000000.evonas", lambda out: out.write(file.getvalue()))

    def _events(self, values: Iterable[tuple[int, Any]]) -> Iterator[Any]:
        event, summary = self._modules["event"].Event, self._modules["summary"].Summary
        yield event(wall_time=time.time(), file_version="brain.Event:2")
        for step, value in values:
            yield event(wall_time=time.time(), step=step, summary=summary(value=[value]))


def _folder_name(candidate: EvaluatedCandidate) -> str:
    return re.sub(r"[^\w.-]", "_", f"{candidate.name}-{candidate.digest[:8]}")


def _kind_of(domain: Any) -> str:
    """TensorBoard's name for the type of a gene's values."""
    options = getattr(domain, "options", None)
    if options is None or all(isinstance(each, int | float) and not isinstance(each, bool) for each in options):
        return "FLOAT64"
    return "BOOL" if all(isinstance(each, bool) for each in options) else "STRING"
