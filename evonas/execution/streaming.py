"""`WorkerStream`: trains candidates one by one in a worker process. Imports no Keras.

As with generations, the search survives crashes: if the worker dies or training raises, each network that was in
training is retried alone, and one that fails again is FAILED.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from evonas.evaluation import Candidate, Evaluation, Status
from evonas.execution.messages import Give, Open, Opened, PartialResult
from evonas.execution.worker_process import WorkerDied, WorkerError, WorkerLimits, WorkerProcess

if TYPE_CHECKING:
    from evonas.evaluation import Start
    from evonas.training_tasks import TrainingTask

__all__ = ["WorkerStream"]

#: Seconds beyond `WorkerLimits.candidate_seconds` before the worker is killed, since its trainer may stop by itself.
_GRACE_SECONDS = 1.0
#: Number of failing networks, before any success, after which the networks are not considered the cause.
_RAISED = 2
#: Number of consecutive workers that may die before they receive a task.
_IDLE_DEATHS = 3


class WorkerStream:
    """Implements `Stream`.

    Attributes:
        slots: see `Stream`.
    """

    def __init__(
        self,
        running: Callable[[], WorkerProcess],
        end: Callable[[], None],
        task_of: Callable[[Candidate, Start | None], TrainingTask],
        limits: WorkerLimits,
    ) -> None:
        """Waits until the worker is ready.

        Args:
            running: returns the worker, a new one if there is none.
            end: ends the worker.
            task_of: makes the task of a candidate.
            limits: of a worker; `candidate_seconds` counts for each network from when it was sent.

        Raises:
            WorkerError: the worker does not start.
        """
        self._running, self._end, self._task_of, self._limits = running, end, task_of, limits
        self.slots = 1
        #: All unfinished tasks; and those sent to the worker, in the order in which it takes them, with the seconds of
        #: waiting so far. It trains the first `slots` of them; the others are prefetched.
        self._tasks: dict[int, TrainingTask] = {}
        self._sent: dict[int, float] = {}
        #: Suspects to retry alone, the first of them now.
        self._suspects: deque[int] = deque()
        self._late: int | None = None
        self._owes = False
        self._trained, self._raised, self._idle_deaths = False, 0, 0
        self._worker: WorkerProcess | None = None
        self._answers: Generator[Any, None, None] | None = None
        self._open()

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        """See `Stream.give`."""
        self.give_task(number, self._task_of(candidate, start))

    def give_task(self, number: int, task: TrainingTask) -> None:
        """As `give`, for a task."""
        self._tasks[number] = task

    def wait(self) -> Mapping[int, Evaluation]:
        """See `Stream.wait`.

        Raises:
            WorkerError: the worker does not start, or raised an error not caused by a candidate.
        """
        opened = False
        try:
            worker, answers = self._open()
            opened = True
            self._send_due(worker)
            answer = next(answers)
        except WorkerDied as death:
            return self._after_death(str(death), opened)
        except WorkerError as error:
            if not error.raised or not self._sent:
                raise
            return self._after_error(error)
        if not isinstance(answer, PartialResult):  # it retires: another one continues with its tasks
            self._forget()
            self._end()
            return {}
        self._owes, self._idle_deaths = True, 0
        self._trained |= any(evaluation.status is Status.OK for evaluation in answer.evaluations.values())
        for number in answer.evaluations:
            self._done(number)
        return answer.evaluations

    def close(self) -> None:
        """See `Stream.close`."""
        if self._answers is not None:
            self._answers.close()
        self._forget()
        self._tasks.clear()

    def _open(self) -> tuple[WorkerProcess, Generator[Any, None, None]]:
        if self._worker is None or self._answers is None:
            self._worker = self._running()
            self._answers = self._worker.ask(Open)
            opened = next(self._answers)
            assert isinstance(opened, Opened)
            self.slots = opened.slots
            self._worker.overdue = self._overdue
        return self._worker, self._answers

    def _send_due(self, worker: WorkerProcess) -> None:
        """Sends unsent tasks to the worker; suspects one at a time."""
        due = [number for number in self._tasks if number not in self._sent]
        if self._suspects:
            due = [number for number in due if number == self._suspects[0]]
        if due or self._owes:
            worker.add(Give, tuple((number, self._tasks[number]) for number in due))
            self._sent |= dict.fromkeys(due, worker.waited)
            self._owes = False

    def _overdue(self) -> str:
        """Why the worker must be killed because a network takes too long; empty if it need not."""
        limit = self._limits.candidate_seconds
        if limit is None or self._worker is None:
            return ""
        until = self._worker.waited - limit - _GRACE_SECONDS
        self._late = next((number for number in self._in_training if self._sent[number] < until), None)
        return "" if self._late is None else f"took longer than the limit of {limit:g} s per network"

    def _after_death(self, reason: str, opened: bool) -> Mapping[int, Evaluation]:
        sent, late, self._late = list(self._sent), self._late, None
        self._forget()
        if not sent:
            # Killed before it received a task: no candidate is the cause.
            self._idle_deaths += 1
            if not opened or self._idle_deaths > _IDLE_DEATHS:
                raise WorkerError(f"the worker {reason}")
            return {}
        if late is not None:
            return self._failed(late, f"the worker process {reason}")
        if len(sent) == 1 and sent[0] in self._suspects:
            return self._failed(sent[0], f"the worker process {reason}")
        self._suspect(sent)
        return {}

    def _after_error(self, error: WorkerError) -> Mapping[int, Evaluation]:
        sent = list(self._sent)
        self._forget()
        if len(sent) > 1:
            self._suspect(sent)
            return {}
        self._raised += 1
        if not self._trained and self._raised > _RAISED:
            raise error
        return self._failed(sent[0], f"it raised {error.raised}")

    def _suspect(self, numbers: list[int]) -> None:
        self._suspects = deque(dict.fromkeys([*numbers, *self._suspects]))

    def _failed(self, number: int, reason: str) -> Mapping[int, Evaluation]:
        self._done(number)
        return {number: Evaluation(Status.FAILED, reason=reason)}

    @property
    def _in_training(self) -> list[int]:
        return list(self._sent)[: self.slots]

    def _done(self, number: int) -> None:
        del self._tasks[number]
        before = self._in_training
        if self._sent.pop(number, None) is not None and self._worker is not None:
            for begun in set(self._in_training).difference(before):
                self._sent[begun] = self._worker.waited
        if number in self._suspects:
            self._suspects.remove(number)

    def _forget(self) -> None:
        """Forgets what was sent to the worker."""
        if self._worker is not None:
            self._worker.overdue = lambda: ""
        self._worker = self._answers = None
        self._sent.clear()
        self._owes = False
