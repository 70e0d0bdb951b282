"""Export of networks of a run as Keras models, in the worker process. Imports no Keras."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from evonas.data.prepared import PreparedData
from evonas.execution.launch import worker_for
from evonas.runs.ensemble_networks import fold_members, most_members, networks_to_choose_from
from evonas.runs.final_model import FinalModel
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.runs.records import Record
from evonas.user_model import Build, check_build
from genomes.encodings import blueprint, space_from_json
from genomes.errors import InputError
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.execution import WorkerEvaluator
    from evonas.export_tasks import Exported

__all__ = ["Exporter", "check_export", "export", "export_ensemble"]

#: Seconds before the end of a run's time at which its exporter starts at the latest: Keras loads slowly on a busy
#: machine.
_AHEAD_SECONDS = 45.0
#: Duration of an export relative to the start time of its process, its duration in seconds while that is unknown, and
#: the largest share of a run's time reserved for it.
_EXPORT_FACTOR, _EXPORT_GUESS, _EXPORT_SHARE = 0.6, 3.0, 0.15
#: Duration of exporting a further network of an ensemble relative to a single network.
_FACTOR_EACH = 0.12


def check_export(path: Path, format: str | None = None, *, card: bool = True) -> str:
    """Returns the format for a path.

    Raises:
        InputError: the model or its model card cannot be written there.
    """
    from evonas.deploy.card import check_card_paths
    from evonas.export_tasks import format_of

    chosen = format_of(path, format)
    if card:
        check_card_paths(path)
    return chosen


def export(
    run_dir: str | Path,
    path: str | Path,
    rank: int | None = None,
    *,
    retrain: bool = False,
    build: Any = None,
    format: str | None = None,
    card: bool = True,
    calibrate: bool | None = None,
    resize: bool = False,
    worker: WorkerEvaluator | None = None,
) -> Exported:
    """Writes a network of a run as one `.keras` file, which plain `keras.models.load_model` opens, or in other formats.

    The file is opened and scored before it is moved to its path: it must reproduce the recorded validation scores.

    Args:
        run_dir: the run directory; the search may still be running.        path: file to write, with its format's
            extension; replaced atomically if it exists. A SavedModel is a new folder.
        rank: 1 for the best network of the run, 2 for the next, and so on. Finalists lead, by their mean re-score, with
            the weights of their median re-training (`RunReader.ranked`). None for the final model: the best network,
            or the mean of several (`RunReader.final_model`).
        retrain: train again on training and validation rows together, for the number of epochs of the best training;
            otherwise the model has exactly the weights that were scored.
        build: the build function of the run, if it has one.
        format: "keras", "savedmodel", "onnx" or "tflite"; by default chosen by the path's extension. All but the first
            are compared with the Keras model on 100 rows.
        card: whether to write a model card next to it, as `FILE.card.json` and `FILE.card.md`; see
            `evonas.deploy.card`. Existing cards are replaced.
        calibrate: for classes, whether logits are divided by the temperature that fits the validation rows best (Guo et
            al. 2017); by default as in the run's settings. The card has the calibration error before and after.
        resize: whether a model of images accepts any size and resizes them; in Keras's formats only.
        worker: performs the export; by default a separate process.

    Returns:
        The path, the model's scores on the validation and test splits, and a note on the origin of its weights.

    Raises:
        InputError: the rank does not exist, the weights were not kept, or the path cannot be written.
    """
    from evonas.export_tasks import ExportTask

    chosen = check_export(Path(path), format, card=card)
    if resize and (chosen not in ("keras", "savedmodel") or build is not None):
        what = f"the format {chosen}" if build is None else "your own models"
        raise InputError(f"resize must be used with keras or savedmodel and networks that evonas builds, not {what}")
    with RunReader(run_dir) as run:
        if rank is None and not retrain and not resize and (model := run.final_model) is not None:
            return _export_mean(run, model, Path(path), chosen, card, calibrate, worker)
        rank = rank or 1
        record, finalists = run.ranked(rank), run.finalists
        own = None if build is None else Build.from_function(build)
        check_build(own, run.source.get("build"), run.directory)
        space = space_from_json(run.space_json)
        calibrated = _calibrates(run, calibrate) and not (retrain and calibrate is None)
        task = ExportTask(
            architecture=blueprint(space, space.genome_from_json(record.genome)),
            path=Path(path).absolute(),
            weights=None if retrain else run.weights(record),
            scores=record.evaluation.scores,
            retrain=retrain,
            seed=record.seed,
            epochs=record.horizon,
            best_epoch=run.epochs_behind(record) if retrain else record.evaluation.best_epoch,
            format=chosen,
            calibrate=calibrated,
            resize=resize,
        )
        made = nullcontext(worker) if worker else worker_for(space, run.directory / DATA_NAME, run.settings, own)
        with made as exporting:
            exported = exporting.export(task)
        if not retrain and rank <= len(finalists) and finalists[rank - 1].scores:
            _, semicolon, more = exported.note.partition(";")
            note = f"weights of the median of {len(finalists[rank - 1].scores)} re-trainings"
            exported = replace(exported, note=note + semicolon + more)
        return _with_card(exported, run, [(record, 1.0)], rank) if card else exported


def _export_mean(
    run: RunReader,
    model: FinalModel,
    path: Path,
    format: str,
    card: bool,
    calibrate: bool | None,
    worker: WorkerEvaluator | None,
) -> Exported:
    """Writes the mean of a final model's networks as one file."""
    from evonas.export_tasks import EnsembleTask

    calibrated = _calibrates(run, calibrate)
    if calibrated and model.all_rows:
        raise InputError(
            "calibrate must be used with a model that has not seen the validation rows, not with networks trained on "
            "them: "
            "export a single network, with --rank 1"
        )
    space = space_from_json(run.space_json)
    networks = tuple(
        (blueprint(space, space.genome_from_json(record.genome)), run.weights_named(name))
        for record, name in zip(model.members, model.names, strict=True)
    )
    task = EnsembleTask(
        networks,
        len(networks),
        run.objective,
        path.absolute(),
        calibrated,
        format=format,
        shares=model.shares,
        folds=model.folds,
        all_rows=model.all_rows,
    )
    made = nullcontext(worker) if worker else worker_for(space, run.directory / DATA_NAME, run.settings)
    with made as exporting:
        exported = exporting.export(task)
    _, semicolon, more = exported.note.partition(";")
    exported = replace(exported, note=model.note + semicolon + more)
    shares = [share for _, share in exported.members]
    members = list(zip(model.members, shares, strict=True))
    return _with_card(exported, run, members, None) if card else exported


class TimeBudget(Protocol):
    """The time of a session as `evonas.evolution.deadline.Timetable` has it.

    Attributes:
        bound: time limit of the run in seconds; infinite for no limit.
        ending: estimates the seconds for the export.
    """

    bound: float
    ending: Callable[[], float]

    @property
    def left(self) -> float:
        """Seconds until the end of the search."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the time limit has been reached."""
        ...


class Exporter:
    """A process that loads Keras in the background, so that a run does not wait for it at its end.

    Starts on request, and shortly before the run's time is over.
    """

    def __init__(
        self,
        run: RunReader,
        space: SearchSpace,
        build: Build | None,
        timetable: TimeBudget,
        is_stopped: Callable[[], bool],
    ) -> None:
        """Starts nothing yet.

        Args:
            run: whose best network is exported.
            space: the space of its genomes.
            build: user-defined build function, if any.
            timetable: of the session; receives the expected duration of an export.
            is_stopped: whether a stop was requested.
        """
        self._directory, self._settings, self._space, self._build = run.directory, run.settings, space, build
        self._members = most_members(run)
        self._timetable, self._is_stopped = timetable, is_stopped
        self._starting = threading.Lock()
        self._timer: threading.Timer | None = None
        self._started = math.inf
        self.worker: WorkerEvaluator | None = None

    def __enter__(self) -> Self:
        timetable = self._timetable
        if timetable.bound < math.inf:
            after = timetable.ending
            timetable.ending = lambda: after() + self.expected_seconds()
            self._timer = threading.Timer(max(0.0, timetable.left - _AHEAD_SECONDS), self._start_if_possible)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def abandon(self) -> None:
        """Ends the process."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self.worker is not None:
            self.worker.kill()  # it has nothing to save, and its libraries are slow to shut down

    def start(self) -> None:
        """Starts the process unless it is running, without waiting for it."""
        from evonas.execution.evaluator import warm_process

        with self._starting:
            if self.worker is None:
                process = warm_process("single", self._build is not None)
                data = self._directory / DATA_NAME
                worker = worker_for(self._space, data, self._settings, self._build, process)
                worker.abandon_when(self._gives_up)
                worker.start()
                self._started, self.worker = monotonic(), worker

    def _start_if_possible(self) -> None:
        with suppress(OSError):  # tried again, and reported, when it is needed
            self.start()

    def _gives_up(self) -> bool:
        """Whether to stop waiting for an export. If its process is not ready in time, the export will not be."""
        timetable = self._timetable
        late = timetable.left <= 0 and self.worker is not None and not self.worker.is_ready
        return self._is_stopped() or timetable.is_over or late

    def expected_seconds(self) -> float:
        """Expected duration of an export in seconds."""
        known = None if self.worker is None else self.worker.start_seconds
        if known is None:
            seconds = max(_EXPORT_GUESS, _EXPORT_FACTOR * (monotonic() - self._started))
        else:
            seconds = _EXPORT_FACTOR * known
        seconds *= 1.0 + _FACTOR_EACH * self._members
        return min(seconds, _EXPORT_SHARE * self._timetable.bound)


def _with_card(
    exported: Exported, run: RunReader, members: Sequence[tuple[Record, float]], rank: int | None
) -> Exported:
    from evonas.deploy.card import Exhibit, write_card

    data = PreparedData.load(run.directory / DATA_NAME)
    try:
        return replace(exported, card=write_card(Exhibit(exported, tuple(members), rank), run, data))
    except OSError as error:
        raise InputError(
            f"{exported.path} is written, but its model card cannot be ({error.strerror}): make room, or leave it out"
        ) from None


def _calibrates(run: RunReader, asked: bool | None) -> bool:
    """Whether an export is calibrated: as requested, or as in the run's settings.

    Raises:
        InputError: it is requested, but the target is not a class, or the models are user-defined.
    """
    if not (run.settings.calibrate if asked is None else asked):
        return False
    if run.problem_json.get("task") == "regression":
        raise InputError("calibrate must be used with classes, not numeric targets: leave it out, or use quantiles")
    if run.source.get("build"):
        raise InputError("calibrate must be used with networks that evonas builds, not your own models: leave it out")
    return True


def export_ensemble(
    run_dir: str | Path,
    path: str | Path,
    size: int,
    *,
    card: bool = True,
    calibrate: bool | None = None,
    worker: WorkerEvaluator | None = None,
) -> Exported:
    """Writes the best networks of a run, or some of them, as one `.keras` file that predicts their mean.

    Members are chosen greedily by the mean prediction on the validation split, from networks whose weights were kept
    (`Settings.keep`), the finalists' re-trainings, and re-trainings of the best one from further seeds
    (`Settings.ensemble`); a network may be chosen several times. Under cross-validation, each of the latter was trained
    on one fold; the file is then their plain mean, and its validation scores are the mean of theirs, each on the rows
    that the network was not trained on.

    Args:
        run_dir: the run directory; the search may still be running.
        path: file to write, ending in `.keras`; replaced atomically if it exists.
        size: maximum number of networks, 1 to 100.
        card, calibrate, worker: as in `export`.

    Raises:
        InputError: no weights were kept, the models are user-defined, or the path cannot be written.

    References:
        Caruana et al., "Ensemble selection from libraries of models", ICML 2004.
    """
    from evonas.export_tasks import EnsembleTask

    check_export(Path(path), "keras", card=card)
    if not 1 <= size <= 100:
        raise InputError(f"ensemble must have from 1 to 100 networks, not {size}: 8 is a good size")
    with RunReader(run_dir) as run:
        space = space_from_json(run.space_json)
        if run.source.get("build"):
            raise InputError(
                f"an ensemble must have networks that evonas builds, but those of {run_dir} are from your own "
                "function: "
                f"export them one by one, with --rank"
            )
        bagged = fold_members(run, size)
        records = {name: record for name, record, _ in bagged} or networks_to_choose_from(run)
        networks = [
            (blueprint(space, space.genome_from_json(record.genome)), run.weights_named(name))
            for name, record in records.items()
        ]
        if not networks:
            raise InputError(
                f"an ensemble must have networks whose weights were kept, but {run_dir} has none: continue the "
                f"search, or export one with --retrain"
            )
        calibrated = _calibrates(run, calibrate)
        folds = tuple(fold for _, _, fold in bagged)
        task = EnsembleTask(tuple(networks), size, run.objective, Path(path).absolute(), calibrated, folds)
        made = nullcontext(worker) if worker else worker_for(space, run.directory / DATA_NAME, run.settings)
        with made as exporting:
            exported = exporting.export(task)
        chosen = [(list(records.values())[place], share) for place, share in exported.members]
        return _with_card(exported, run, chosen, None) if card else exported
