"""`LocalEvaluator`: evaluates generations in this process, without isolation.

For small searches, or models that cannot be sent to another process. A crash or exhausted memory ends the search;
committed results are kept. Imports no Keras before the first evaluation.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evonas.evaluation import Candidate, Evaluation, InTraining, Start, Weights
from evonas.execution.trainer_state import TrainerState
from evonas.seeds import unchanged_random
from evonas.training_tasks import (
    Trainer,
    TrainingSettings,
    TrainingTask,
    architecture_of,
    in_training_of,
    slots_of,
    stream_evaluations,
    task_of,
)
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData
    from evonas.rate_sweep import LearningRateCurve, SweepTask
    from evonas.user_model import PackedBuild

__all__ = ["LocalEvaluator", "LocalRun"]


class LocalEvaluator(TrainerState):
    """Trains candidates in the calling process. Implements `Evaluator`."""

    def __init__(self, space: Any, make: Callable[[], Trainer]) -> None:
        """Does not create the trainer yet.

        Args:
            space: the space of the genomes, see `genomes.encodings.blueprint`.
            make: creates the trainer, on first use.
        """
        self._space, self._make = space, make
        self._trainer: Trainer | None = None
        self._on_progress: Callable[[Sequence[InTraining]], None] = lambda found: None
        self._waiting = 0

    def watch_training(self, listener: Callable[[Sequence[InTraining]], None]) -> None:
        """See `evonas.evolution.training_progress.Watchable`."""
        self._on_progress = listener

    def report_progress(self) -> None:
        """Says what is in training; nothing in another thread than the one that waits for results."""
        if self._trainer is not None and threading.get_ident() == self._waiting:
            self._on_progress(in_training_of(self._trainer))

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Evaluator.evaluate`. The global generators of `random` and numpy are as before after each part."""
        tasks = [task_of(self._space, candidate, starts.get(index)) for index, candidate in enumerate(candidates)]
        trainer, self._waiting = self._trainer_of(tasks), threading.get_ident()
        trainer.restore(self._state)
        parts = iter(trainer.train(tasks, done))
        while (part := _next_part(parts)) is not None:
            self.report_progress()
            yield part
        self._state = trainer.state()

    def stream(self) -> LocalStream:
        """See `StreamingEvaluator.stream`. The global generators are as before after each result, too."""
        self._waiting = threading.get_ident()
        return LocalStream(self._space, self._made(), self.report_progress)

    def _trainer_of(self, tasks: Sequence[TrainingTask]) -> Trainer:
        return self._made()

    def _made(self) -> Trainer:
        if self._trainer is None:
            self._trainer = self._make()
        return self._trainer

    def close(self) -> None:
        """Releases the trainer. Idempotent."""
        self._trainer = None


class LocalStream:
    """Candidates in training in this process. Implements `Stream`."""

    def __init__(self, space: Any, trainer: Trainer, report: Callable[[], None] = lambda: None) -> None:
        """Of genomes of the space, by the trainer; `report` is called whenever something may have changed."""
        self._space, self.slots, self._report = space, slots_of(trainer), report
        self._given: deque[tuple[int, TrainingTask]] = deque()
        self._parts = stream_evaluations(trainer, lambda: self._given.popleft() if self._given else None)

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        """See `Stream.give`."""
        self._given.append((number, task_of(self._space, candidate, start)))

    def wait(self) -> Mapping[int, Evaluation]:
        """See `Stream.wait`."""
        found = _next_part(self._parts) or {}
        self._report()
        return found

    def close(self) -> None:
        """See `Stream.close`."""
        self._parts.close()


def _next_part(parts: Iterator[Mapping[int, Evaluation]]) -> Mapping[int, Evaluation] | None:
    """The next part, None if there is none; the global generators of `random` and numpy stay as they are."""
    with unchanged_random():
        return next(parts, None)


class LocalRun(LocalEvaluator):
    """Handles all requests of a run in this process. Also implements `Tester`."""

    def __init__(self, space: Any, data: Path | None, settings: TrainingSettings, build: PackedBuild | None) -> None:
        """Loads nothing yet.

        Args:
            space: the space of the genomes.
            data: file of `PreparedData.save`; None if `build` is a trial, which brings its own.
            settings: common to all networks.
            build: a user's function, packed as for a worker.
        """
        super().__init__(space, self._load)
        self._data_path, self._settings, self._packed = data, settings, build
        self._data: PreparedData | None = None
        self._scorer: Trainer | None = None
        self._build: Callable[..., Any] | None = None

    def test(self, genome: Any, weights: Weights) -> dict[str, float]:
        """Scores of a genome's weights on the test split; empty when there is none."""
        from evonas.training.held_out import test_scores

        self._made()
        assert self._data is not None, "trials are not tested"
        return dict(test_scores(architecture_of(self._space, genome), weights, self._data, self._build))

    def sweep(self, task: SweepTask) -> LearningRateCurve:
        """Sweeps a network's learning rate."""
        from evonas.training.sweep import sweep

        self._made()
        assert self._data is not None, "trials have no learning rate that evonas knows"
        return sweep(task, self._data, self._settings)

    def _trainer_of(self, tasks: Sequence[TrainingTask]) -> Trainer:
        from evonas.training.registry import make_scorer

        trainer = self._made()
        if not any(task.lineage for task in tasks):
            return trainer
        if self._data is None or self._build is not None:
            raise InputError("strategy must train networks if a function builds the models: choose another")
        if self._scorer is None:
            self._scorer = make_scorer(self._data, self._settings)
        return self._scorer

    def _load(self) -> Trainer:
        from evonas.data.prepared import PreparedData
        from evonas.training.extensions import load_extensions
        from evonas.training.registry import load_build, make_trainer, own_trainer, trial_trainer

        load_extensions(self._settings.extensions)
        self._build = None if self._packed is None else load_build(self._packed)
        if self._data_path is None:
            assert self._build is not None, "only trials bring their own data"
            return trial_trainer(self._build, lambda: None, self._settings.trainer)
        self._data = PreparedData.load(self._data_path)
        if self._build is not None:
            return own_trainer(self._data, self._settings, self._build)
        return make_trainer(self._data, self._settings)
