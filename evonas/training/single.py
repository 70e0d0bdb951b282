"""`SingleTrainer`: trains one `keras.Model` at a time with `fit`: any network, and the reference for other trainers.

Weights, data order and learning rates come from numpy (`initial.py`, `schedule.py`), so that a training is the same
whichever trainer does it; all else is Keras as its documentation describes it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import keras
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData, Problem, Split
from evonas.evaluation import Evaluation, Status
from evonas.scoring import scores
from evonas.training.combine import combined, member_seed
from evonas.training.initial import epoch_order, initial_weights
from evonas.training.model import build_model, get_weights, set_weights
from evonas.training.schedule import learning_rates
from evonas.training.trainer import TrainingSettings, TrainingTask
from genomes.architecture import count_parameters, graph_from_json
from genomes.errors import InputError

__all__ = ["SingleTrainer", "fit_epochs", "prepare_model", "raw_outputs"]

#: Rows predicted at a time; bounds memory, not results.
_CHUNK_ROWS = 8192

Parts = Generator[Mapping[int, Evaluation], None, Evaluation]


class SingleTrainer:
    """Trains networks one after the other. Meets `Trainer`; an empty part after each epoch says that it is alive."""

    def __init__(self, data: PreparedData, settings: TrainingSettings, jit_compile: bool = False) -> None:
        """Compiles nothing yet.

        Args:
            data: what to train on.
            settings: what is the same for every network.
            jit_compile: whether TensorFlow compiles a step with XLA: faster steps for about a second a network.
        """
        self._problem, self._splits, self._settings, self._jit = data.problem, data.splits, settings, jit_compile

    def state(self) -> None:
        """Remembers nothing."""

    def restore(self, state: Any) -> None:
        """Has nothing to restore."""

    def train(
        self, tasks: Sequence[TrainingTask], done: frozenset[int] = frozenset()
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Trainer.train`.

        Raises:
            InputError: a task goes on from a snapshot, or wants one kept.
        """
        for position, task in enumerate(tasks):
            if position not in done:
                if task.start or task.keep_snapshots:
                    raise InputError(
                        "trainer must be 'population' to go on with a training, not 'single', which keeps no "
                        "optimizer's state: choose trainer='population', or train from the start"
                    )
                graph, evaluations = graph_from_json(task.architecture), []
                for replicate in range(self._settings.replicates):
                    for fold, split in enumerate(self._splits):
                        seed = member_seed(task.seed, fold, replicate)
                        evaluations.append((yield from self._member(graph, split, task, seed)))
                yield {position: combined(evaluations)}

    def _member(self, graph: nx.DiGraph, split: Split, task: TrainingTask, seed: int) -> Parts:
        """Trains on one split from one seed. What Keras keeps of a network is let go at the end."""
        started = time.perf_counter()
        problem = self._problem
        found: dict[str, Any]
        try:
            found = yield from self._train(graph, split, task, seed)
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            found = {"status": Status.FAILED, "reason": "out of memory: the network does not fit the device"}
        finally:
            keras.utils.clear_session()
        seconds = time.perf_counter() - started
        parameters = count_parameters(graph, problem.num_features, problem.num_outputs)
        return Evaluation(**found, train_seconds=seconds, parameters=parameters)

    def _train(
        self, graph: nx.DiGraph, split: Split, task: TrainingTask, seed: int
    ) -> Generator[Mapping[int, Evaluation], None, dict[str, Any]]:
        """Fields of the evaluation of one training."""
        settings = self._settings
        model = prepare_model(
            graph, self._problem, settings, seed, len(split.x_train), task.horizon or task.epochs, self._jit
        )
        loss_of = _loss(self._problem, settings)
        curve: list[float] = []
        train_curve: list[float] = []
        best_loss = reference = math.inf
        best: dict[str, Any] = {}
        waited = 0
        for train_loss in fit_epochs(model, graph, split, seed, task.epochs):
            outputs = raw_outputs(model, split.x_validation)
            loss = float(loss_of(split.y_validation, outputs))
            curve.append(loss)
            train_curve.append(train_loss)
            if not math.isfinite(loss):
                break
            if loss < best_loss:
                best_loss = loss
                best = {"best_epoch": len(curve), "weights": get_weights(model), "outputs": outputs}
            waited += 1
            if loss + settings.min_delta < reference:
                reference, waited = loss, 0
            if settings.patience is not None and waited >= settings.patience:
                break
            yield {}
        found: dict[str, Any] = {"epochs": len(curve), "curve": tuple(curve), "train_curve": tuple(train_curve)}
        if not math.isfinite(curve[-1]):
            reason = f"diverged: the validation loss was {curve[-1]} after epoch {len(curve)}"
            return found | {"status": Status.FAILED, "reason": reason, "best_epoch": best.get("best_epoch", 0)}
        outputs = best.pop("outputs")
        if settings.precision != "float32":
            # An exported network computes in float32: so is it scored.
            exact = build_model(graph, self._problem.num_features, self._problem.num_outputs)
            set_weights(exact, best["weights"])
            outputs = raw_outputs(exact, split.x_validation)
        metrics = scores(self._problem, split.y_validation, outputs)
        if not metrics:
            reason = "the outputs on the validation rows are not finite"
            return found | {"status": Status.FAILED, "reason": reason, "best_epoch": best["best_epoch"]}
        return found | {"status": Status.OK, "scores": metrics} | best


def prepare_model(
    graph: nx.DiGraph,
    problem: Problem,
    settings: TrainingSettings,
    seed: int,
    num_rows: int,
    horizon: int,
    jit_compile: bool = False,
) -> keras.Model:
    """The compiled network with its initial weights.

    Args:
        graph: what to build and how to train it.
        problem, settings: what is the same for every network.
        seed: of weights and dropout.
        num_rows: training rows.
        horizon: epochs that the learning-rate schedule spans.
        jit_compile: see `SingleTrainer`.
    """
    width, outputs = problem.num_features, problem.num_outputs
    steps = -(-num_rows // graph.graph["training"]["batch_size"])
    model = build_model(graph, width, outputs, seed, settings.precision)
    set_weights(model, initial_weights(graph, width, outputs, seed))
    model.compile(
        optimizer=_optimizer(graph.graph["training"], horizon * steps),
        loss=_loss(problem, settings),
        # An epoch in one call: the steps are the same, their overhead is a third.
        steps_per_execution=steps,
        jit_compile=jit_compile or keras.backend.backend() == "jax",
    )
    return model


def fit_epochs(model: keras.Model, graph: nx.DiGraph, split: Split, seed: int, epochs: int) -> Iterator[float]:
    """Trains epoch by epoch in the order of `epoch_order` and yields each epoch's training loss, penalties included."""
    weight = split.weight_train
    for epoch in range(epochs):
        order = epoch_order(seed, epoch, len(split.x_train))
        history = model.fit(
            split.x_train[order],
            split.y_train[order],
            sample_weight=None if weight is None else weight[order],
            batch_size=int(graph.graph["training"]["batch_size"]),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
        )
        yield float(history.history["loss"][0])


def raw_outputs(model: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The model's outputs for all rows, float32, shape `(num_samples, num_outputs)`."""
    starts = range(0, len(x), _CHUNK_ROWS)
    return np.concatenate([np.asarray(model.predict_on_batch(x[k : k + _CHUNK_ROWS]), np.float32) for k in starts])


class _Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The rate of every step, from an array."""

    def __init__(self, rates: NDArray[np.float32]) -> None:
        self._rates = rates

    def __call__(self, step: Any) -> Any:
        return keras.ops.take(keras.ops.convert_to_tensor(self._rates), keras.ops.cast(step, "int32"))

    def get_config(self) -> dict[str, Any]:
        return {"rates": self._rates.tolist()}


def _optimizer(training: Mapping[str, Any], num_steps: int) -> keras.optimizers.Optimizer:
    peak = float(training["learning_rate"])
    rate: Any = peak
    if training["schedule"] != "constant" or training["warmup"]:
        rate = _Rates(learning_rates(peak, training["schedule"], training["warmup"], num_steps))
    match training["optimizer"]:
        case "sgd":
            return keras.optimizers.SGD(rate)
        case "momentum" | "nesterov":
            return keras.optimizers.SGD(rate, momentum=0.9, nesterov=training["optimizer"] == "nesterov")
        case "rmsprop":
            return keras.optimizers.RMSprop(rate)
        case "adam":
            return keras.optimizers.Adam(rate)
        case "adamw":
            return keras.optimizers.AdamW(rate, weight_decay=float(training["weight_decay"]))
        case "nadam":
            return keras.optimizers.Nadam(rate)
    raise ValueError(f"unknown optimizer {training['optimizer']!r}")


def _loss(problem: Problem, settings: TrainingSettings) -> keras.losses.Loss:
    if problem.task == "binary":
        return keras.losses.BinaryCrossentropy(from_logits=True)
    if problem.task == "multiclass":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    match settings.loss:
        case "auto" | "mse":
            return keras.losses.MeanSquaredError()
        case "mae":
            return keras.losses.MeanAbsoluteError()
        case "huber":
            return keras.losses.Huber()
    raise ValueError(f"unknown loss {settings.loss!r}")


def _is_out_of_memory(error: Exception) -> bool:
    """Whether the device or the machine refused an allocation. Each backend has a type of its own; the names agree."""
    refused = "RESOURCE_EXHAUSTED" in str(error) or "ResourceExhausted" in type(error).__name__
    return refused or isinstance(error, MemoryError)
