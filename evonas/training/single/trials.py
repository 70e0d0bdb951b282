"""`TrialTrainer`: runs a `Trial` for each genome, a user-defined object that builds, fits and scores models itself.

A trial has its own data and defines its score. Errors become values: the genome is FAILED, and the traceback goes to
the worker's log; only an `InputError`, a mistake independent of the genome, stops the run.
"""

from __future__ import annotations

import math
import queue
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import keras

from evonas.evaluation import Evaluation, InTraining, Status
from evonas.machine import usable_cores
from evonas.training.native.threads import Pool
from evonas.training.native.training import Stopped
from evonas.training.single.fit_dispatch import FitMode, KerasLock, use_mode
from evonas.training.single.trainer import out_of_memory
from evonas.training.single.user_model import genes_of
from evonas.training.spans import span_since
from evonas.training_tasks import Source, TrainingTask
from genomes.errors import InputError

__all__ = ["Headway", "Trial", "TrialTrainer", "headway_callback"]

#: Maximum wait for a result before more work is requested.
_MOMENT_SECONDS = 0.1


class Headway(Protocol):
    """Callback for the progress of a trial."""

    def __call__(self, epoch: int = 0, epochs: int = 0, parameters: int = 0) -> None:
        """Reports progress with the numbers of `InTraining`; unknown ones are 0."""
        ...


class Trial(Protocol):
    """The evaluation of a genome. It is sent to the worker process, as a user-defined function is."""

    def __call__(self, genes: Mapping[str, Any], seed: int, headway: Headway) -> Evaluation:
        """Trains and scores; equal genes and seeds give equal scores.

        Args:
            genes: genes of the genome, plain Python values.
            seed: seed of everything random.
            headway: to be called regularly, about once per epoch; otherwise a long training run is considered hung, and
                its progress is not displayed.

        Raises:
            InputError: the whole search cannot work.
        """
        ...


class TrialTrainer:
    """Runs trials one after the other, or several at a time if they train natively. Implements `Trainer`."""

    def __init__(self, trial: Trial, headway: Callable[[], None] = lambda: None, trainer: str = "native") -> None:
        """Does not run anything yet.

        Args:
            trial: see `Trial`. If it has a true attribute `independent`, trials may run in threads.
            headway: called on progress within a trial, in its thread.
            trainer: "native", or "single" for Keras alone.
        """
        self._trial, self._headway, self._native = trial, headway, trainer == "native"
        independent = self._native and getattr(trial, "independent", False)
        # One thread more than are training, so that the next model can be built meanwhile.
        self._threads = usable_cores() + 1 if independent else 1
        #: Number of each running trial -> its start time and progress.
        self._running: dict[int, tuple[float, InTraining]] = {}

    def state(self) -> None:
        """Nothing to save."""

    def restore(self, state: Any) -> None:
        """Nothing to restore."""

    def in_training(self) -> list[InTraining]:
        """The running trials and their reported progress. May be called from any thread."""
        now = time.perf_counter()
        return [replace(found, seconds=now - began) for began, found in list(self._running.values())]

    def train(
        self, tasks: Sequence[TrainingTask], done: frozenset[int] = frozenset()
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Trainer.train`."""
        waiting = [(position, task) for position, task in enumerate(tasks) if position not in done]
        given, left = iter(waiting), len(waiting)
        with closing(self.stream(lambda: next(given, None))) as parts:
            while left:
                part = next(parts)
                left -= len(part)
                yield part

    @property
    def threads(self) -> int:
        """Number of trials at a time."""
        return self._threads

    def stream(self, source: Source) -> Generator[Mapping[int, Evaluation], None, None]:
        """See `StreamingTrainer.stream`."""
        if self._threads == 1:
            while True:
                given = source()
                yield {} if given is None else {given[0]: self._evaluation(*given, None)}
        yield from self._together(source)

    def _together(self, source: Source) -> Generator[Mapping[int, Evaluation], None, None]:
        """Runs several trials at a time, each in a thread. Using Keras or taking a result requires the lock."""
        turns, pool, out = KerasLock(), Pool(self._threads), 0
        try:
            while True:
                while out < self._threads and (given := source()) is not None:
                    pool.submit(given[0], partial(self._in_turn, *given, turns))
                    out += 1
                position, found, error = _next(pool)
                out -= position is not None
                if error is not None:
                    raise error
                with turns.lock:
                    yield {} if position is None else {position: found}
        finally:
            turns.cancel()
            pool.close()

    def _in_turn(self, number: int, task: TrainingTask, turns: KerasLock) -> Evaluation:
        with turns.lock:
            if turns.cancelled:
                raise Stopped
            return self._evaluation(number, task, turns)

    def _evaluation(self, number: int, task: TrainingTask, turns: KerasLock | None) -> Evaluation:
        began, started = time.time(), time.perf_counter()
        self._running[number] = started, InTraining(number)
        way = FitMode(self._native, not getattr(self._trial, "independent", False), turns)
        try:
            with use_mode(way):
                found = self._trial(genes_of(task.architecture), task.seed, partial(self._alive, number, turns))
        except (InputError, Stopped):
            raise
        except Exception as error:
            traceback.print_exc()
            sys.stderr.flush()
            reason = out_of_memory(error) or f"the trial raised {type(error).__name__}: {_short(error)}"
            found = Evaluation(Status.FAILED, reason=reason)
        finally:
            del self._running[number]
            # Garbage collection would take longer than many native training runs, which leave little garbage.
            keras.utils.clear_session(free_memory=bool(way.reasons))
        seconds = time.perf_counter() - started
        notes = {**found.notes, **way.notes()}
        return replace(found, train_seconds=seconds, notes=notes, spans=(span_since(began),))

    def _alive(
        self, number: int, turns: KerasLock | None, epoch: int = 0, epochs: int = 0, parameters: int = 0
    ) -> None:
        """Reports progress; if the trial was cancelled, ends training."""
        if turns is not None and turns.cancelled:
            raise Stopped
        if epochs:
            began, found = self._running[number]
            self._running[number] = began, replace(found, epoch=epoch, epochs=epochs, parameters=parameters)
        self._headway()


def _next(pool: Pool) -> tuple[int | None, Any, BaseException | None]:
    """The next completed trial; None values if none completes within the wait."""
    try:
        return pool.results.get(timeout=_MOMENT_SECONDS)
    except queue.Empty:
        return None, None, None


def _short(error: Exception) -> str:
    """The error on one line, its middle cut out: TensorFlow names the location there and the cause at the end."""
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else f"{text[:150]} ... {text[-250:]}"


def headway_callback(headway: Headway, training: int = 0, trainings: int = 1) -> keras.callbacks.Callback:
    """A callback that reports every epoch and, in long epochs, every few seconds.

    Args:
        headway: the function to call.
        training: index of this training run within the trial, from 0.
        trainings: number of training runs in the trial, all with the same number of epochs.
    """

    class Reporting(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._reported, self._parameters = time.monotonic(), 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self._report(self.model, epoch + 1)

        def on_native_epoch_end(self, epoch: int, logs: Any, training: Any) -> None:
            self._report(training.model, epoch + 1)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if time.monotonic() - self._reported > 10.0:
                self._reported = time.monotonic()
                headway()

        def _report(self, model: keras.Model, epoch: int) -> None:
            self._reported = time.monotonic()
            epochs = int((self.params or {}).get("epochs") or 0)
            if not self._parameters:  # if the model is built from data, known only after the first batch
                self._parameters = sum(math.prod(each.shape) for each in model.trainable_variables)
            headway(training * epochs + epoch, trainings * epochs, self._parameters)

    return Reporting()
