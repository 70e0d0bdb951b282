"""`PopulationTrainer`: trains a whole generation of different dense networks in a few compiled programs.

Meant for GPUs; it runs on CPUs for tests, where the native trainer is faster. Every fold and replicate of a candidate
is one more member. The planner says which members share a program; programs run one after the other (`workers.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import keras
import numpy as np

from evonas.data.prepared import PreparedData
from evonas.data.views import Views
from evonas.evaluation import Evaluation, InTraining, Snapshot, Status
from evonas.networks.transfer import first_weights
from evonas.training.population.backends import current_backend
from evonas.training.population.cost import CPU, GPU
from evonas.training.population.layout import Fold, PopulationMember
from evonas.training.population.network import Network
from evonas.training.population.planner import Planner, ProgramRun, Workload
from evonas.training.population.program import build_program
from evonas.training.population.shape import MIXED, ProgramShape
from evonas.training.population.slots import SlotState, Stopping
from evonas.training.population.workers import Result, run_parts
from evonas.training.replicates import combine_evaluations, member_seed
from evonas.training.snapshot_scores import evaluate_snapshot
from evonas.training.spans import span_since
from evonas.training.starting_point import start_of
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.cost import count_parameters
from genomes.architecture.graph import graph_from_json, views_of
from genomes.architecture.members import count_of
from genomes.errors import InputError

__all__ = ["PopulationTrainer"]

#: Programs kept compiled in the process; the least recently used is dropped first.
_PROGRAMS_KEPT = 64


class PopulationTrainer:
    """Trains dense networks all at once. Implements `Trainer`."""

    def __init__(self, data: PreparedData, settings: TrainingSettings) -> None:
        """Puts the rows of all folds on the device.

        Args:
            data: the rows to train on.
            settings: common to all networks.
        """
        self._backend = current_backend()
        device = GPU if self._backend.on_gpu() else CPU
        self._backend.configure()
        self._problem, self._splits, self._settings, self._pretrained = (
            data.problem,
            data.splits,
            settings,
            data.pretrained,
        )
        self._planner = Planner(device)
        self._programs = _Programs(self._backend)
        self._folds = _folds(data)
        self._whole, self._views = data, Views(data)
        self._data: dict[str, dict[str, Any]] = {}
        #: Members in the slots of the running program; the task of each member; and all tasks.
        self._seated: Sequence[SlotState] = ()
        self._owners: Sequence[int] = ()
        self._works: Sequence[_Work] = ()
        self._workload = Workload(
            num_features=data.problem.num_features,
            num_outputs=data.problem.num_outputs,
            loss=settings.loss_of(data.problem.task, data.problem.quantiles),
            train_rows=max(fold.train_rows for fold in self._folds),
            validation_rows=max(fold.validation_rows for fold in self._folds),
            weighted=any(split.weight_train is not None for split in data.splits),
            precision=settings.precision,
            memory_bytes=settings.memory_bytes,
            stops_early=settings.patience is not None,
            views={view: len(data.problem.columns(view)) for view in {"standard", *data.problem.views}},
        )

    def state(self) -> Any:
        """The shapes planned so far, see `Trainer.state`."""
        return self._planner.state()

    def restore(self, state: Any) -> None:
        """See `Trainer.restore`."""
        self._planner.restore(state)

    def in_training(self) -> list[InTraining]:
        """Tasks in the slots as of the last call of the program; may be called from any thread."""
        seated, owners, works = self._seated, self._owners, self._works
        found: dict[int, list[SlotState]] = {}
        for state in seated:
            found.setdefault(owners[state.position], []).append(state)
        return [
            InTraining(
                number=position,
                epoch=sum(state.epoch for state in states),
                epochs=sum(state.member.epochs for state in states),
                seconds=time.time() - min(state.began for state in states),
                parameters=works[position].parameters,
            )
            for position, states in found.items()
        ]

    def train(
        self, tasks: Sequence[TrainingTask], done: frozenset[int] = frozenset()
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Trainer.train`."""
        works = [self._work(task) for task in tasks]
        owners = [position for position, work in enumerate(works) for _ in work.members]
        first = [0, *accumulate(len(work.members) for work in works)]
        members = [member for work in works for member in work.members]
        self._seated, self._owners, self._works = (), owners, works
        epochs = [member.epochs - member.first_epoch for member in members]
        parts = self._planner.plan([member.network for member in members], epochs, self._workload)
        wanted = [tuple(k for k in part.members if owners[k] not in done) for part in parts]
        parts = [replace(part, members=mine) for part, mine in zip(parts, wanted, strict=True) if mine]
        found: dict[int, Evaluation] = {}
        left = {position: len(work.members) for position, work in enumerate(works) if position not in done}
        for result in self._run(parts, members):
            if result is None:
                yield {}
                continue
            k, outcome, seconds, began = result
            position = owners[k]
            evaluation = self._evaluation(works[position], members[k], outcome, seconds)
            found[k] = replace(evaluation, spans=(span_since(began),))
            left[position] -= 1
            if not left[position]:
                yield {
                    position: combine_evaluations([found.pop(j) for j in range(first[position], first[position + 1])])
                }

    def _rows_of(self, view: str) -> None:
        """Puts the rows of a view on the device, if the view exists and they are not there yet."""
        if view not in self._data and (view != MIXED or self._problem.views):
            data = self._whole if view == MIXED else self._views(view)
            self._data[view] = {name: keras.ops.convert_to_tensor(value) for name, value in _rows(data).items()}

    def _work(self, task: TrainingTask) -> _Work:
        graph = graph_from_json(task.architecture)
        if "embedding" in graph.nodes[0] or count_of(graph) > 1:
            raise InputError(
                "embedding must be none and members 1 with the population trainer, which supports no others: use "
                "another trainer (native or single), or other networks"
            )
        view, *marks = self._problem.view(*views_of(graph))
        if marks:
            raise InputError(
                "neighbours must be absent with trainer population, whose networks share the rows of a view: take "
                "trainer native or single, or a space with neighbours = false"
            )
        data = self._views(view)
        problem, horizon = data.problem, task.horizon or task.epochs
        columns = () if problem is self._problem else tuple(self._problem.columns(view))
        network = replace(Network.from_graph(graph), view=view, columns=columns)
        for seen in (view, MIXED):  # whichever the planner chooses, and the other one if memory runs out
            self._rows_of(seen)
        behind = 0 if task.inherit else max((snapshot.epoch for snapshot in task.start), default=0)
        if not behind < task.epochs <= horizon:
            raise InputError(
                f"a task's epochs must be above those behind it and at most its horizon, not {task.epochs} with "
                f"{behind} behind and a horizon of {horizon}: set them so"
            )
        members: list[PopulationMember] = []
        for replicate in range(self._settings.replicates):
            for number in task.folds(len(self._folds)):
                fold = self._folds[number]
                seed = member_seed(task.seed, number, replicate)
                rows = data.splits[number].x_train
                own = first_weights(graph, problem, seed, self._pretrained, rows)
                initial, start = start_of(task, graph, len(members), own, rows, self._problem)
                members.append(PopulationMember(network, initial, seed, task.epochs, horizon, fold, start))
        size = count_parameters(graph, problem.num_features, problem.num_outputs)
        return _Work(task, tuple(members), size, view)

    def _run(self, parts: Sequence[ProgramRun], members: Sequence[PopulationMember]) -> Iterator[Result | None]:
        return run_parts(
            parts,
            members,
            programs=self._programs,
            planner=self._planner,
            workload=self._workload,
            stopping=Stopping(self._settings.patience, self._settings.min_delta),
            data=self._data,
            is_out_of_memory=self._backend.is_out_of_memory,
            seated=self._note_seated,
        )

    def _note_seated(self, states: Sequence[SlotState]) -> None:
        self._seated = states

    def _evaluation(self, work: _Work, member: PopulationMember, outcome: Snapshot | str, seconds: float) -> Evaluation:
        if isinstance(outcome, str):
            return Evaluation(Status.FAILED, reason=outcome, train_seconds=seconds, parameters=work.parameters)
        return evaluate_snapshot(
            outcome,
            self._problem,
            self._splits[self._folds.index(member.fold)].y_validation,
            seconds=seconds,
            parameters=work.parameters,
            keep_snapshot=work.task.keep_snapshots,
        )


@dataclass(frozen=True, eq=False)
class _Work:
    """A task, its members (by replicate, then by fold), its size and its view of the rows."""

    task: TrainingTask
    members: tuple[PopulationMember, ...]
    parameters: int
    view: str


class _Programs:
    """Compiled programs by shape."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._held: dict[ProgramShape, Callable[..., Any]] = {}

    def __call__(self, shape: ProgramShape) -> Callable[..., Any]:
        program = self._held.pop(shape, None) or build_program(shape, self._backend)
        self._held[shape] = program
        while len(self._held) > _PROGRAMS_KEPT:
            del self._held[next(iter(self._held))]
        return program


def _folds(data: PreparedData) -> tuple[Fold, ...]:
    folds, train, validation = [], 0, 0
    for split in data.splits:
        folds.append(Fold(train, len(split.x_train), validation, len(split.x_validation)))
        train, validation = train + len(split.x_train), validation + len(split.x_validation)
    return tuple(folds)


def _rows(data: PreparedData) -> dict[str, Any]:
    """Rows of all folds, one after the other; targets as columns."""

    def stack(name: str) -> Any:
        return np.concatenate([np.asarray(getattr(split, name), np.float32) for split in data.splits])

    def columns(values: Any) -> Any:
        return values.reshape(len(values), -1)

    rows = {"x": stack("x_train"), "y": columns(stack("y_train"))}
    rows |= {"x_validation": stack("x_validation"), "y_validation": columns(stack("y_validation"))}
    weights = [np.ones(len(s.x_train), np.float32) if s.weight_train is None else s.weight_train for s in data.splits]
    return rows | {"weight": np.concatenate(weights).astype(np.float32)}
