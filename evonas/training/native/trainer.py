"""`NativeTrainer`: trains one network per thread, at its exact shapes. For CPUs; without Keras.

Training runs share only the rows, so that results do not depend on what else is trained, and each can be stopped at any
step.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import networkx as nx
import numpy as np

from evonas.data.memo import Memo
from evonas.data.prepared import PreparedData
from evonas.data.splits import join_split
from evonas.data.views import View, Views
from evonas.evaluation import Evaluation, InTraining, Snapshot, Status
from evonas.machine import free_bytes, usable_cores
from evonas.networks.neighbours import check_supported
from evonas.networks.transfer import first_weights
from evonas.training.native.compilation import load
from evonas.training.native.lowering import lower
from evonas.training.native.neighbour_arrays import references_of
from evonas.training.native.program import Program
from evonas.training.native.threads import Pool
from evonas.training.native.training import CHUNK_ROWS, NetworkTraining, Stopped, TrainingRows
from evonas.training.native.training_inputs import optimization, rows_of, smooth_labels
from evonas.training.replicates import combine_evaluations, member_seed
from evonas.training.snapshot_scores import evaluate_snapshot
from evonas.training.spans import span_since
from evonas.training.starting_point import start_of
from evonas.training_tasks import ALL_ROWS, TrainingSettings, TrainingTask
from genomes.architecture.cost import count_parameters
from genomes.architecture.graph import finds_neighbours, graph_from_json, views_of
from genomes.architecture.members import count_of
from genomes.errors import InputError

__all__ = ["NativeTrainer"]

#: Interval of progress signals while no training run ends.
_HEADWAY_SECONDS = 0.25

#: Share of the available memory for training; the rest is for data and results.
_MEMORY_SHARE = 0.8

#: Memory for cached rows; if candidates choose their neighbours, each may have its own rows.
_MOST_ROW_BYTES = 256 << 20

#: Returns the next task to train and its number; None if none is available at the moment.
Source = Callable[[], tuple[int, TrainingTask] | None]


class NativeTrainer:
    """Trains dense networks, one per thread, longest first. Implements `Trainer`."""

    def __init__(
        self,
        data: PreparedData,
        settings: TrainingSettings,
        threads: int | None = None,
        memory_bytes: int | None = None,
        candidate_seconds: float | None = None,
    ) -> None:
        """Loads the kernels, compiling them if necessary.

        Args:
            data: the data to train on.
            settings: common to all networks.
            threads: number of networks trained at a time; None means one per core that this process may use.
            memory_bytes: memory limit for all training runs together; None means most of the free memory.
            candidate_seconds: time limit per network, after which it fails; None means no limit.

        Raises:
            InputError: the settings are not supported by this trainer.
        """
        if settings.precision != "float32":
            raise InputError(
                f"precision must be float32 with the native trainer, not {settings.precision}: "
                "use another trainer (population or single), or leave the precision at its default"
            )
        load()
        self._problem, self._splits, self._settings, self._pretrained = (
            data.problem,
            data.splits,
            settings,
            data.pretrained,
        )
        self._views = Views(data)
        self._data = data
        self._rows = Memo[tuple[View, int], TrainingRows](self._rows_of, lambda rows: rows.x.nbytes, _MOST_ROW_BYTES)
        self._threads = threads or usable_cores()
        self._memory_bytes = int(_MEMORY_SHARE * (memory_bytes or free_bytes()))
        self._candidate_seconds = candidate_seconds
        #: Running and waiting training runs, and their threads.
        self._open: dict[_QueuedTraining, Pool] = {}
        #: Training runs that a thread is working on.
        self._active: set[_QueuedTraining] = set()
        self._lock = threading.Lock()

    @property
    def threads(self) -> int:
        """Number of networks trained at a time."""
        return self._threads

    def state(self) -> None:
        """Nothing to save."""

    def restore(self, state: Any) -> None:
        """Nothing to restore."""

    def in_training(self) -> list[InTraining]:
        """The tasks in training, one entry per task; may be called from any thread."""
        with self._lock:
            active = sorted(self._active, key=lambda member: member.began)
        works = dict.fromkeys(member.work for member in active)
        return [self._progress(work, [member for member in active if member.work is work]) for work in works]

    def _progress(self, work: _Work, active: Sequence[_QueuedTraining]) -> InTraining:
        """Progress of a task, given its active training runs; its other runs have ended or are waiting."""
        members = len(work.task.folds(len(self._splits))) * self._settings.replicates
        trainings = [member.training for member in active if member.training is not None]
        ended = sum(evaluation.epochs for evaluation in list(work.evaluations.values()))
        return InTraining(
            number=work.number,
            epoch=ended + sum(training.epochs_done for training in trainings),
            epochs=members * work.task.epochs,
            seconds=time.perf_counter() - min(member.began for member in active),
            parameters=active[0].parameters,
        )

    def cancel(self) -> None:
        """Stops running training within a step and drops waiting runs; may be called from any thread."""
        self._cancel()

    def train(
        self, tasks: Sequence[TrainingTask], done: frozenset[int] = frozenset()
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Trainer.train`; yields each result as soon as it is available. Closing the iterator stops training.

        Raises:
            InputError: a task continues a network with other layers, or has no epoch to train.
        """
        works = [_Work(number, task) for number, task in enumerate(tasks) if number not in done]
        members = sorted((member for work in works for member in self._members(work)), key=lambda each: -each.cost)
        pool = Pool(min(self._threads, max(len(members), 1)), self._memory_bytes)
        try:
            self._submit(pool, members)
            left = len(works)
            while left:
                _, found = self._next(pool)
                left -= len(found)
                yield found
        finally:
            self._close(pool)

    def stream(self, source: Source) -> Iterator[Mapping[int, Evaluation]]:
        """Trains the tasks from `source`, one for each free thread; yields as `train`, without end.

        The next task, if already available, is prepared while others are in training.

        Args:
            source: called whenever a thread is free, and at every progress signal.
        """
        threads, waiting = self._threads, 0
        pool = Pool(threads, self._memory_bytes)
        try:
            while True:
                while waiting <= threads and (given := source()) is not None:
                    members = self._members(_Work(*given))
                    self._submit(pool, members)
                    waiting += len(members)
                ended, found = self._next(pool) if waiting else (0, {})
                waiting -= ended
                yield found
        finally:
            self._close(pool)

    def _submit(self, pool: Pool, members: Sequence[_QueuedTraining]) -> None:
        with self._lock:
            self._open.update(dict.fromkeys(members, pool))
        for member in members:
            pool.submit(member, partial(self._run, member), member.num_bytes)

    def _next(self, pool: Pool) -> tuple[int, dict[int, Evaluation]]:
        """Number of training runs that have just ended (0 or 1), and the tasks that this completes."""
        try:
            member, evaluation, error = pool.results.get(timeout=_HEADWAY_SECONDS)
        except queue.Empty:
            self._end_late()
            return 0, {}
        self._end_late()
        if isinstance(error, MemoryError):
            reason = "out of memory: the network does not fit on this machine"
            evaluation = Evaluation(Status.FAILED, reason=reason, parameters=member.parameters)
        elif error is not None:
            raise error
        member.work.evaluations[member.number] = evaluation
        count = len(member.work.task.folds(len(self._splits))) * self._settings.replicates
        if len(member.work.evaluations) < count:
            return 1, {}
        return 1, {
            member.work.number: combine_evaluations([member.work.evaluations[number] for number in range(count)])
        }

    def _end_late(self) -> None:
        """Stops training runs that have exceeded the time limit."""
        if self._candidate_seconds is None:
            return
        now = time.perf_counter()
        with self._lock:
            for member in self._open:
                if member.work.seconds + now - member.began > self._candidate_seconds:
                    member.stop[0] = 1

    def _cancel(self, pool: Pool | None = None) -> None:
        """Stops the training runs of a pool's threads; None stops all."""
        with self._lock:
            for member, its in self._open.items():
                if pool in (None, its):
                    member.cancelled = True
                    member.stop[0] = 1

    def _close(self, pool: Pool) -> None:
        """Ends the threads. Waiting training runs are not started."""
        self._cancel(pool)
        pool.close()
        with self._lock:
            self._open = {member: its for member, its in self._open.items() if its is not pool}

    def _members(self, work: _Work) -> list[_QueuedTraining]:
        """The training runs of a task, ordered by replicate, then by fold."""
        task = work.task
        graph = self._problem.attach_columns(graph_from_json(task.architecture))
        view = self._problem.view(*views_of(graph))
        horizon = task.horizon or task.epochs
        behind = 0 if task.inherit else max((snapshot.epoch for snapshot in task.start), default=0)
        if not behind < task.epochs <= horizon:
            raise InputError(
                f"a task's epochs must exceed those already trained and be at most its horizon, not {task.epochs} with "
                f"{behind} behind and a horizon of {horizon}: set them so"
            )
        problem = self._problem.for_views(*view)  # the rows are prepared in the training thread
        rows = max(CHUNK_ROWS // count_of(graph), int(graph.graph["training"]["batch_size"]))
        longest = max(max(len(split.x_train), len(split.x_validation)) for split in self._splits)
        if task.fold == ALL_ROWS:
            longest = len(self._splits[0].x_train) + len(self._splits[0].x_validation)
        rows = min(rows, longest)
        program = lower(graph, problem.num_features, problem.num_outputs, rows)
        size = count_parameters(graph, problem.num_features, problem.num_outputs)
        folds = task.folds(len(self._splits))
        return [
            _QueuedTraining(work, replicate * len(folds) + index, fold, replicate, graph, program, view, size)
            for replicate in range(self._settings.replicates)
            for index, fold in enumerate(folds)
        ]

    def _run(self, member: _QueuedTraining) -> Evaluation:
        """Trains and scores, in a thread of the pool."""
        began = time.time()
        return replace(self._train(member), spans=(span_since(began),))

    def _train(self, member: _QueuedTraining) -> Evaluation:
        member.began = began = time.perf_counter()
        with self._lock:
            self._active.add(member)
        try:
            if member.num_bytes > self._memory_bytes:
                return Evaluation(Status.FAILED, reason=self._too_large(member), parameters=member.parameters)
            if self._candidate_seconds is not None and member.work.seconds > self._candidate_seconds:
                return self._stopped_evaluation(member, began)
            training = member.training = self._make_training(member)
            try:
                training.advance(member.work.task.epochs)
            except Stopped:
                return self._stopped_evaluation(member, began)
            return self._evaluation(member, training.snapshot(), time.perf_counter() - began)
        finally:
            with self._lock:
                self._open.pop(member, None)
                self._active.discard(member)
                member.training = None  # releases its arrays
                member.work.seconds += time.perf_counter() - began

    def _stopped_evaluation(self, member: _QueuedTraining, began: float) -> Evaluation:
        late = not member.cancelled and self._candidate_seconds
        return Evaluation(
            status=Status.FAILED if late else Status.STOPPED,
            reason=f"took longer than the limit of {late:g} s per network" if late else "it was stopped",
            train_seconds=time.perf_counter() - began,
            parameters=member.parameters,
        )

    def _too_large(self, member: _QueuedTraining) -> str:
        needed, free = member.num_bytes / 2**20, self._memory_bytes / 2**20
        return f"out of memory: training the network takes {needed:,.0f} MiB, but only {free:,.0f} MiB is available"

    def _make_training(self, member: _QueuedTraining) -> NetworkTraining:
        task, graph, fold = member.work.task, member.graph, member.fold
        data, x = self._visible_data(member.view, fold)
        rows = self._rows((member.view, fold))
        seed = member_seed(task.seed, fold, member.replicate)
        own = first_weights(graph, data.problem, seed, self._pretrained, x)
        initial, start = start_of(task, graph, member.number, own, x, self._problem)
        rows = smooth_labels(rows, data.problem, graph)
        settings = replace(self._settings, patience=None) if fold == ALL_ROWS else self._settings
        loss, horizon = settings.loss_of(data.problem.task, data.problem.quantiles), task.horizon or task.epochs
        how = optimization(graph, loss, settings, len(rows.x), horizon, seed)
        references = None
        if finds_neighbours(graph):
            check_supported(data.problem, rows.weight)
            references = references_of(rows.y, data.problem, seed)
        weights = initial() if start is None else {}
        return NetworkTraining(member.program, rows, how, weights, start, member.stop, references)

    def _rows_of(self, key: tuple[View, int]) -> TrainingRows:
        view, fold = key
        data, _ = self._visible_data(view, fold)
        return rows_of(data.splits[max(fold, 0)], self._problem.quantiles)

    @cached_property
    def _joined(self) -> Views:
        """The data with the first fold's validation rows added to its training rows."""
        return Views(replace(self._data, splits=(join_split(self._data.splits[0]),)))

    def _visible_data(self, view: View, fold: int) -> tuple[PreparedData, Any]:
        """The data in the view that the networks see, and the training rows of the fold."""
        data = (self._joined if fold == ALL_ROWS else self._views)(*view)
        return data, data.splits[max(fold, 0)].x_train

    def _evaluation(self, member: _QueuedTraining, outcome: Snapshot, seconds: float) -> Evaluation:
        return evaluate_snapshot(
            outcome,
            self._problem,
            self._splits[max(member.fold, 0)].y_validation,
            seconds=seconds,
            parameters=member.parameters,
            keep_snapshot=member.work.task.keep_snapshots,
        )


@dataclass(eq=False)
class _Work:
    """A task, its number, the results of its training runs so far, and their duration in seconds."""

    number: int
    task: TrainingTask
    seconds: float = 0.0
    evaluations: dict[int, Evaluation] = field(default_factory=dict)


@dataclass(eq=False)
class _QueuedTraining:
    """One training run of a task, on one fold and from one seed; `number` counts the runs."""

    work: _Work
    number: int
    fold: int
    replicate: int
    graph: nx.DiGraph
    program: Program
    view: View
    parameters: int
    began: float = math.inf
    cancelled: bool = False
    training: NetworkTraining | None = None
    stop: Any = field(default_factory=lambda: np.zeros(1, np.int32))

    @property
    def cost(self) -> int:
        """Cost of the training run in multiplications; determines the order of training."""
        return self.work.task.epochs * (self.program.num_weights * self.program.output.members + 1000)

    @property
    def num_bytes(self) -> int:
        """Memory of the training run in bytes."""
        return self.program.num_bytes
