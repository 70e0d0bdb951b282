"""Export of a network as a `.keras` file for plain Keras, verified by reopening it.

Differences between built-in networks and user-defined models are in their `Deployment`s. Runs in the worker process.
The file gets its final name only if its model reproduces the recorded scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.data.inputs import Inputs
from evonas.data.prepared import PreparedData
from evonas.data.splits import join_split
from evonas.evaluation import Weights
from evonas.export_tasks import Exported, ExportTask
from evonas.metrics.calibration import temperature_of
from evonas.metrics.problem_scores import compute_scores
from evonas.networks.forward import raw_outputs
from evonas.networks.transfer import first_weights
from evonas.training.export.deployable import deployable
from evonas.training.export.deployment import Deployment, input_note, write
from evonas.training.export.neighbours import rows_at_a_time
from evonas.training.export.preprocessing import can_take_raw
from evonas.training.model import get_weights, set_weights, trained_model, weights_behind
from evonas.training.single.frozen import begins_frozen, split_behind
from evonas.training.single.graph_model import CHUNK_ROWS, fit_epochs, predict_with, prepare_model, represent_references
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import finds_neighbours, graph_from_json, views_of
from genomes.errors import InputError

__all__ = ["GraphDeployment", "export", "retrain"]

#: Relative difference allowed between a recorded score and the exported model's; scores of mixed precision are coarser.
TOLERANCE = {"float32": 1e-5}
_COARSE_TOLERANCE = 1e-2
#: Frequency of periodic embeddings above which the tolerance grows with it, in periods per standard deviation: they
#: amplify the rounding of standardised columns, which are computed from float64 in a run and from float32 in its file.
_EXACT_SIGMA = 5.0


def export(
    task: ExportTask, data: PreparedData, settings: TrainingSettings, build: Callable[..., Any] | None = None
) -> Exported:
    """Writes the network as a Keras file.

    Args:
        task: the network and the path.
        data: its training data.
        settings: its training settings.
        build: the user's function, if the model is user-defined.

    Raises:
        InputError: the path cannot be written, Keras cannot write or open the model, or there are no weights and
            retraining was not requested.
        RuntimeError: the file's model does not reproduce the recorded scores; nothing is left at the path.
    """
    recorded, note = task.scores, "weights of the scored epoch"
    deployment: Deployment
    if build is None:
        data = data.for_views(*views_of(graph_from_json(task.architecture)), training=task.retrain)
        temperature = 1.0
        if task.calibrate and not data.refits:
            temperature, recorded = _calibrate(task, data)
        deployment = GraphDeployment(task, data, settings, temperature)
    else:
        from evonas.training.export.user_model import UserModelDeployment

        deployment = UserModelDeployment(build, task, data, settings)
    if task.retrain:
        weights = deployment.retrain()
        recorded = {}
        note = (
            f"retrained for {task.best_epoch} epochs on training and validation rows; the weights are not those scored"
        )
    elif task.weights is None:
        raise InputError("weights must be kept to export the scored network, but there are none: retrain it")
    else:
        weights = task.weights
        if len(data.splits) * settings.replicates > 1:
            # The recorded scores are a mean; these weights are one of its terms, or were trained on all rows.
            recorded = {}
            of_all = "weights trained on all rows, for the number of epochs found in the folds"
            of_all += ", not calibrated: they have seen all rows" * task.calibrate
            note = of_all if data.refits and build is None else note + ", of the first fold and replicate"
    found = write(task.path, deployment, weights, data, recorded, task.format)
    if deployment.temperature != 1.0:
        note += f", logits divided by {deployment.temperature:.4g}"
    note += input_note(data, deployment.takes_raw) + found.note
    if task.retrain:
        found = replace(found, validation_scores={}, calibration=_of_test(found))
    elif data.refits and build is None:  # only the folds' scores are known: the weights are from all of these rows
        found = replace(found, validation_scores=dict(task.scores), calibration=_of_test(found))
    return replace(found, retrained=task.retrain, note=note)


def _of_test(found: Any) -> dict[str, Any]:
    """The calibration on rows that the weights have not seen."""
    return {part: values for part, values in found.calibration.items() if part == "test"}


def _calibrate(task: ExportTask, data: PreparedData) -> tuple[float, dict[str, float]]:
    """The temperature that fits the (first) validation rows best, and the scores of the network with it."""
    if task.weights is None or task.retrain:
        raise InputError(
            "calibrate must be used with scored weights, which have not seen the validation rows: leave retrain out"
        )
    split, graph = data.splits[0], data.problem.attach_columns(graph_from_json(task.architecture))
    raw = raw_outputs(graph, task.weights, np.asarray(split.x_validation))
    temperature = temperature_of(data.problem, split.y_validation, raw)
    return temperature, compute_scores(data.problem, split.y_validation, raw / temperature)


def retrain(task: ExportTask, data: PreparedData, settings: TrainingSettings) -> dict[str, NDArray[Any]]:
    """Weights after training on training and validation rows together, from the same seed, for `best_epoch` epochs.

    The learning-rate schedule is that of the recorded training, on more rows. Validation rows weigh 1.
    """
    graph, split = data.problem.attach_columns(graph_from_json(task.architecture)), join_split(data.splits[0])
    first = first_weights(graph, data.problem, task.seed, data.pretrained, split.x_train)()
    behind = int(begins_frozen(graph))
    if behind:
        split = split_behind(graph, first, split)
    sizes = len(split.x_train), task.epochs
    model = prepare_model(graph, data.problem, settings, task.seed, *sizes, behind=behind)
    set_weights(model, weights_behind(first, behind))
    for loss in fit_epochs(model, graph, split, task.seed, task.best_epoch, epoch_rows=settings.epoch_rows):
        if not math.isfinite(loss):
            raise InputError(f"retraining must converge, but its loss became {loss}: export without retraining")
    references: Weights = {}
    if finds_neighbours(graph):
        references = represent_references(predict_with(model, graph), data.problem, split, task.seed)
    return {**first, **get_weights(model), **references}


def _amplification(architecture: Mapping[str, Any]) -> float:
    """How much more than usual the outputs of a network depend on the rounding of its inputs, >= 1."""
    sigmas = [float(node.get("embedding_sigma", 0.0)) for node in graph_from_json(architecture).nodes.values()]
    return max(1.0, max(sigmas) / _EXACT_SIGMA)


class GraphDeployment:
    """The deployment of an architecture graph. Implements `Deployment`."""

    def __init__(
        self, task: ExportTask, data: PreparedData, settings: TrainingSettings, temperature: float = 1.0
    ) -> None:
        self.temperature = temperature
        self._task, self._data, self._settings = task, data, settings
        self.tolerance = TOLERANCE.get(settings.precision, _COARSE_TOLERANCE) * _amplification(task.architecture)
        self.takes_raw = bool(data.raw) and can_take_raw(data.preparation)

    def retrain(self) -> Weights:
        """See `Deployment.retrain`."""
        return retrain(self._task, self._data, self._settings)

    def save(self, weights: Weights, path: Path, coded: bool = False) -> None:
        """See `Deployment.save`."""
        problem = self._data.problem
        graph = problem.attach_columns(graph_from_json(self._task.architecture))
        model = trained_model(graph, problem.num_features, problem.num_outputs, weights)
        preparation = self._data.preparation if self.takes_raw else None
        deployable(model, problem, preparation, coded, self.temperature, self._task.resize).save(path)

    def outputs(self, model: keras.Model, x: Inputs) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """See `Deployment.outputs`."""
        last = model.get_layer("target_units" if self._data.problem.task == "regression" else "probability")
        both = keras.Model(model.input, [last.input, last.output])
        both.run_eagerly = True  # tracing takes seconds, and there are only a few large batches
        raw, given = both.predict(x, batch_size=rows_at_a_time(self._data.preparation, CHUNK_ROWS), verbose=0)
        return raw, given
