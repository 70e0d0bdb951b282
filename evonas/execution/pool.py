"""`PoolEvaluator`: evaluates generations and streams of candidates on several workers.

Results depend on the candidates' seeds only, and not on the number of workers or the order of their answers. Whatever
the workers are (`fleet.py`: processes on this machine; `ray_fleet.py`: actors of a Ray cluster), they take leases from
`Assignments`, which this module fills and from which it collects the results. Imports neither Keras nor Ray.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from evonas.evaluation import Candidate, Evaluation, Status, Weights
from evonas.execution.assignments import Assignments, Fault
from evonas.execution.messages import Sweep, Test
from evonas.execution.order import longest_first
from evonas.execution.trainer_state import TrainerState
from evonas.interruption import Abandoned
from evonas.io.closing import Closing
from evonas.training_tasks import architecture_of, task_of

if TYPE_CHECKING:
    from evonas.evaluation import InTraining, Start
    from evonas.rate_sweep import LearningRateCurve, SweepTask

__all__ = ["Fleet", "PoolEvaluator", "PoolStream"]

#: Interval between checks whether to give up while waiting, and between empty parts.
_LOOK_SECONDS, _HEADWAY_SECONDS = 0.1, 1.0
#: Minimum interval between reports of networks in training.
_PROGRESS_SECONDS = 1.0
#: Number of failing networks, before any success, after which the networks are not considered the cause.
_RAISED = 2


class Fleet(Protocol):
    """Workers that take leases from `Assignments`."""

    @property
    def slots(self) -> int:
        """Number of networks that the started workers can train at a time, at least 1."""
        ...

    def start(self) -> None:
        """Starts workers, without waiting for them. May be called twice."""
        ...

    def wait(self, seconds: float) -> None:
        """Lets workers exchange leases and results; returns when there is news, or after that many seconds.

        Raises:
            WorkerError: no worker is available.
            InputError: workers cannot start because of a user error.
        """
        ...

    def close(self) -> None:
        """Ends the workers. May be called twice."""
        ...


class PoolEvaluator(TrainerState, Closing):
    """Trains candidates on the workers of a fleet. Implements `Evaluator` and `StreamingEvaluator`.

    Attributes:
        assignments: source of the workers' leases.
        trained: whether a network was ever trained successfully.
        part_seconds: see `evonas.evolution.commits.Prompt`.
    """

    part_seconds = _HEADWAY_SECONDS

    def __init__(self, space: Any, fleet: Fleet, assignments: Assignments, grouped: bool = False) -> None:
        """Starts nothing yet.

        Args:
            space: the space of the genomes, see `genomes.encodings.blueprint`.
            fleet: takes from `assignments`; closed here.
            assignments: must not be used by anyone else.
            grouped: whether the trainer plans for a whole generation, as compiled programs do.
        """
        self._space, self._fleet, self.assignments, self._grouped = space, fleet, assignments, grouped
        self._gives_up: Callable[[], bool] = lambda: False
        self._on_progress: Callable[[Sequence[InTraining]], None] | None = None
        self._told_at = 0.0
        self.trained = False

    @property
    def slots(self) -> int:
        """Number of networks currently trained at a time."""
        return self._fleet.slots

    def start(self) -> None:
        """Starts workers, without waiting for them."""
        self._fleet.start()

    def abandon_when(self, check: Callable[[], bool]) -> None:
        """See `evonas.evolution.deadline.Abandonable`."""
        self._gives_up = check

    def watch_training(self, listener: Callable[[Sequence[InTraining]], None]) -> None:
        """See `evonas.evolution.training_progress.Watchable`."""
        self._on_progress = listener

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Evaluator.evaluate`. Closing the iterator early stops the training.

        Raises:
            Abandoned: see `abandon_when`.
            WorkerError: no worker is available, or one raised an error not caused by a candidate.
        """
        assignments = self.assignments
        tasks = [task_of(self._space, candidate, starts.get(k)) for k, candidate in enumerate(candidates)]
        raised: dict[int, Fault] = {}
        assignments.revoke()
        # Networks with a lineage are only scored, which is fast for many at once.
        if grouped := self._grouped or any(task.lineage for task in tasks):
            assignments.add_generation(tasks, done, self._state)
        else:
            assignments.add(longest_first({number: task for number, task in enumerate(tasks) if number not in done}))
        try:
            told = time.monotonic()
            while assignments.unfinished or assignments.faults:
                self.wait()
                raised |= self.faults()
                if part := self.results():
                    yield part
                elif time.monotonic() - told >= _HEADWAY_SECONDS:
                    told = time.monotonic()
                    yield {}
            if grouped:
                self._state = assignments.state
        finally:
            assignments.revoke()
        for number, fault in sorted(raised.items()):
            if not self.trained:
                # Nothing was ever trained successfully here, so these networks are not the cause.
                raise fault.exception()
            yield {number: _failed(fault)}

    def stream(self) -> PoolStream:
        """See `StreamingEvaluator.stream`. Waits until a worker is ready.

        Raises:
            Abandoned: see `abandon_when`.
            WorkerError: no worker is available.
        """
        self.assignments.revoke()
        return PoolStream(self._space, self)

    def test(self, genome: Any, weights: Weights) -> dict[str, float]:
        """Scores of a genome's weights on the test split, computed by a worker; empty when there is none.

        Raises:
            WorkerError: the worker died.
        """
        return dict(self._ask(Test, architecture_of(self._space, genome), weights))

    def sweep(self, task: SweepTask) -> LearningRateCurve:
        """Sweeps a network's learning rate, on a worker.

        Raises:
            WorkerError: the worker died.
        """
        curve: LearningRateCurve = self._ask(Sweep, task)
        return curve

    def close(self) -> None:
        """Ends the workers. Idempotent; a later request starts new ones."""
        self.assignments.revoke()
        self._fleet.close()

    def _ask(self, *request: Any) -> Any:
        token = self.assignments.add_request(*request)
        while (outcome := self.assignments.answer(token)) is None:
            self.wait()
        if outcome.fault is not None:
            raise outcome.fault.exception()
        return outcome.state

    def wait(self) -> None:
        """Lets workers work; raises Abandoned when the driver gives up."""
        self._fleet.start()
        if self._gives_up():
            raise Abandoned
        self.assignments.look()
        self._fleet.wait(_LOOK_SECONDS)
        now = time.monotonic()
        if self._on_progress is not None and now - self._told_at >= _PROGRESS_SECONDS:
            self._told_at = now
            self._on_progress(self.assignments.in_training())

    def results(self) -> dict[int, Evaluation]:
        """Results since the last call."""
        found = self.assignments.results()
        self.trained |= any(evaluation.status is Status.OK for evaluation in found.values())
        return found

    def faults(self) -> dict[int, Fault]:
        """Networks whose training raised, each of which may be the cause.

        Raises:
            WorkerError: the error was not caused by a network.
            InputError: the error is a user error.
        """
        assignments = self.assignments
        with assignments.changed:
            faults, assignments.faults = assignments.faults, {}
        for number, fault in faults.items():
            if number < 0 or fault.mistake or not fault.raised:
                raise fault.exception()
        return faults


class PoolStream:
    """Candidates in training on the workers of a pool. Implements `Stream`."""

    def __init__(self, space: Any, pool: PoolEvaluator) -> None:
        """Trains genomes of the space on the pool, which is started."""
        self._space, self._pool, self._raised = space, pool, 0
        pool.start()

    @property
    def slots(self) -> int:
        """Number of current workers; grows as others start."""
        return self._pool.slots

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        """See `Stream.give`."""
        self._pool.assignments.add({number: task_of(self._space, candidate, start)})

    def wait(self) -> Mapping[int, Evaluation]:
        """See `Stream.wait`.

        Raises:
            WorkerError: no worker is available, or one raised an error not caused by a candidate.
        """
        pool = self._pool
        pool.wait()
        found = {}
        for number, fault in sorted(pool.faults().items()):
            self._raised += 1
            if not pool.trained and self._raised > _RAISED:
                raise fault.exception()
            found[number] = _failed(fault)
        if found:
            pool.assignments.forget(found)
        return found | pool.results()

    def close(self) -> None:
        """See `Stream.close`."""
        self._pool.assignments.revoke()


def _failed(fault: Fault) -> Evaluation:
    return Evaluation(Status.FAILED, reason=f"it raised {fault.raised}")
