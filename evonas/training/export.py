"""From a scored network to a `.keras` file that plain Keras opens, checked by opening it again.

Runs in the worker process. A file appears under its name only when its model gives the recorded scores.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData, Problem, Split
from evonas.evaluation import Weights
from evonas.runs.files import write_atomically
from evonas.scoring import predictions, scores
from evonas.training.deployment import Exported, ExportTask
from evonas.training.model import build_model, deployable, get_weights, set_weights
from evonas.training.single import fit_epochs, prepare_model, raw_outputs
from evonas.training.trainer import TrainingSettings
from genomes.architecture import graph_from_json
from genomes.errors import InputError

__all__ = ["export", "retrain", "test_scores", "verify"]

#: Relative difference allowed between a recorded score and the exported model's; scores of mixed precision are coarser.
TOLERANCE = {"float32": 1e-5}
_COARSE_TOLERANCE = 1e-2
#: Continuous in the outputs; the other metrics jump where an output crosses a threshold.
_COMPARED = ("mse", "rmse", "mae", "log_loss")


def export(task: ExportTask, data: PreparedData, settings: TrainingSettings) -> Exported:
    """Writes the network as a Keras file.

    Args:
        task: what to write, and where.
        data: what it was trained on.
        settings: how it was trained.

    Raises:
        InputError: the path cannot be written, or there are neither weights nor a retraining.
        RuntimeError: the file's model does not give the recorded scores; nothing is left at the path.
    """
    path = task.path
    if path.suffix != ".keras":
        raise InputError(f"export path must end in .keras, not {path.name!r}: write {path.with_suffix('.keras').name}")
    if not path.parent.is_dir():
        raise InputError(f"export path must be in an existing folder, not {path.parent}: make the folder")
    graph, recorded, note = graph_from_json(task.architecture), task.scores, "weights of the scored epoch"
    if task.retrain:
        weights: Weights = retrain(task, data, settings)
        recorded = {}
        note = (
            f"retrained for {task.best_epoch} epochs on training and validation rows; the weights are not those scored"
        )
    elif task.weights is None:
        raise InputError("weights must be kept to export the scored network, but there are none: retrain it")
    else:
        weights = task.weights
        if len(data.splits) * settings.replicates > 1:
            # What was recorded is a mean; these weights are one of its terms.
            recorded = {}
            note += ", of the first fold and replicate"
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.keras"
        deployable(_network(graph, data.problem, weights), data.problem).save(draft)
        tolerance = TOLERANCE.get(settings.precision, _COARSE_TOLERANCE)
        validation = verify(draft, data.problem, data.splits[0], recorded, tolerance)
        test: dict[str, float] = {}
        if data.x_test is not None and data.y_test is not None:
            model = _raw(keras.models.load_model(draft))
            test = scores(data.problem, data.y_test, raw_outputs(model, data.x_test))
        try:
            write_atomically(path, draft.read_bytes())
        except OSError as error:
            raise InputError(
                f"export path must be writable, but {path} is not ({error.strerror}): choose another"
            ) from None
    keras.utils.clear_session()
    return Exported(path, {} if task.retrain else validation, test, task.retrain, note)


def test_scores(architecture: Mapping[str, Any], weights: Weights, data: PreparedData) -> dict[str, float]:
    """What the weights score on the test split; empty when there is none."""
    if data.x_test is None or data.y_test is None:
        return {}
    model = _network(graph_from_json(architecture), data.problem, weights)
    found = scores(data.problem, data.y_test, raw_outputs(model, data.x_test))
    keras.utils.clear_session()
    return found


def verify(
    path: Path, problem: Problem, split: Split, recorded: Mapping[str, float], tolerance: float = 1e-5
) -> dict[str, float]:
    """Opens the file as a user would (safe mode) and scores its model on the validation rows.

    Args:
        path: a file written by `export`.
        problem: what is predicted.
        split: whose validation rows are scored.
        recorded: scores to be met; those that it does not name are not compared.
        tolerance: relative difference allowed.

    Returns:
        the model's scores.

    Raises:
        RuntimeError: a score differs, or the last layer does not give the predictions that belong to the raw outputs.
    """
    model = keras.models.load_model(path)
    outputs = raw_outputs(_raw(model), split.x_validation)
    found = scores(problem, split.y_validation, outputs)
    unit = float(np.mean(problem.target_std)) if problem.task == "regression" else 1.0
    for name in _COMPARED:
        if name in recorded and not math.isclose(
            found.get(name, math.nan), recorded[name], rel_tol=tolerance, abs_tol=1e-6 * unit
        ):
            raise RuntimeError(f"the exported model has {name} {found.get(name)}, but {recorded[name]} was recorded")
    wanted = predictions(problem, outputs)
    wanted = wanted[:, 1:] if problem.task == "binary" else wanted
    if not np.allclose(raw_outputs(model, split.x_validation), wanted, rtol=1e-4, atol=1e-4 * unit):
        raise RuntimeError("the exported model's last layer does not give the predictions that were scored")
    return found


def retrain(task: ExportTask, data: PreparedData, settings: TrainingSettings) -> dict[str, NDArray[Any]]:
    """Weights after training on training and validation rows together, from the same seed, for `best_epoch` epochs.

    The learning-rate schedule is that of the recorded training, on more rows. Validation rows weigh 1.
    """
    graph, split = graph_from_json(task.architecture), _joined(data.splits[0])
    model = prepare_model(graph, data.problem, settings, task.seed, len(split.x_train), task.epochs)
    for loss in fit_epochs(model, graph, split, task.seed, task.best_epoch):
        if not math.isfinite(loss):
            raise InputError(f"retraining must converge, but its loss became {loss}: export without retraining")
    return get_weights(model)


def _joined(split: Split) -> Split:
    weight = split.weight_train
    if weight is not None:
        weight = np.concatenate([weight, np.ones(len(split.x_validation), np.float32)])
    return replace(
        split,
        x_train=np.concatenate([split.x_train, split.x_validation]),
        y_train=np.concatenate([split.y_train, split.y_validation]),
        weight_train=weight,
    )


def _network(graph: nx.DiGraph, problem: Problem, weights: Weights) -> keras.Model:
    model = build_model(graph, problem.num_features, problem.num_outputs)
    set_weights(model, weights)
    return model


def _raw(model: keras.Model) -> keras.Model:
    """The exported model up to its raw outputs."""
    return keras.Model(model.inputs[0], model.get_layer("output").output)
