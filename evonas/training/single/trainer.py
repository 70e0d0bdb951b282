"""`SingleTrainer`: trains one `keras.Model` at a time with `fit`: any network, and the reference for other trainers.

Weights, data order and learning rates come from numpy (`evonas.networks`), so that they are the same for all trainers;
everything else is plain Keras.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np

from evonas.data.prepared import PreparedData, Split
from evonas.data.splits import join_split
from evonas.data.views import Views
from evonas.evaluation import Evaluation, InTraining, Snapshot, Status
from evonas.metrics.problem_scores import compute_scores
from evonas.networks.cost import over_limit
from evonas.training.replicates import combine_evaluations, member_seed
from evonas.training.single.fitting import Fitting
from evonas.training.single.frozen import FrozenLayers
from evonas.training.single.graph_fitting import GraphFitting
from evonas.training.single.refit import refitted
from evonas.training.single.traces import Traces
from evonas.training.spans import span_since
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.graph import graph_from_json

__all__ = ["SingleTrainer", "out_of_memory"]

_NONE = np.empty((0, 0), np.float32)

Parts = Generator[Mapping[int, Evaluation], None, Evaluation]


class SingleTrainer:
    """Trains networks one after the other. Implements `Trainer`; empty parts after each epoch signal progress."""

    def __init__(self, data: PreparedData, settings: TrainingSettings, jit_compile: bool = False) -> None:
        """Does not compile anything yet.

        Args:
            data: the rows to train on.
            settings: common to all networks.
            jit_compile: whether TensorFlow compiles steps with XLA: they are faster, but compiling takes about a second
                per network.
        """
        self._problem, self._splits, self._settings, self._pretrained = (
            data.problem,
            data.splits,
            settings,
            data.pretrained,
        )
        self._views, self._joined = Views(data), join_split(data.splits[0]) if data.refits else None
        self._compiling = {"jit_compile": jit_compile}
        self._traces, self._frozen = Traces(), FrozenLayers()
        self._now: InTraining | None = None

    def state(self) -> None:
        """Nothing to save."""

    def restore(self, state: Any) -> None:
        """Nothing to restore."""

    def in_training(self) -> Sequence[InTraining]:
        """The network in training."""
        return () if self._now is None else (self._now,)

    def train(
        self, tasks: Sequence[TrainingTask], done: frozenset[int] = frozenset()
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Trainer.train`.

        Raises:
            InputError: a task continues a network with other layers.
        """
        for position, task in enumerate(tasks):
            if position not in done:
                evaluations: list[Evaluation] = []
                members = self._settings.replicates * len(task.folds(len(self._splits)))
                self._began, self._now = time.perf_counter(), InTraining(position, 0, members * task.epochs)
                for replicate in range(self._settings.replicates):
                    for fold in task.folds(len(self._splits)):
                        fitting = self.fitting(task, fold, member_seed(task.seed, fold, replicate), len(evaluations))
                        trained = yield from self._member(fitting, self._splits[fold], task.keep_snapshots)
                        evaluations.append(trained)
                combined = combine_evaluations(evaluations)
                if self._joined is not None and task.fold is None:
                    combined = yield from self._refit(task, combined, self._joined)
                self._now = None
                yield {position: combined}

    def _refit(self, task: TrainingTask, found: Evaluation, joined: Split) -> Parts:
        """The evaluation of all folds, with weights trained on all rows."""
        began, started = time.time(), time.perf_counter()
        try:
            weights = yield from refitted(task, found, joined, self._fitting_on)
        finally:
            self._traces.release_gradients()
            keras.utils.clear_session(free_memory=True)
            self._traces.release_functions()
        seconds = found.train_seconds + time.perf_counter() - started
        spans = (*found.spans, span_since(began))
        return replace(found, weights=weights or found.weights, train_seconds=seconds, spans=spans)

    def _fitting_on(self, task: TrainingTask, split: Split) -> Fitting:
        problems, frozen = (self._problem, self._problem), partial(self._frozen.of, split=split, fold=-1)
        return GraphFitting(
            task, problems, self._settings, split, task.seed, 0, self._compiling, self._pretrained, frozen
        )

    def fitting(self, task: TrainingTask, fold: int, seed: int, number: int) -> Fitting:
        """The task's network on one fold, from one seed; `number` counts the folds and replicates."""
        data = self._views.for_graph(graph_from_json(task.architecture))
        split, problems = data.splits[fold], (self._problem, data.problem)
        frozen = partial(self._frozen.of, split=split, fold=fold)
        return GraphFitting(
            task, problems, self._settings, split, seed, number, self._compiling, self._pretrained, frozen
        )

    def _note_epoch(self, epoch: int, parameters: int) -> None:
        if self._now is not None:
            seconds = time.perf_counter() - self._began
            self._now = replace(self._now, epoch=epoch, seconds=seconds, parameters=parameters)

    def failure(self, error: Exception) -> str | None:
        """The reason for a failure that raised this error; None if it was not caused by the network."""
        return out_of_memory(error)

    def _member(self, fitting: Fitting, split: Split, keep_snapshot: bool) -> Parts:
        """Trains one network, and releases what Keras keeps of it at the end."""
        began, started = time.time(), time.perf_counter()
        found: dict[str, Any]
        try:
            found = yield from self._train(fitting, split, keep_snapshot)
        except Exception as error:
            reason = self.failure(error)
            if reason is None:
                raise
            found = {"status": Status.FAILED, "reason": reason}
        finally:
            notes = getattr(fitting, "notes", {})
            self._traces.release_gradients()
            # Garbage collection would take longer than many native training runs, which leave little garbage.
            keras.utils.clear_session(free_memory=not notes.get("trained", {}).get("natively"))
            self._traces.release_functions()
        seconds = time.perf_counter() - started
        spans, size = (span_since(began),), fitting.parameters
        return Evaluation(**found, train_seconds=seconds, parameters=size, notes=notes, spans=spans)

    def _train(
        self, fitting: Fitting, split: Split, keep_snapshot: bool
    ) -> Generator[Mapping[int, Evaluation], None, dict[str, Any]]:
        """Fields of the evaluation of one training run."""
        settings, start, noted = self._settings, fitting.start, self._traces.noted
        with noted():
            fitting.prepare()
        limits = {} if settings.max_parameters is None else {"parameters": float(settings.max_parameters)}
        if (rejected := over_limit({"parameters": float(fitting.parameters)}, limits)) is not None:
            return {"status": rejected.status, "scores": rejected.scores, "reason": rejected.reason}
        curve = list(start.curve) if start else []
        train_curve = list(start.train_curve) if start else []
        best, outputs = (start.best, start.outputs) if start else ({}, _NONE)
        best_loss, reference = (start.best_loss, start.reference) if start else (math.inf, math.inf)
        waited = start.waited if start else 0
        before = self._now.epoch if self._now else 0
        while (not curve or math.isfinite(curve[-1])) and len(curve) < fitting.epochs:
            if settings.patience is not None and waited >= settings.patience:
                break
            with noted():
                train_curve.append(fitting.fit(len(curve)))
                loss, found_outputs = fitting.outputs()
            curve.append(loss)
            if loss < best_loss:
                best_loss, best, outputs = loss, fitting.weights(), found_outputs
            waited += 1
            if loss + settings.min_delta < reference:
                reference, waited = loss, 0
            self._note_epoch(before + len(curve), fitting.parameters)
            yield {}
        epoch = curve.index(best_loss) + 1 if math.isfinite(best_loss) else 0
        found: dict[str, Any] = {"epochs": len(curve), "curve": tuple(curve), "train_curve": tuple(train_curve)}
        found["best_epoch"] = epoch
        if keep_snapshot:
            weights, first, second = fitting.state()
            curves = tuple(train_curve), tuple(curve)
            snapshot = Snapshot(weights, first, second, best, outputs, best_loss, reference, waited, *curves)
            found["snapshots"] = (snapshot,)
        if not math.isfinite(curve[-1]):
            reason = f"diverged: the validation loss was {curve[-1]} after epoch {len(curve)}"
            return found | {"status": Status.FAILED, "reason": reason}
        with noted():
            exact = fitting.exact(best, outputs)
        metrics = compute_scores(self._problem, split.y_validation, exact)
        if not metrics:
            return found | {"status": Status.FAILED, "reason": "the outputs on the validation rows are not finite"}
        return found | {"status": Status.OK, "scores": metrics, "weights": best}


def out_of_memory(error: Exception) -> str | None:
    """The reason for a failure, if the device or the machine refused an allocation.

    Each backend has its own error type, but the names agree.
    """
    refused = "RESOURCE_EXHAUSTED" in str(error) or "ResourceExhausted" in type(error).__name__
    if refused or isinstance(error, MemoryError):
        return "out of memory: the network does not fit on the device"
    return None
