"""Export of user-defined models: unchanged, or with outputs in the target's units or probabilities if uncompiled.

A model that the user compiled is written unchanged, including its compilation. Runs in the worker process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.data.inputs import Inputs, map_arrays
from evonas.data.prepared import PreparedData, Problem
from evonas.data.splits import join_split
from evonas.evaluation import Weights
from evonas.export_tasks import ExportTask
from evonas.training.export.preprocessing import can_take_raw, encoder, with_label
from evonas.training.single.fitting import assign_recorded
from evonas.training.single.outputs import (
    Outputs,
    as_outputs,
    chunk_rows,
    outputs_of,
    predict_outputs,
    to_raw,
    try_outputs,
)
from evonas.training.single.user_model import UserModelFitting, build_own, genes_of
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.errors import InputError

__all__ = ["UserModelDeployment", "own_outputs"]

_UNITS, _PROBABILITY = "target_units", "probability"


class UserModelDeployment:
    """A model built by a user's function. Implements `Deployment`."""

    tolerance = 1e-4
    temperature = 1.0

    def __init__(
        self, build: Callable[..., Any], task: ExportTask, data: PreparedData, settings: TrainingSettings
    ) -> None:
        """Does not build anything yet."""
        self._build, self._task, self._data, self._settings = build, task, data, settings

    def retrain(self) -> Weights:
        """See `Deployment.retrain`."""
        task = TrainingTask(self._task.architecture, self._task.seed, self._task.best_epoch)
        split = join_split(self._data.splits[0])
        fitting = UserModelFitting(
            self._build, task, self._data.problem, self._settings, split, task.seed, pretrained=self._data.pretrained
        )
        fitting.prepare()
        for epoch in range(fitting.epochs):
            if not math.isfinite(loss := fitting.fit(epoch)):
                raise InputError(f"retraining must converge, but its loss became {loss}: export without retraining")
        return fitting.weights()

    def save(self, weights: Weights, path: Path, coded: bool = False) -> None:
        """See `Deployment.save`.

        Raises:
            InputError: Keras cannot write the model, or cannot open the file again.
        """
        problem, x = self._data.problem, self._data.splits[0].x_train
        model = build_own(self._build, genes_of(self._task.architecture), problem, self._task.seed)
        trial = try_outputs(model, x)
        assign_recorded(model.weights, weights)
        self._outputs = outputs_of(model, trial, problem)
        if model.compiled:
            model.optimizer.build(model.trainable_variables)  # otherwise Keras warns when the file is opened
        try:
            self._deployable(model, trial.shape[1], x, coded).save(path)
            keras.models.load_model(path)
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            raise InputError(
                f"the model must be one that Keras can write and open again, but that raised {type(error).__name__}: "
                f"{text}; decorate layers and functions of your own with @keras.saving.register_keras_serializable(), "
                "give them a get_config, and use no Lambda layers"
            ) from error

    def outputs(self, model: keras.Model, x: Inputs) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """See `Deployment.outputs`."""
        problem = self._data.problem
        if self._added or self.takes_raw:
            given = model.output["probability"] if isinstance(model.output, Mapping) else model.output
            raw = model.get_layer(self._added).input if self._added else given
            both = keras.Model(model.input, [raw, given])
            found, last = both.predict(x, batch_size=chunk_rows(x), verbose=0)
            return to_raw(as_outputs(found), problem, self._outputs), as_outputs(last)
        outputs = predict_outputs(model, x)
        in_form = self._outputs in (Outputs.TARGET_UNITS, Outputs.PROBABILITIES)
        return to_raw(outputs, problem, self._outputs), outputs if in_form else None

    def _deployable(self, model: keras.Model, columns: int, x: Inputs, coded: bool) -> keras.Model:
        """The model; if evonas compiled it, preceded by layers for raw columns and followed by a last layer."""
        problem, last = self._data.problem, None
        taken = {model.name, *(layer.name for layer in model.layers)}
        if self._outputs is Outputs.STANDARDISED:
            mean, std = list(problem.target_mean), list(problem.target_std)
            last = keras.layers.Rescaling(std, mean, name=_free(_UNITS, taken))
        elif self._outputs is Outputs.LOGITS and not model.compiled:
            last = keras.layers.Activation("sigmoid" if columns == 1 else "softmax", name=_free(_PROBABILITY, taken))
        self._added = "" if last is None else last.name
        preparation = self._data.preparation
        self.takes_raw = not model.compiled and bool(self._data.raw) and can_take_raw(preparation)
        if preparation is not None and self.takes_raw:
            inputs, features = encoder(preparation, coded)
            # Wrapped in a model, since its name may equal that of a column.
            outputs = keras.Sequential([keras.Input(features.shape[1:]), model], name="network")(features)
        elif last is None:
            return model
        else:
            try:
                inputs, outputs = model.input, model.output
            except (AttributeError, ValueError):  # a custom class instead of a graph of layers
                inputs = map_arrays(lambda part: keras.Input(part.shape[1:], dtype=str(part.dtype)), x)
                outputs = model(inputs)
        outputs = outputs if last is None else last(outputs)
        if self.takes_raw and problem.task != "regression":
            outputs = with_label(outputs, problem)
        return keras.Model(inputs, outputs, name=f"own_{self._added or 'model'}")


def _free(name: str, taken: Collection[str]) -> str:
    """The name, with characters appended until it is not taken."""
    while name in taken:
        name += "_"
    return name


def own_outputs(
    build: Callable[..., Any], genes: Mapping[str, Any], weights: Weights, problem: Problem, x: Inputs
) -> NDArray[np.float32]:
    """Raw outputs as for `evonas.metrics.scores`, from the model of these genes with these weights."""
    model = build_own(build, genes_of(genes), problem, seed=0)
    trial = try_outputs(model, x)
    assign_recorded(model.weights, weights)
    found = to_raw(predict_outputs(model, x), problem, outputs_of(model, trial, problem))
    keras.utils.clear_session()
    return found
