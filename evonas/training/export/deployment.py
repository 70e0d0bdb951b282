"""Deployment of a network: writing it, reopening it, and checking it against its recorded scores."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.codes import coding_of, has_text
from evonas.data.inputs import Inputs
from evonas.data.prepared import PreparedData, Problem
from evonas.evaluation import Weights
from evonas.export_tasks import Exported, format_of
from evonas.io.marked_files import mark_archive, publish
from evonas.metrics.calibration import calibration_of
from evonas.metrics.problem_scores import compute_scores
from evonas.metrics.scores import predictions
from evonas.training.export.description import with_description
from evonas.training.export.formats import WITHOUT_TEXT, Written, write_format
from evonas.training.export.preprocessing import can_take_raw
from genomes.errors import InputError

__all__ = ["Deployment", "input_note", "interface_of", "verify", "write"]

#: Metrics that are continuous in the outputs; the others jump where an output crosses a threshold.
_COMPARED = ("mse", "rmse", "mae", "pinball", "log_loss")


class Deployment(Protocol):
    """Protocol of deployments of networks."""

    #: Allowed relative difference between a recorded score and that of the exported model.
    tolerance: float
    #: The temperature that divides the logits; 1 without calibration.
    temperature: float
    #: Whether the model takes raw columns, `PreparedData.raw`; known once it is saved.
    takes_raw: bool

    def retrain(self) -> Weights:
        """Weights after training on training and validation rows together; see `retrain`."""
        ...

    def save(self, weights: Weights, path: Path, coded: bool = False) -> None:
        """Writes the deployable model with these weights; `coded` as in `preprocessing.encoder`."""
        ...

    def outputs(self, model: keras.Model, x: Inputs) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Outputs of an opened model: raw outputs as for `evonas.metrics.scores`, and predictions.

        Predictions are None if they are not in the form of `evonas.metrics.scores.predictions`.
        """
        ...


def write(
    path: Path,
    deployment: Deployment,
    weights: Weights,
    data: PreparedData,
    recorded: Mapping[str, float],
    format: str = "keras",
) -> Exported:
    """Writes a model, reopens it, and moves it into place if it has the recorded scores.

    Returns:
        The written model; its note describes formats other than Keras's.

    Raises:
        InputError, RuntimeError: as in `export`.
    """
    format_of(path, format)
    said = ""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.keras"
        deployment.save(weights, draft)
        model = keras.models.load_model(draft)
        rows, preparation = _rows(data, deployment.takes_raw), data.preparation if deployment.takes_raw else None
        y_validation, test = data.splits[0].y_validation, dict[str, float]()
        outputs, given = deployment.outputs(model, rows["validation"])
        validation = verify(outputs, given, deployment.tolerance, data.problem, y_validation, recorded)
        about = {"validation": _calibration(outputs, deployment, data.problem, y_validation)}
        if data.y_test is not None:
            outputs, _ = deployment.outputs(model, rows["test"])
            test = compute_scores(data.problem, data.y_test, outputs)
            about["test"] = _calibration(outputs, deployment, data.problem, data.y_test)
        about = {part: values for part, values in about.items() if values}
        try:
            if format == "keras":
                publish(path, mark_archive(with_description(draft.read_bytes(), data.problem, preparation)))
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
    found = Exported(path, validation, test, False, said, format, interface)
    return replace(found, temperature=deployment.temperature, calibration=about)


def _calibration(
    outputs: NDArray[np.float32], deployment: Deployment, problem: Problem, y: NDArray[Any]
) -> dict[str, Any]:
    """See `calibration_of`; empty for user-defined models, whose outputs may be anything."""
    if problem.task == "regression" and not problem.quantiles:
        return {}
    if outputs.shape != (len(y), problem.num_outputs):
        return {}
    return calibration_of(problem, y, outputs, deployment.temperature)


def interface_of(model: keras.Model, coding: Sequence[Mapping[str, Any]], problem: Problem) -> dict[str, Any]:
    """Inputs and outputs of a model as JSON values: name, type and shape of each; and the backend."""
    about = {"backend": keras.backend.backend(), "parameters": int(model.count_params())}
    if not getattr(model, "inputs", None):
        return {"inputs": [], "outputs": [], **about}  # a user-defined class, which does not expose them
    made = {each["name"]: {key: each[key] for key in ("column", "kind", "written") if key in each} for each in coding}
    outputs = getattr(model, "output", None)  # a Sequential that was never called has no output yet
    if not isinstance(outputs, Mapping):
        name = "prediction" if problem.task == "regression" else "probability"
        several = len(model.outputs) > 1
        outputs = {f"{name}_{k}" if several else name: tensor for k, tensor in enumerate(model.outputs, 1)}
    order = {each["name"]: index for index, each in enumerate(coding)}
    inputs = sorted(model.inputs, key=lambda given: order.get(given.name, 0))
    return {
        "inputs": [_describe(given.name, given) | made.get(given.name, {}) for given in inputs],
        "outputs": [_describe(name, tensor) | _text_of(name, problem) for name, tensor in outputs.items()],
        **about,
    }


def _text_of(name: str, problem: Problem) -> dict[str, Any]:
    """Corrects the type of text labels, which Keras reports as numbers."""
    text = name == "label" and problem.label_type == "text" and keras.backend.backend() == "tensorflow"
    return {"dtype": "string"} if text else {}


def _describe(name: str, tensor: Any) -> dict[str, Any]:
    return {"name": name, "dtype": str(tensor.dtype), "shape": [None, *tensor.shape[1:]]}


def _rows(data: PreparedData, raw: bool) -> Mapping[str, Inputs]:
    """Validation and test rows in the form of the written model's inputs."""
    if not raw:
        return {"validation": data.splits[0].x_validation, "test": data.x_test}
    return {part: rows.astype(np.float32) if _are_bytes(rows) else rows for part, rows in data.raw.items()}


def _are_bytes(rows: Inputs) -> bool:
    """Whether the rows are stored as bytes, a quarter of the size that formats other than Keras's need."""
    return isinstance(rows, np.ndarray) and rows.dtype == np.uint8


def input_note(data: PreparedData, raw: bool) -> str:
    """Note for the model of a table that does not take raw columns."""
    if raw or data.preparation is None or data.problem.input_shapes:
        return ""
    if not data.raw:
        return "; takes encoded features, as returned by result.prepare: the run was made by an older evonas"
    if not can_take_raw(data.preparation):
        return "; takes encoded features, as returned by result.prepare: text columns need KERAS_BACKEND=tensorflow"
    return "; takes encoded features, as returned by result.prepare: it was compiled by a user-defined function"


def verify(
    outputs: NDArray[np.float32],
    given: NDArray[np.float32] | None,
    tolerance: float,
    problem: Problem,
    y: NDArray[Any],
    recorded: Mapping[str, float],
) -> dict[str, float]:
    """Scores an exported model, opened as by a user (in safe mode), on the validation rows.

    Args:
        outputs, given: the model's outputs for the rows, see `Deployment.outputs`.
        tolerance: relative difference allowed between a recorded score and the model's.
        problem: what is predicted.
        y: their target, encoded as in `Split`.
        recorded: scores to reproduce; others are not compared.

    Returns:
        The model's scores.

    Raises:
        RuntimeError: a score differs, or the last layer's predictions do not match the raw outputs.
    """
    found = compute_scores(problem, y, outputs)
    unit = float(np.mean(problem.target_std)) if problem.task == "regression" else 1.0
    for name in _COMPARED:
        if name in recorded and not math.isclose(
            found.get(name, math.nan), recorded[name], rel_tol=tolerance, abs_tol=1e-6 * unit
        ):
            raise RuntimeError(f"the exported model has {name} {found.get(name)}, but {recorded[name]} was recorded")
    wanted = predictions(problem, outputs)
    if given is not None and given.shape[1] == 1:
        wanted = wanted[:, -1:]  # for a binary classifier, the probability of the second class
    if given is not None and not np.allclose(given, wanted, rtol=1e-4, atol=1e-4 * unit):
        raise RuntimeError("the exported model's last layer does not return the predictions that were scored")
    return found
