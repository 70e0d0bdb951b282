"""User-defined models, built by a `build` function from genes, compiled if necessary, and trained one at a time.

`build(genes)` returns a `keras.Model` with one output. `genes` is a read-only mapping with attribute access
(`genes.units`, `genes.get("dropout", 0.0)`); a function with a parameter `problem` also receives the
`evonas.data.prepared.Problem` (shapes of the inputs, number of outputs, classes).

- Inputs: the arrays passed to the search (floats as float32), one, or a tuple or mapping of several; for a table, its
  encoded features, shape `(num_samples, num_features)`; on export, an uncompiled model is preceded by layers that
  encode raw columns.
- An uncompiled model is compiled with the task's loss and the genes `optimizer` (a Keras name, "adam" by default) and
  `learning_rate` (by default that of the optimizer). A regression model trains on standardised targets, and its
  exported model ends in a layer that undoes this. A classifier may output logits or probabilities; one that outputs
  logits is exported with an additional last layer.
- A compiled model keeps its optimizer, loss and other options. A regression model gets the target in its own units; a
  loss that takes one column per class gets that. It is exported unchanged.
- Outputs: one number per target for regression, one per class for classification; for two classes, one or two numbers.
- The genes `batch_size` (32 by default) and `epochs` (at most those of the run) apply to both.
- After each epoch, the model's own loss is measured on the validation rows; the weights of the best epoch are scored
  and kept, and training without improvement stops early. Callbacks belong to `fit`, which evonas calls.
- With the trainer "native", the default on a CPU, a model that consists of supported parts is trained natively, any
  other by Keras; the evaluation's notes record which trainer was used and why. See
  `evonas.training.native.keras_fit`.
- `keras.utils.set_random_seed` is called before each build, so that equal genes give equal bits. Training continues
  from a snapshot with its weights, its optimizer and the seeds of its random layers.
- If `build` or training raises an error, the model is FAILED with the reason; the traceback is in `worker.log`. A
  search stops if its first models all fail in the same way.
"""

from __future__ import annotations

import inspect
import math
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.data.inputs import map_arrays, num_rows
from evonas.data.prepared import PreparedData, Problem, Split
from evonas.data.pretrained import PretrainedNetwork
from evonas.evaluation import Weights
from evonas.networks.initial import epoch_order
from evonas.training.losses import default_loss
from evonas.training.native.keras_fit import PreparedFit, prepare_fit
from evonas.training.native.refusal import Refused
from evonas.training.single.fitting import State, assign, named_values, restore, state_of, values_of
from evonas.training.single.outputs import (
    Outputs,
    encode_target,
    outputs_of,
    own_loss,
    predict_outputs,
    to_raw,
    try_outputs,
)
from evonas.training.single.trainer import SingleTrainer, out_of_memory
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes import HyperparameterGenome

__all__ = ["BuildFunction", "UserModelFitting", "UserModelTrainer", "build_own", "genes_of", "inherit", "register"]

BATCH_SIZE = 32
BuildFunction = Callable[..., Any]


class UserModelTrainer(SingleTrainer):
    """Trains user-defined models; exceptions mark a network as FAILED. Implements `Trainer`."""

    def __init__(self, data: PreparedData, settings: TrainingSettings, build: BuildFunction) -> None:
        """Does not build anything yet.

        Args:
            data: the data to train on; `evonas.data.inputs` of any shape.
            settings: common to all models. Each model defines its own precision.
            build: takes genes, and the `Problem` if it has a parameter `problem`; returns a `keras.Model`.
        """
        super().__init__(data, settings)
        self._build = build

    def fitting(self, task: TrainingTask, fold: int, seed: int, number: int) -> UserModelFitting:
        """See `SingleTrainer.fitting`."""
        split = self._splits[fold]
        return UserModelFitting(self._build, task, self._problem, self._settings, split, seed, number, self._pretrained)

    def failure(self, error: Exception) -> str | None:
        """The error raised by the user's code or by Keras; the full traceback goes to the worker's log."""
        traceback.print_exc()
        sys.stderr.flush()
        if (reason := out_of_memory(error)) is not None:
            return reason
        text = " ".join(str(error).split())
        return f"{_stage(error)} raised {type(error).__name__}: {text[:300]}"


class UserModelFitting:
    """A user-defined model on one split. Implements `Fitting`.

    Genes with a meaning here: `batch_size` (32 by default) and `epochs` (at most those of the task); and for uncompiled
    models, `optimizer` (a Keras name, "adam" by default) and `learning_rate`.
    """

    def __init__(
        self,
        build: BuildFunction,
        task: TrainingTask,
        problem: Problem,
        settings: TrainingSettings,
        split: Split,
        seed: int,
        number: int = 0,
        pretrained: PretrainedNetwork | None = None,
    ) -> None:
        self._build, self._task, self._problem, self._settings = build, task, problem, settings
        self._split, self._weight, self._seed, self._pretrained = split, split.weight_train, seed, pretrained
        self._genes = genes_of(task.architecture)
        self._batch_size = max(1, int(self._genes.get("batch_size", BATCH_SIZE)))
        self.epochs = max(1, min(task.epochs, int(self._genes.get("epochs", task.epochs))))
        self.parameters = 0
        #: Notes for the evaluation about the trainer used.
        self.notes: Mapping[str, Any] = {}
        self._validation_loss = math.nan
        self._kept = task.start[number] if task.start else None
        self.start = None
        if self._kept is not None and not task.inherit:
            # With other settings, patience starts over.
            self.start = self._kept if task.origin is None else replace(self._kept, waited=0)

    def prepare(self) -> None:
        """Builds and compiles the model."""
        problem, split = self._problem, self._split
        self._model = build_own(self._build, self._genes, problem, self._seed)
        trial = try_outputs(self._model, split.x_train)
        self.parameters = sum(int(np.prod(variable.shape)) for variable in self._model.trainable_variables)
        self._outputs = outputs_of(self._model, trial, problem)
        to_raw(trial, problem, self._outputs)  # refuses the wrong shape
        self._loss = own_loss(self._model)
        if self._loss is None:
            logits = self._outputs is not Outputs.PROBABILITIES
            self._loss = default_loss(problem, self._settings, from_logits=logits, columns=trial.shape[1])
        if not self._model.compiled:
            self._model.compile(
                optimizer=_optimizer(self._genes),
                loss=self._loss,
                # One call per epoch: the steps are the same at a third of the overhead.
                steps_per_execution=-(-num_rows(split.x_train) // self._batch_size),
            )
        self._y_train, self._y_validation = (
            encode_target(y, problem, self._outputs, self._loss) for y in (split.y_train, split.y_validation)
        )
        if self.start is not None:
            origin = self._task.origin
            same = origin is None or genes_of(origin).get("optimizer") == self._genes.get("optimizer")
            assign(self._model.weights, self.start.weights)
            restore(self._model, self.start, moments=same)
        elif self._kept is not None:
            inherit(self._model, self._kept.best)
        elif self._pretrained is not None:
            inherit(self._model, self._pretrained.weights)
        self._native = self._natively() if self._settings.trainer == "native" else None

    def _natively(self) -> PreparedFit | None:
        """Prepares native training from the current state of model and optimizer; None if it is not supported."""
        split = self._split
        weight = {} if self._weight is None else {"sample_weight": self._weight}
        held = num_rows(split.x_validation)
        validation = {"validation_data": (split.x_validation, self._y_validation)} if held else {}
        how = {"batch_size": self._batch_size, "verbose": 0, **weight, **validation}
        given = prepare_fit(self._model, (split.x_train, self._y_train), how, self._seed)
        if isinstance(given, Refused):
            self.notes = {"trained": {"natively": 0, "by_keras": [given.reason]}}
            return None
        self.notes = {"trained": {"natively": 1, "by_keras": []}}
        return given

    def fit(self, epoch: int) -> float:
        """See `Fitting.fit`."""
        order = epoch_order(self._seed, epoch, num_rows(self._split.x_train))
        if self._native is not None:
            loss, self._validation_loss = self._native.training.epoch(order)
            return loss
        history = self._model.fit(
            map_arrays(lambda array: array[order], self._split.x_train),
            self._y_train[order],
            sample_weight=None if self._weight is None else self._weight[order],
            batch_size=self._batch_size,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
        )
        return float(history.history["loss"][0])

    def outputs(self) -> tuple[float, NDArray[np.float32]]:
        """See `Fitting.outputs`."""
        if self._native is not None:
            training, lowered = self._native.training, self._native.lowered
            given = lowered.outputs(training.validation_outputs)
            return self._validation_loss - training.penalty, to_raw(given, self._problem, self._outputs)
        given = predict_outputs(self._model, self._split.x_validation)
        values = self._loss(keras.ops.convert_to_tensor(self._y_validation), keras.ops.convert_to_tensor(given))
        loss = float(np.mean(keras.ops.convert_to_numpy(values)))
        return loss, to_raw(given, self._problem, self._outputs)

    def weights(self) -> Weights:
        """See `Fitting.weights`."""
        if self._native is not None:
            return named_values(self._native.training.named_weights())
        return values_of(self._model.weights)

    def exact(self, weights: Weights, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Fitting.exact`. The exported model has the same precision."""
        return outputs

    def state(self) -> State:
        """See `Fitting.state`."""
        if self._native is not None:
            self._native.training.write()
        return state_of(self._model, self.weights())


def genes_of(value: Mapping[str, Any]) -> HyperparameterGenome:
    """The genes of a task."""
    return HyperparameterGenome.from_values(value["values"])


def register(objects: Mapping[str, Any]) -> None:
    """Registers the custom objects that the user's session had registered with Keras, under the same names."""
    for key, value in objects.items():
        package, _, name = key.rpartition(">")
        keras.saving.register_keras_serializable(package or "Custom", name)(value)


def build_own(build: BuildFunction, genes: Mapping[str, Any], problem: Problem, seed: int) -> keras.Model:
    """The model of these genes, with everything random in it determined by the seed.

    Raises:
        TypeError: the build function does not return a model.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    more = {"problem": problem} if "problem" in inspect.signature(build).parameters else {}
    model = build(genes, **more)
    if not isinstance(model, keras.Model):
        raise TypeError(f"build must return a keras.Model, not {type(model).__name__}: end it with `return model`")
    return model


def inherit(model: keras.Model, weights: Weights) -> None:
    """Copies matching weights of another model: where names agree, the part that both have in common.

    Keras numbers layers in the order in which they are created; to be matched differently, layers need names.
    """
    given = {name.partition("/")[2]: value for name, value in weights.items()}
    for variable in model.weights:
        value = given.get(variable.path)
        if value is not None and value.ndim == len(variable.shape):
            mine = keras.ops.convert_to_numpy(variable.value).copy()
            both = tuple(slice(min(sizes)) for sizes in zip(mine.shape, value.shape, strict=True))
            mine[both] = value[both]
            variable.assign(mine)


def _optimizer(genes: Mapping[str, Any]) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.get(genes.get("optimizer", "adam"))
    if "learning_rate" in genes:
        optimizer.learning_rate = float(genes["learning_rate"])
    return optimizer


def _stage(error: Exception) -> str:
    """Whether it was raised while building or while training."""
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return "build" if "build_own" in names else "training"
