"""Export of an ensemble of networks as one Keras model. Runs in the worker process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData, Problem
from evonas.evaluation import Weights
from evonas.export_tasks import EnsembleTask, Exported, ExportTask
from evonas.metrics.calibration import calibration_of, temperature_of
from evonas.metrics.problem_scores import compute_scores
from evonas.networks.ensemble_selection import SMALLEST, blend_outputs, select_ensemble
from evonas.networks.forward import raw_outputs
from evonas.training.export.deployable import deployable
from evonas.training.export.deployment import input_note, write
from evonas.training.export.export import GraphDeployment
from evonas.training.model import trained_model
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import graph_from_json, views_of

__all__ = ["export_ensemble"]


def export_ensemble(task: EnsembleTask, data: PreparedData, settings: TrainingSettings) -> Exported:
    """Chooses networks by their mean prediction on the (first) validation split, and writes them as one Keras file.

    Raises:
        InputError: the path cannot be written.
        RuntimeError: the file's model does not reproduce the scores of the mean prediction; nothing is left at the
            path.
    """
    views = [view for architecture, _ in task.networks for view in views_of(graph_from_json(architecture))]
    data = data.for_views(*views, training=False)
    problem, split = data.problem, data.splits[0]
    outputs = [_outputs(each, data) for each in task.networks]

    def loss(raw: NDArray[Any]) -> float:
        return task.objective.loss(compute_scores(problem, split.y_validation, raw).get(task.objective.name))

    given: Sequence[float] = task.shares or ((1,) * len(outputs) if task.folds else ())
    counts = given or select_ensemble(outputs, loss, problem, task.size)
    chosen = [k for k, count in enumerate(counts) if count]
    shares = [counts[k] / sum(counts) for k in chosen]
    networks = [task.networks[k] for k in chosen]
    raw = blend_outputs([outputs[k] for k in chosen], shares, problem)
    unseen = _held_out_outputs(task, data) if task.folds else [(raw, split.y_validation)]
    temperature = 1.0
    held_out, labels = (np.concatenate([each[k] for each in unseen]) for k in (0, 1))
    if task.calibrate:
        temperature = temperature_of(problem, labels, held_out)
    recorded = compute_scores(problem, split.y_validation, raw / temperature)
    deployment = _EnsembleDeployment(task, networks, shares, data, settings, temperature)
    found = write(task.path, deployment, {}, data, recorded, task.format)
    if task.folds:
        each = [compute_scores(problem, y, outputs / temperature) for outputs, y in unseen]
        means = {
            name: float(np.mean([one[name] for one in each])) for name in recorded if all(name in one for one in each)
        }
        about = {
            **found.calibration,
            "validation": calibration_of(problem, labels, held_out / temperature, temperature),
        }
        about = {part: values for part, values in about.items() if values}
        found = replace(found, validation_scores=means, calibration=about)
    if task.all_rows:
        about = {part: values for part, values in found.calibration.items() if part == "test"}
        found = replace(found, validation_scores={}, calibration=about, retrained=True)
    networks_in_it = "1 network" if len(chosen) == 1 else f"{len(chosen)} networks"
    note = f"{networks_in_it} of {len(outputs)}, weighted {', '.join(f'{share:.0%}' for share in shares)}"
    if temperature != 1.0:
        note += f", logits divided by {temperature:.4g}"
    members = tuple(zip(chosen, shares, strict=True))
    return replace(found, note=note + input_note(data, deployment.takes_raw), members=members)


class _EnsembleDeployment(GraphDeployment):
    """Networks of architecture graphs, and their shares."""

    def __init__(
        self,
        task: EnsembleTask,
        networks: Sequence[tuple[Any, Weights]],
        shares: Sequence[float],
        data: PreparedData,
        settings: TrainingSettings,
        temperature: float,
    ) -> None:
        super().__init__(ExportTask(networks[0][0], task.path), data, settings, temperature)
        self._networks, self._shares = networks, shares

    def save(self, weights: Weights, path: Path, coded: bool = False) -> None:
        """See `Deployment.save`; the weights are those of the networks."""
        problem = self._data.problem
        members = [_model(each, problem, f"network_{k}") for k, each in enumerate(self._networks, 1)]

        def mean(features: Any) -> Any:
            seen = (
                features if len(places) == problem.num_features else ops.take(features, places, axis=1)
                for _, places in members
            )
            return _mean([member(x) for (member, _), x in zip(members, seen, strict=True)], self._shares, problem)

        preparation = self._data.preparation if self.takes_raw else None
        deployable(mean, problem, preparation, coded, self.temperature).save(path)


def _held_out_outputs(task: EnsembleTask, data: PreparedData) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Raw outputs of each network on the rows held out in its fold, and their targets."""
    pairs = zip(task.networks, task.folds, strict=True)
    return [(_outputs(network, data, fold), data.splits[fold].y_validation) for network, fold in pairs]


def _outputs(network: tuple[Any, Weights], data: PreparedData, fold: int = 0) -> NDArray[Any]:
    """A network's raw outputs on the validation rows of a fold."""
    graph = data.problem.attach_columns(graph_from_json(network[0]))
    places = data.problem.columns(*views_of(graph))
    return raw_outputs(graph, network[1], np.asarray(data.splits[fold].x_validation)[:, places])


def _model(network: tuple[Any, Weights], problem: Problem, name: str = "network") -> tuple[keras.Model, list[int]]:
    """The model from features to raw outputs, and the indices of its features."""
    architecture, weights = network
    graph = problem.attach_columns(graph_from_json(architecture))
    places = problem.columns(*views_of(graph))
    model = trained_model(graph, len(places), problem.num_outputs, weights)
    return keras.Model(model.inputs[0], model.outputs[0], name=name), places


def _mean(outputs: Sequence[Any], shares: Sequence[float], problem: Problem) -> Any:
    """Raw outputs of the mean prediction; see `evonas.networks.ensemble_selection.blend_outputs`."""
    if problem.task == "regression":
        return _total(outputs, shares, "linear", "prediction")
    kind = "sigmoid" if problem.task == "binary" else "softmax"
    logs = ops.log(ops.clip(_total(outputs, shares, kind, "prediction"), SMALLEST, 1.0))
    if problem.task == "binary":
        # The other class is computed separately: 1 - p would lose the precision of small probabilities.
        other = _total([-1.0 * each for each in outputs], shares, kind, "other")
        return logs - ops.log(ops.clip(other, SMALLEST, 1.0))
    return logs


def _total(outputs: Sequence[Any], shares: Sequence[float], activation: str, name: str) -> Any:
    parts = [
        keras.layers.Activation(activation, name=f"{name}_{k}")(each) * float(share)
        for k, (each, share) in enumerate(zip(outputs, shares, strict=True), 1)
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
