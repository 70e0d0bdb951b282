"""From a scored network to a `.keras` file that plain Keras opens, checked by opening it again.

What differs between evonas's networks and users' own models is a `Deployment`. Runs in the worker process. A file
appears under its name only when its model gives the recorded scores.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.codes import coding_of, has_text
from evonas.data.inputs import Inputs, mapped
from evonas.data.prepared import PreparedData, Problem, Split
from evonas.evaluation import Weights
from evonas.io.marked_files import marked_archive, publish
from evonas.metrics.scores import predictions
from evonas.networks.transfer import first_weights
from evonas.tasks.export import Exported, ExportTask, format_of
from evonas.tasks.train import TrainingSettings
from evonas.training.export.formats import WITHOUT_TEXT, Written, write_format
from evonas.training.export.preprocessing import can_take_raw
from evonas.training.metrics import scores
from evonas.training.model import build_model, deployable, get_weights, set_weights
from evonas.training.single.trainer import CHUNK_ROWS, fit_epochs, prepare_model
from genomes.architecture.graph import graph_from_json, numbers_of
from genomes.errors import InputError

__all__ = [
    "Deployment",
    "GraphDeployment",
    "export",
    "input_note",
    "joined_split",
    "retrain",
    "verify",
    "write",
]

#: Relative difference allowed between a recorded score and the exported model's; scores of mixed precision are coarser.
TOLERANCE = {"float32": 1e-5}
_COARSE_TOLERANCE = 1e-2
#: Continuous in the outputs; the other metrics jump where an output crosses a threshold.
_COMPARED = ("mse", "rmse", "mae", "log_loss")


class Deployment(Protocol):
    """One network on its way out, whoever builds it."""

    #: Relative difference allowed between a recorded score and that of the file's model.
    tolerance: float
    #: Whether the model takes raw columns, `PreparedData.raw`; known once it is saved.
    takes_raw: bool

    def retrain(self) -> Weights:
        """Weights after training on training and validation rows together; see `retrain`."""
        ...

    def save(self, weights: Weights, path: Path, coded: bool = False) -> None:
        """Writes the model, as a user gets it, with these weights; `coded` as in `raw_model.encoder`."""
        ...

    def outputs(self, model: keras.Model, x: Inputs) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """What an opened model gives for the rows: raw outputs as `evonas.metrics.scores` takes them, and predictions.

        Predictions are None where they are not in the form of `evonas.metrics.scores.predictions`.
        """
        ...


def export(
    task: ExportTask, data: PreparedData, settings: TrainingSettings, build: Callable[..., Any] | None = None
) -> Exported:
    """Writes the network as a Keras file.

    Args:
        task: what to write, and where.
        data: what it was trained on.
        settings: how it was trained.
        build: the user's function, if it is one of its models.

    Raises:
        InputError: the path cannot be written, Keras cannot write or open the model, or there are neither weights nor
            a retraining.
        RuntimeError: the file's model does not give the recorded scores; nothing is left at the path.
    """
    recorded, note = task.scores, "weights of the scored epoch"
    deployment: Deployment
    if build is None:
        data = data.seen(numbers_of(graph_from_json(task.architecture)))
        deployment = GraphDeployment(task, data, settings)
    else:
        from evonas.training.export.user_model import OwnDeployment

        deployment = OwnDeployment(build, task, data, settings)
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
            # What was recorded is a mean; these weights are one of its terms.
            recorded = {}
            note += ", of the first fold and replicate"
    found = write(task.path, deployment, weights, data, recorded, task.format)
    note += input_note(data, deployment.takes_raw) + found.note
    validation = {} if task.retrain else found.validation_scores
    return replace(found, validation_scores=validation, retrained=task.retrain, note=note)


def write(
    path: Path,
    deployment: Deployment,
    weights: Weights,
    data: PreparedData,
    recorded: Mapping[str, float],
    format: str = "keras",
) -> Exported:
    """Writes a model, opens it again, and puts it in place if it has the recorded scores.

    Returns:
        what was written; the note is what is to be said of a format that is not Keras's.

    Raises:
        InputError, RuntimeError: as `export`.
    """
    format_of(path, format)
    said = ""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.keras"
        deployment.save(weights, draft)
        model = keras.models.load_model(draft)
        rows, preparation = _rows(data, deployment.takes_raw), data.preparation if deployment.takes_raw else None
        validation = verify(model, deployment, data.problem, rows["validation"], data.splits[0].y_validation, recorded)
        test: dict[str, float] = {}
        if data.y_test is not None:
            test = scores(data.problem, data.y_test, deployment.outputs(model, rows["test"])[0])
        try:
            if format == "keras":
                publish(path, marked_archive(draft.read_bytes()))
                coding = [] if preparation is None else coding_of(preparation, coded=False)
            else:
                made = Path(folder) / "made"
                made.mkdir()
                coded = None
                if format in WITHOUT_TEXT and has_text(preparation):
                    deployment.save(weights, made / "coded.keras", coded=True)
                    coded = keras.models.load_model(made / "coded.keras")
                written = Written(model, coded, preparation, data.problem)
                said, coding, model = write_format(written, format, path, made, rows["validation"])
                said = f"; {said}"
        except OSError as error:
            raise InputError(
                f"export path must be writable, but {path} is not ({error.strerror}): choose another"
            ) from None
        interface = interface_of(model, coding, data.problem)
    keras.utils.clear_session()
    return Exported(path, validation, test, False, said, format, interface)


def interface_of(model: keras.Model, coding: Sequence[Mapping[str, Any]], problem: Problem) -> dict[str, Any]:
    """What a model takes and gives, as JSON values: name, type and shape of each; and what computed it."""
    about = {"backend": keras.backend.backend(), "parameters": int(model.count_params())}
    if not getattr(model, "inputs", None):
        return {"inputs": [], "outputs": [], **about}  # of a class of its own, which does not tell
    made = {each["name"]: {key: each[key] for key in ("column", "kind", "written") if key in each} for each in coding}
    outputs = getattr(model, "output", None)  # a Sequential that was never called has none yet, but its outputs
    if not isinstance(outputs, Mapping):
        name = "prediction" if problem.task == "regression" else "probability"
        several = len(model.outputs) > 1
        outputs = {f"{name}_{k}" if several else name: tensor for k, tensor in enumerate(model.outputs, 1)}
    order = {each["name"]: place for place, each in enumerate(coding)}
    inputs = sorted(model.inputs, key=lambda given: order.get(given.name, 0))
    return {
        "inputs": [_described(given.name, given) | made.get(given.name, {}) for given in inputs],
        "outputs": [_described(name, tensor) for name, tensor in outputs.items()],
        **about,
    }


def _described(name: str, tensor: Any) -> dict[str, Any]:
    return {"name": name, "dtype": str(tensor.dtype), "shape": [None, *tensor.shape[1:]]}


def _rows(data: PreparedData, raw: bool) -> Mapping[str, Inputs]:
    """Validation and test rows as the written model takes them."""
    return data.raw if raw else {"validation": data.splits[0].x_validation, "test": data.x_test}


def input_note(data: PreparedData, raw: bool) -> str:
    """What is said where a table's model does not take its raw columns."""
    if raw or data.preparation is None or data.problem.input_shapes:
        return ""
    if not data.raw:
        return "; takes encoded features, as result.prepare gives them: the run is of an older evonas"
    if not can_take_raw(data.preparation):
        return "; takes encoded features, as result.prepare gives them: columns of text need KERAS_BACKEND=tensorflow"
    return "; takes encoded features, as result.prepare gives them: it was compiled by its own function"


def verify(
    model: keras.Model,
    deployment: Deployment,
    problem: Problem,
    x: Inputs,
    y: NDArray[Any],
    recorded: Mapping[str, float],
) -> dict[str, float]:
    """Scores an exported model on the validation rows.

    Args:
        model: as a user opens it (in safe mode).
        deployment: how its outputs are to be read.
        problem: what is predicted.
        x: validation rows, as the model takes them.
        y: their target, coded as in `Split`.
        recorded: scores to be met; those that it does not name are not compared.

    Returns:
        the model's scores.

    Raises:
        RuntimeError: a score differs, or the last layer does not give the predictions that belong to the raw outputs.
    """
    outputs, given = deployment.outputs(model, x)
    found = scores(problem, y, outputs)
    unit = float(np.mean(problem.target_std)) if problem.task == "regression" else 1.0
    for name in _COMPARED:
        if name in recorded and not math.isclose(
            found.get(name, math.nan), recorded[name], rel_tol=deployment.tolerance, abs_tol=1e-6 * unit
        ):
            raise RuntimeError(f"the exported model has {name} {found.get(name)}, but {recorded[name]} was recorded")
    wanted = predictions(problem, outputs)
    if given is not None and given.shape[1] == 1:
        wanted = wanted[:, -1:]  # of a binary classifier, the probability of the second class
    if given is not None and not np.allclose(given, wanted, rtol=1e-4, atol=1e-4 * unit):
        raise RuntimeError("the exported model's last layer does not give the predictions that were scored")
    return found


def retrain(task: ExportTask, data: PreparedData, settings: TrainingSettings) -> dict[str, NDArray[Any]]:
    """Weights after training on training and validation rows together, from the same seed, for `best_epoch` epochs.

    The learning-rate schedule is that of the recorded training, on more rows. Validation rows weigh 1.
    """
    graph, split = graph_from_json(task.architecture), joined_split(data.splits[0])
    model = prepare_model(graph, data.problem, settings, task.seed, len(split.x_train), task.epochs)
    set_weights(model, first_weights(graph, data.problem, task.seed, data.donor, split.x_train)())
    for loss in fit_epochs(model, graph, split, task.seed, task.best_epoch):
        if not math.isfinite(loss):
            raise InputError(f"retraining must converge, but its loss became {loss}: export without retraining")
    return get_weights(model)


def joined_split(split: Split) -> Split:
    """A split whose training rows are all that there are; the validation rows weigh 1."""
    weight = split.weight_train
    if weight is not None:
        weight = np.concatenate([weight, np.ones(len(split.y_validation), np.float32)])
    return replace(
        split,
        x_train=mapped(lambda *parts: np.concatenate(parts), split.x_train, split.x_validation),
        y_train=np.concatenate([split.y_train, split.y_validation]),
        weight_train=weight,
    )


class GraphDeployment:
    """A network of an architecture graph. Meets `Deployment`."""

    def __init__(self, task: ExportTask, data: PreparedData, settings: TrainingSettings) -> None:
        self._task, self._data, self._settings = task, data, settings
        self.tolerance = TOLERANCE.get(settings.precision, _COARSE_TOLERANCE)
        self.takes_raw = bool(data.raw) and can_take_raw(data.preparation)

    def retrain(self) -> Weights:
        """See `Deployment.retrain`."""
        return retrain(self._task, self._data, self._settings)

    def save(self, weights: Weights, path: Path, coded: bool = False) -> None:
        """See `Deployment.save`."""
        problem = self._data.problem
        model = build_model(graph_from_json(self._task.architecture), problem.num_features, problem.num_outputs)
        set_weights(model, weights)
        deployable(model, problem, self._data.preparation if self.takes_raw else None, coded).save(path)

    def outputs(self, model: keras.Model, x: Inputs) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """See `Deployment.outputs`."""
        last = model.get_layer("target_units" if self._data.problem.task == "regression" else "probability")
        both = keras.Model(model.input, [last.input, last.output])
        raw, given = both.predict(x, batch_size=CHUNK_ROWS, verbose=0)
        return raw, given
