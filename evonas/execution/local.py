"""`LocalEvaluator`: evaluates generations in this process: no process to start, and none to die in its place.

For what is small, or cannot be sent to another process. A crash or an exhausted memory takes the search with it, up to
what is committed. Imports no Keras before the first evaluation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evonas.evaluation import Candidate, Evaluation, Start
from evonas.seeds import unchanged_random
from evonas.tasks.from_candidate import task_of
from evonas.tasks.train import Trainer, TrainingSettings, TrainingTask, slots_of, streamed

if TYPE_CHECKING:
    from evonas.user_model import PackedBuild

__all__ = ["LocalEvaluator", "trainer_of"]


class LocalEvaluator:
    """Trains candidates in the calling process. Meets `Evaluator`."""

    def __init__(self, space: Any, make: Callable[[], Trainer]) -> None:
        """Makes nothing yet.

        Args:
            space: that the genomes are of, see `genomes.encodings.blueprint`.
            make: makes the trainer, when the first generation is to be evaluated.
        """
        self._space, self._make = space, make
        self._trainer: Trainer | None = None
        self._state: Any = None

    def state(self) -> Any:
        """See `Evaluator.state`."""
        return self._state

    def restore(self, state: Any) -> None:
        """See `Evaluator.restore`."""
        self._state = state

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Evaluator.evaluate`. The global generators of `random` and numpy are as before after each part."""
        tasks = [task_of(self._space, candidate, starts.get(place)) for place, candidate in enumerate(candidates)]
        trainer = self._made()
        trainer.restore(self._state)
        parts = iter(trainer.train(tasks, done))
        while (part := _undisturbed(parts)) is not None:
            yield part
        self._state = trainer.state()

    def stream(self) -> LocalStream:
        """See `StreamingEvaluator.stream`. The global generators are as before after each result, too."""
        return LocalStream(self._space, self._made())

    def _made(self) -> Trainer:
        if self._trainer is None:
            self._trainer = self._make()
        return self._trainer

    def close(self) -> None:
        """Lets the trainer go. May be called twice."""
        self._trainer = None


class LocalStream:
    """Candidates in training in this process. Meets `Stream`."""

    def __init__(self, space: Any, trainer: Trainer) -> None:
        """Of genomes of the space, by the trainer."""
        self._space, self.slots = space, slots_of(trainer)
        self._given: deque[tuple[int, TrainingTask]] = deque()
        self._parts = streamed(trainer, lambda: self._given.popleft() if self._given else None)

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        """See `Stream.give`."""
        self._given.append((number, task_of(self._space, candidate, start)))

    def wait(self) -> Mapping[int, Evaluation]:
        """See `Stream.wait`."""
        return _undisturbed(self._parts) or {}

    def close(self) -> None:
        """See `Stream.close`."""
        self._parts.close()


def _undisturbed(parts: Iterator[Mapping[int, Evaluation]]) -> Mapping[int, Evaluation] | None:
    """The next part, None if there is none; the global generators of `random` and numpy stay as they are."""
    with unchanged_random():
        return next(parts, None)


def trainer_of(data: Path | None, settings: TrainingSettings, build: PackedBuild | None) -> Trainer:
    """The trainer that a worker process would have, in this process.

    Args:
        data: file of `PreparedData.save`; None where `build` is a trial, which brings its own.
        settings: what is the same for every network.
        build: a user's function, as it is sent to a worker.
    """
    from evonas.data.prepared import PreparedData
    from evonas.training.registry import load_build, make_trainer, own_trainer, trial_trainer

    own = None if build is None else load_build(build)
    if data is None:
        assert own is not None, "a trial is what brings its own data"
        return trial_trainer(own, lambda: None, settings.trainer)
    prepared = PreparedData.load(data)
    return make_trainer(prepared, settings) if own is None else own_trainer(prepared, settings, own)
