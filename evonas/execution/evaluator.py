"""`WorkerEvaluator`: evaluates generations in a worker process, and survives its crashes.

If a worker dies, it is replaced, and its remaining networks are retried in halves until the culprit is isolated: it is
FAILED, with the reason, and all others are evaluated. The same applies to networks whose training raises an exception,
as long as others can be trained at all. Imports no Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evonas.evaluation import Candidate, Evaluation, Status, Weights
from evonas.execution.child_process import command_of
from evonas.execution.messages import Export, Finished, PartialResult, Ping, Retiring, Sweep, Test, Train
from evonas.execution.streaming import WorkerStream
from evonas.execution.trainer_state import TrainerState
from evonas.execution.worker_process import WorkerDied, WorkerError, WorkerLimits, WorkerProcess
from evonas.io.closing import Closing
from evonas.training_tasks import architecture_of, task_of

# The worker is started before slow imports, since it has more to load than the driver.
if TYPE_CHECKING:
    from evonas.evaluation import InTraining, Start
    from evonas.export_tasks import EnsembleTask, Exported, ExportTask
    from evonas.rate_sweep import LearningRateCurve, SweepTask
    from evonas.training_tasks import TrainingSettings, TrainingTask
    from evonas.user_model import PackedBuild

__all__ = ["WorkerEvaluator", "standing_by", "warm_process"]

_WORKER = "evonas.execution.worker"
#: Attempts to start a worker, since it may be killed by others.
_START_ATTEMPTS = 3


@dataclass(frozen=True)
class _Batch:
    """Positions to send to a worker together, those already done, and whether a worker died with them before."""

    positions: tuple[int, ...]
    done: frozenset[int] = frozenset()
    suspected: bool = False


class WorkerEvaluator(TrainerState, Closing):
    """Trains candidates in a worker process. Implements `Evaluator`."""

    def __init__(
        self,
        space: Any,
        data_path: Path | None,
        settings: TrainingSettings,
        log: Path | None = None,
        limits: WorkerLimits | None = None,
        build: PackedBuild | None = None,
        standby: WorkerProcess | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Does not start the worker; `start` or the first request does.

        Args:
            space: the space of the genomes, see `genomes.encodings.blueprint`.
            data_path: file of `PreparedData.save`; None if `build` is a trial, which brings its own data.
            settings: common to all networks.
            log: file for the worker's output; None keeps it only to explain a failed start.
            limits: that end a worker.
            build: a user's function that builds the models of the space's genomes; or a `Trial`.
            standby: an already started process to use as the first worker; see `standing_by`.
            environment: variables of a worker in addition to those of this process.
        """
        self._space, self._settings = space, settings
        self._data_path = None if data_path is None else Path(data_path)
        self._log, self._limits, self._build = log, limits or WorkerLimits(), build
        self._worker: WorkerProcess | None = None
        self._standby, self._environment = standby, dict(environment)
        self._gives_up: Callable[[], bool] = lambda: False
        self._on_progress: Callable[[Sequence[InTraining]], None] = lambda found: None
        self._trained = False

    def abandon_when(self, check: Callable[[], bool]) -> None:
        """See `evonas.evolution.deadline.Abandonable`."""
        self._gives_up = check
        if self._worker is not None:
            self._worker.gives_up = check

    def watch_training(self, listener: Callable[[Sequence[InTraining]], None]) -> None:
        """See `evonas.evolution.training_progress.Watchable`."""
        self._on_progress = listener

    @property
    def pid(self) -> int | None:
        """Process id of the worker; None if there is none."""
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    @property
    def is_ready(self) -> bool:
        """Whether the worker is known to have started; does not query it."""
        return self._worker is not None and self._worker.is_ready

    @property
    def start_seconds(self) -> float | None:
        """Seconds that the worker took to become ready; None until then. Does not wait."""
        return None if self._worker is None else self._worker.start_seconds

    def start(self) -> None:
        """Starts the worker, without waiting for it: it loads its libraries while the driver continues."""
        self._ready_worker()

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Evaluator.evaluate`. Closing the iterator early stops the training at its next part.

        Raises:
            Abandoned: see `abandon_when`.
            WorkerError: the worker does not start, or raised an error not caused by a candidate.
        """
        return self.evaluate_tasks(
            tuple(task_of(self._space, candidate, starts.get(k)) for k, candidate in enumerate(candidates)), done
        )

    def evaluate_tasks(self, tasks: Sequence[TrainingTask], done: frozenset[int]) -> Iterator[dict[int, Evaluation]]:
        """As `evaluate`, for tasks by position."""
        waiting = [_Batch(tuple(range(len(tasks))), done)]
        raised: dict[int, WorkerError] = {}
        while waiting:
            batch = waiting.pop()
            left = set(batch.positions) - batch.done
            try:
                for evaluations in self._train(tasks, batch):
                    left -= evaluations.keys()
                    self._trained |= any(evaluation.status is Status.OK for evaluation in evaluations.values())
                    yield evaluations
            except WorkerDied as death:
                if len(left) == 1 and batch.suspected:
                    yield {left.pop(): Evaluation(Status.FAILED, reason=f"the worker process {death}")}
                else:
                    waiting += _halves(sorted(left))
            except WorkerError as error:
                if not left or not error.raised:
                    raise
                if len(left) == 1:
                    raised[left.pop()] = error
                else:
                    waiting += _halves(sorted(left))
        if raised and not self._trained:
            # Nothing was ever trained successfully, so the networks are not the cause.
            raise next(iter(raised.values()))
        for position, why in raised.items():
            yield {position: Evaluation(Status.FAILED, reason=f"it raised {why.raised}")}

    def stream(self) -> WorkerStream:
        """See `StreamingEvaluator.stream`. Waits for the worker to be ready.

        Raises:
            WorkerError: the worker does not start.
        """
        return WorkerStream(self._start_stream_worker, self.close, partial(task_of, self._space), self._limits)

    def export(self, task: ExportTask | EnsembleTask) -> Exported:
        """Writes a network, or several as one, as a Keras file, in the worker.

        Raises:
            InputError: the path cannot be written, or the task cannot be met.
            WorkerError: the worker died, or the file's model does not give the recorded scores.
        """
        exported: Exported = self.ask_once(Export, task).value
        return exported

    def sweep(self, task: SweepTask) -> LearningRateCurve:
        """Sweeps a network's learning rate, in the worker.

        Raises:
            WorkerError: the worker died.
        """
        curve: LearningRateCurve = self.ask_once(Sweep, task).value
        return curve

    def test(self, genome: Any, weights: Weights) -> dict[str, float]:
        """Scores of a genome's weights on the test split, computed in the worker; empty when there is none.

        Raises:
            WorkerError: the worker died.
        """
        answer = self.ask_once(Test, architecture_of(self._space, genome), weights)
        return dict(answer.value)

    def ping(self) -> None:
        """Returns when the worker is ready and answers.

        Raises:
            WorkerError: it does not start, or died.
        """
        self.ask_once(Ping)

    def kill(self) -> None:
        """Kills the worker without waiting for the end of its process."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def close(self) -> None:
        """Ends the worker within two seconds. Idempotent; a later request starts a new one."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _train(self, tasks: Sequence[TrainingTask], batch: _Batch) -> Iterator[dict[int, Evaluation]]:
        """Yields evaluations by position. A retiring worker is replaced."""
        done = set(batch.done)
        answer: Any = None
        while not isinstance(answer, Finished):
            numbers = frozenset(number for number, position in enumerate(batch.positions) if position in done)
            chosen = tuple(tasks[position] for position in batch.positions)
            worker = self._start_worker()
            worker.on_progress = partial(self._report_progress, batch.positions)
            with closing(worker.ask(Train, chosen, numbers, self._state)) as answers:
                for answer in answers:
                    if isinstance(answer, PartialResult) and answer.evaluations:
                        evaluations = {batch.positions[number]: e for number, e in answer.evaluations.items()}
                        done |= evaluations.keys()
                        yield evaluations
            if isinstance(answer, Retiring):
                self.close()
        if not batch.suspected:
            self._state = answer.value

    def _report_progress(self, positions: Sequence[int], found: Sequence[InTraining]) -> None:
        """Passes on what is in training, by position in the generation."""
        self._on_progress([replace(each, number=positions[each.number]) for each in found])

    def _start_stream_worker(self) -> WorkerProcess:
        """Starts the worker for a stream, which uses the driver's own numbers."""
        worker = self._start_worker()
        worker.on_progress = lambda found: self._on_progress(found)
        return worker

    def _ready_worker(self) -> WorkerProcess:
        if self._worker is None or not self._worker.settled():
            self.close()
            standby, self._standby = self._standby, None
            if standby is not None and standby.alive:
                self._worker = standby
                standby.begin(self._data_path, self._settings, self._limits, self._build, self._log)
            else:
                self._worker = WorkerProcess(self._command(), self._log, self._environment)
                self._worker.begin(self._data_path, self._settings, self._limits, self._build)
            self._worker.gives_up = self._gives_up
        return self._worker

    def _start_worker(self) -> WorkerProcess:
        """Returns the worker once it has started. A worker killed during its start is replaced.

        Raises:
            Abandoned: see `abandon_when`.
            WorkerError: it does not start.
        """
        for left in reversed(range(_START_ATTEMPTS)):
            worker = self._ready_worker()
            try:
                worker.wait_until_ready()
                break
            except WorkerError:
                if not left or not worker.was_killed:
                    raise
        return worker

    def _command(self) -> list[str]:
        return command_of(_WORKER)

    def ask_once(self, request: Any, *arguments: Any) -> Finished:
        """Sends a request with a single answer, given as a class of `messages` and its arguments.

        Raises:
            WorkerError: the worker died, or raised.
        """
        try:
            (answer,) = self._start_worker().ask(request, *arguments)
        except WorkerDied as death:
            raise WorkerError(f"the worker {death}") from None
        assert isinstance(answer, Finished)
        return answer


@contextmanager
def standing_by(
    trainer: str, own: bool = False, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[WorkerProcess]:
    """A context with a worker process that loads its libraries while the driver reads the data.

    Args:
        trainer: as `TrainingSettings.trainer`.
        own: whether the models are user-defined.
        environment: variables of the process in addition to those of this one.
    """
    process = warm_process(trainer, own, environment)
    try:
        yield process
    finally:
        process.stop(0.0)


def warm_process(
    trainer: str, own: bool = False, environment: Mapping[str, str] = MappingProxyType({})
) -> WorkerProcess:
    """A worker process that loads the libraries of a trainer, before there are data for it; see `standing_by`."""
    process = WorkerProcess(command_of(_WORKER), None, environment)
    process.warm(trainer, own)
    return process


def _halves(positions: Sequence[int]) -> list[_Batch]:
    """Splits a batch in two, in reverse order for the stack. A single network gets a second chance."""
    middle = (len(positions) + 1) // 2
    halves = (positions[middle:], positions[:middle])
    return [_Batch(tuple(half), suspected=True) for half in halves if half]
