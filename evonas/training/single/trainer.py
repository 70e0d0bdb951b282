"""`SingleTrainer`: trains one `keras.Model` at a time with `fit`: any network, and the reference for other trainers.

Weights, data order and learning rates come from numpy (`evonas.networks`), so that trainings are the same for all
trainers; everything else is plain Keras.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData, Problem, Split
from evonas.data.pretrained import PretrainedNetwork
from evonas.data.splits import join_split
from evonas.data.views import Views
from evonas.evaluation import Evaluation, InTraining, Snapshot, Status, Weights
from evonas.metrics.problem_scores import compute_scores
from evonas.networks.cost import over_limit
from evonas.networks.initial import epoch_order, initial_weights, rows_of_epoch
from evonas.networks.layered import is_layered
from evonas.networks.transfer import first_weights
from evonas.tasks.train import TrainingSettings, TrainingTask
from evonas.training.losses import default_loss, mixes_classes, training_loss
from evonas.training.model import build_model, get_weights, members_model, set_weights, weights_behind
from evonas.training.replicates import combine_evaluations, member_seed
from evonas.training.single.fitting import Fitting, State, restore, state_of
from evonas.training.single.frozen import Frozen, FrozenLayers
from evonas.training.single.fused import FusedBatchNormalization
from evonas.training.single.optimizers import optimizer_of, rate_of
from evonas.training.single.rated import with_own_rates
from evonas.training.single.refit import refitted
from evonas.training.single.resident import predictions_of, train_epochs
from evonas.training.single.traces import Traces
from evonas.training.spans import span_since
from evonas.training.starting_point import start_of
from genomes.architecture.cost import count_parameters
from genomes.architecture.graph import graph_from_json

__all__ = [
    "CHUNK_ROWS",
    "SingleTrainer",
    "default_loss",
    "fit_epochs",
    "of_members",
    "optimizer_of",
    "out_of_memory",
    "prepare_model",
    "raw_outputs",
    "training_loss",
    "whole_model",
]

#: Rows predicted at a time; bounds memory, not results.
CHUNK_ROWS = 8192
_NONE = np.empty((0, 0), np.float32)

Parts = Generator[Mapping[int, Evaluation], None, Evaluation]


class SingleTrainer:
    """Trains networks one after the other. Implements `Trainer`; empty parts after each epoch signal progress."""

    def __init__(self, data: PreparedData, settings: TrainingSettings, jit_compile: bool = False) -> None:
        """Compiles nothing yet.

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
        """Remembers nothing."""

    def restore(self, state: Any) -> None:
        """Has nothing to restore."""

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
        return _GraphFitting(
            task, problems, self._settings, split, task.seed, 0, self._compiling, self._pretrained, frozen
        )

    def fitting(self, task: TrainingTask, fold: int, seed: int, number: int) -> Fitting:
        """The task's network on one fold, from one seed; `number` counts the folds and replicates."""
        data = self._views.for_graph(graph_from_json(task.architecture))
        split, problems = data.splits[fold], (self._problem, data.problem)
        frozen = partial(self._frozen.of, split=split, fold=fold)
        return _GraphFitting(
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
            # Collecting garbage takes longer than many a native training, and there is little of it.
            keras.utils.clear_session(free_memory=not notes.get("trained", {}).get("natively"))
            self._traces.release_functions()
        seconds = time.perf_counter() - started
        spans, size = (span_since(began),), fitting.parameters
        return Evaluation(**found, train_seconds=seconds, parameters=size, notes=notes, spans=spans)

    def _train(
        self, fitting: Fitting, split: Split, keep_snapshot: bool
    ) -> Generator[Mapping[int, Evaluation], None, dict[str, Any]]:
        """Fields of the evaluation of one training."""
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


class _GraphFitting:
    """The network of an architecture graph. Implements `Fitting`."""

    def __init__(
        self,
        task: TrainingTask,
        problems: tuple[Problem, Problem],
        settings: TrainingSettings,
        split: Split,
        seed: int,
        number: int,
        compiling: Mapping[str, bool],
        pretrained: PretrainedNetwork | None,
        frozen: Callable[[nx.DiGraph], Frozen | None],
    ) -> None:
        whole, problem = problems  # with all features, and with those that the network sees
        self._graph = whole.attach_columns(graph_from_json(task.architecture))
        self._problem, self._settings, self._split, self._seed = problem, settings, split, seed
        self._compiling = compiling
        self._horizon, self.epochs = task.horizon or task.epochs, task.epochs
        size = problem.num_features, problem.num_outputs, problem.sample_shape
        self.parameters = count_parameters(self._graph, *size)
        self._find_frozen = frozen
        own = first_weights(self._graph, problem, seed, pretrained, split.x_train, self._fitted)
        self._initial, self.start = start_of(task, self._graph, number, own, split.x_train, whole)
        before = (task.origin or task.architecture)["training"]["optimizer"]
        self._same_optimizer = before == self._graph.graph["training"]["optimizer"]
        self._loss = default_loss(problem, settings)

    def prepare(self) -> None:
        """See `Fitting.prepare`."""
        problem, rows, frozen = self._problem, len(self._split.x_train), self._find_frozen(self._graph)
        behind = int(frozen is not None)
        self._kept = {} if frozen is None else frozen.weights
        seen = self._split if frozen is None else frozen.split(self._split)
        self._x_validation = np.asarray(seen.x_validation)
        sizes = rows, self._horizon
        self._model = prepare_model(
            self._graph, problem, self._settings, self._seed, *sizes, behind=behind, **self._compiling
        )
        set_weights(self._model, weights_behind(self._initial(), behind))
        if self.start is not None:
            set_weights(self._model, weights_behind(self.start.weights, behind))
            restore(self._model, self.start, moments=self._same_optimizer)
        first = self.start.epoch if self.start else 0
        part = self._settings.epoch_rows
        self._losses = fit_epochs(self._model, self._graph, seen, self._seed, self.epochs, first, part)
        self._predict = predict_with(whole_model(self._model), self._graph)

    def fit(self, epoch: int) -> float:
        """See `Fitting.fit`."""
        return next(self._losses)

    def outputs(self) -> tuple[float, NDArray[np.float32]]:
        """See `Fitting.outputs`."""
        outputs = self._predict(self._x_validation)
        return float(self._loss(self._split.y_validation, outputs)), outputs

    def weights(self) -> Weights:
        """See `Fitting.weights`."""
        return {**self._kept, **get_weights(self._model)}

    def exact(self, weights: Weights, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Fitting.exact`: an exported network computes in float32."""
        if self._settings.precision == "float32":
            return outputs
        model = build_model(self._graph, self._problem.num_features, self._problem.num_outputs)
        set_weights(model, weights)
        return predict_with(model, self._graph)(np.asarray(self._split.x_validation))

    def state(self) -> State:
        """See `Fitting.state`."""
        return state_of(self._model, self.weights())

    def _fitted(self) -> Weights | None:
        """Weights of a frozen first layer, if what it gives is held."""
        frozen = self._find_frozen(self._graph)
        return None if frozen is None else frozen.weights


def prepare_model(
    graph: nx.DiGraph,
    problem: Problem,
    settings: TrainingSettings,
    seed: int,
    num_rows: int,
    horizon: int,
    jit_compile: bool = False,
    behind: int = 0,
) -> keras.Model:
    """The compiled network with its initial weights; of members, their outputs side by side, see `whole_model`.

    Args:
        graph: what to build and how to train it.
        problem, settings: common to all networks.
        seed: of weights and dropout.
        num_rows: training rows.
        horizon: epochs that the learning-rate schedule spans.
        jit_compile: see `SingleTrainer`.
        behind: the last of the frozen layers in front, without which it is built; 0 for all of it.
    """
    width, outputs = problem.num_features, problem.num_outputs
    rows = rows_of_epoch(num_rows, settings.epoch_rows if is_layered(graph) else None)
    steps = -(-rows // graph.graph["training"]["batch_size"])
    fused = is_layered(graph) and settings.precision == "float32" and keras.backend.backend() == "tensorflow"
    normalization = FusedBatchNormalization if fused else keras.layers.BatchNormalization
    whole = build_model(
        graph, width, outputs, seed, settings.precision, batch_normalization=normalization, behind=behind
    )
    model = members_model(whole)
    set_weights(model, weights_behind(initial_weights(graph, width, outputs, seed), behind))
    model.compile(
        optimizer=optimizer_of(graph.graph["training"], rate_of(graph.graph["training"], horizon * steps)),
        loss=training_loss(problem, settings, graph.graph["training"]),
        # An epoch in one call: the steps are the same, their overhead is a third.
        steps_per_execution=steps,
        jit_compile=jit_compile or keras.backend.backend() == "jax",
    )
    with_own_rates(model, graph.graph["training"], horizon * steps)
    return model


def fit_epochs(
    model: keras.Model,
    graph: nx.DiGraph,
    split: Split,
    seed: int,
    epochs: int,
    first: int = 0,
    epoch_rows: int | None = None,
) -> Iterator[float]:
    """Trains epoch by epoch in the order of `epoch_order` and yields each epoch's training loss, penalties included.

    Of `epoch_rows`, which networks of dense layers alone have no use for, see `TrainingSettings`.
    """
    y = split.y_train
    if y.ndim == 1 and mixes_classes(graph.graph["training"]):
        y = np.eye(model.output_shape[-1], dtype=np.float32)[y]  # Keras smooths no numbers of classes
    if is_layered(graph):
        yield from train_epochs(model, graph, split, seed, epochs, first, y, epoch_rows)
        return
    y = of_members(y, model)
    weight = None if split.weight_train is None else of_members(split.weight_train, model)
    for epoch in range(first, epochs):
        order = epoch_order(seed, epoch, len(split.x_train))
        history = model.fit(
            split.x_train[order],
            y[order],
            sample_weight=None if weight is None else weight[order],
            batch_size=int(graph.graph["training"]["batch_size"]),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
        )
        yield float(history.history["loss"][0])


def whole_model(model: keras.Model) -> keras.Model:
    """The network that predicts, whose training `prepare_model` gave: of members the mean. It has the same weights."""
    if len(model.outputs[0].shape) < 3:
        return model
    mean = keras.layers.GlobalAveragePooling1D(name="mean")(model.outputs[0])
    return keras.Model(model.inputs[0], mean, name="network")


def of_members(values: NDArray[Any], model: keras.Model) -> NDArray[Any]:
    """Targets or weights of rows, once for each of the model's members if it has several."""
    shape = model.outputs[0].shape
    return values if len(shape) < 3 else np.repeat(values[:, None], shape[1], axis=1)


def predict_with(model: keras.Model, graph: nx.DiGraph) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """What gives the outputs of the graph's model, as `raw_outputs`; it is traced once."""
    return predictions_of(model, graph) if is_layered(graph) else partial(raw_outputs, model)


def raw_outputs(model: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The model's outputs for all rows, float32, shape `(num_samples, num_outputs)`."""
    starts = range(0, len(x), CHUNK_ROWS)
    return np.concatenate([np.asarray(model.predict_on_batch(x[k : k + CHUNK_ROWS]), np.float32) for k in starts])


def out_of_memory(error: Exception) -> str | None:
    """The reason for a failure, if the device or the machine refused an allocation.

    Each backend has an error type of its own; the names agree.
    """
    refused = "RESOURCE_EXHAUSTED" in str(error) or "ResourceExhausted" in type(error).__name__
    if refused or isinstance(error, MemoryError):
        return "out of memory: the network does not fit the device"
    return None
