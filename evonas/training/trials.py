"""`TrialTrainer`: runs a `Trial` for each genome: something of a user's that builds, fits and scores by itself.

A trial brings its own data and decides what is a score. Whatever it raises is a value: that genome is FAILED, and the
traceback goes to the worker's log; only an `InputError`, a mistake that no genome can be to blame for, stops the run.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import keras

from evonas.evaluation import Evaluation, Status
from evonas.training.own import genes_of
from evonas.training.single import out_of_memory
from evonas.training.trainer import TrainingTask
from genomes.errors import InputError

__all__ = ["Headway", "Trial", "TrialTrainer", "headway_callback", "train"]

Headway = Callable[[], None]


class Trial(Protocol):
    """What is done for a genome. It is sent to the worker process, as a user's function is."""

    def __call__(self, genes: Mapping[str, Any], seed: int, headway: Headway) -> Evaluation:
        """Trains and scores; equal genes and seeds give equal scores.

        Args:
            genes: of the genome, plain Python values.
            seed: of everything random.
            headway: to be called now and then, each epoch or so: else a long training counts as one that hangs.

        Raises:
            InputError: the whole search cannot work.
        """
        ...


class TrialTrainer:
    """Runs trials one after the other. Meets `Trainer`."""

    def __init__(self, trial: Trial, headway: Headway = lambda: None) -> None:
        """Runs nothing yet.

        Args:
            trial: see `Trial`.
            headway: told of progress within a trial.
        """
        self._trial, self._headway = trial, headway

    def state(self) -> None:
        """Remembers nothing."""

    def restore(self, state: Any) -> None:
        """Has nothing to restore."""

    def train(
        self, tasks: Sequence[TrainingTask], done: frozenset[int] = frozenset()
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Trainer.train`."""
        for position, task in enumerate(tasks):
            if position not in done:
                yield {position: self._evaluation(task)}

    def _evaluation(self, task: TrainingTask) -> Evaluation:
        started = time.perf_counter()
        try:
            found = self._trial(genes_of(task.architecture), task.seed, self._headway)
        except InputError:
            raise
        except Exception as error:
            traceback.print_exc()
            sys.stderr.flush()
            reason = out_of_memory(error) or f"the trial raised {type(error).__name__}: {_short(error)}"
            found = Evaluation(Status.FAILED, reason=reason)
        finally:
            keras.utils.clear_session()
        return replace(found, train_seconds=time.perf_counter() - started)


def _short(error: Exception) -> str:
    """Its text in one line: beginning and end, since TensorFlow says in between where, and at the end what."""
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else f"{text[:150]} ... {text[-250:]}"


def train(model: keras.Model, *arguments: Any, **named: Any) -> Any:
    """Trains a model of a trial: the one place where `keras.Model.fit` is called for one.

    Args:
        model: compiled.
        *arguments, **named: of `fit`.

    Returns:
        The `keras.callbacks.History`.
    """
    return model.fit(*arguments, **named)


def headway_callback(headway: Headway) -> keras.callbacks.Callback:
    """A callback that tells of every epoch and, in epochs that last, every few seconds."""

    class Telling(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._told = time.monotonic()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            headway()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if time.monotonic() - self._told > 10.0:
                self._told = time.monotonic()
                headway()

    return Telling()
