"""Conversion of outputs and targets of user-defined models into the forms that evonas scores.

`Outputs` classifies a model's outputs once; `to_raw` converts them for `evonas.metrics.scores` (standardised
predictions or logits), and `encode_target` converts the target for the model's loss.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.data.inputs import Inputs, map_arrays, named_arrays, num_rows
from evonas.data.prepared import Problem

__all__ = [
    "Outputs",
    "as_outputs",
    "chunk_rows",
    "encode_target",
    "outputs_of",
    "own_loss",
    "predict_outputs",
    "to_raw",
    "try_outputs",
]

#: Numbers predicted at a time, including inputs: affects memory, not results.
_CHUNK_NUMBERS = 1 << 22
_CHUNK_ROWS = 8192
#: Number of rows with which a new model is tested.
_TRIAL_ROWS = 16
#: As in Keras's losses.
_EPSILON = 1e-7
#: Losses that take one column per class.
_ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge", "kl_divergence")


class Outputs(enum.Enum):
    """Kinds of model outputs."""

    STANDARDISED = "standardised predictions"
    TARGET_UNITS = "predictions in the target's own units"
    LOGITS = "logits"
    PROBABILITIES = "probabilities"


def try_outputs(model: keras.Model, x: Inputs) -> NDArray[np.float32]:
    """The outputs for the first rows, shape `(num_rows, num_outputs)`; builds unbuilt parts of the model."""
    return as_outputs(
        model(map_arrays(lambda array: keras.ops.convert_to_tensor(array[:_TRIAL_ROWS]), x), training=False)
    )


def outputs_of(model: keras.Model, given: NDArray[np.float32], problem: Problem) -> Outputs:
    """The kind of a model's outputs; for a regression, the target's units if it is compiled, else standardised ones.

    A classifier's outputs are probabilities if they are positive and sum to 1 in every row; a single output is one if
    it comes from a sigmoid, or if the compiled loss takes probabilities. Otherwise they are logits.

    Args:
        model: as returned by the build function.
        given: its outputs for some rows.
    """
    if problem.task == "regression":
        return Outputs.TARGET_UNITS if model.compiled else Outputs.STANDARDISED
    if given.shape[1] > 1:
        sure = (given >= 0).all() and np.allclose(given.sum(axis=1), 1.0, atol=1e-3)
    else:
        loss = own_loss(model)
        sure = _ends_in_sigmoid(model) or ("crossentropy" in _name(loss) and not getattr(loss, "from_logits", False))
    return Outputs.PROBABILITIES if sure else Outputs.LOGITS


def predict_outputs(model: keras.Model, x: Inputs) -> NDArray[np.float32]:
    """The model's outputs for all rows, float32, shape `(num_samples, num_outputs)`."""
    size, parts = chunk_rows(x), []
    for start in range(0, num_rows(x), size):
        chunk = map_arrays(lambda array, start=start: array[start : start + size], x)
        parts.append(as_outputs(model.predict_on_batch(chunk)))
    return np.concatenate(parts)


def chunk_rows(x: Inputs) -> int:
    """Number of rows predicted at a time."""
    width = max(int(np.prod(part.shape[1:])) for part in named_arrays(x).values())
    return max(1, min(_CHUNK_ROWS, _CHUNK_NUMBERS // max(width, 1)))


def to_raw(given: NDArray[np.float32], problem: Problem, outputs: Outputs) -> NDArray[np.float32]:
    """Converts outputs for `evonas.metrics.scores`: standardised predictions, or logits.

    Raises:
        ValueError: the shape does not match the target.
    """
    wanted = {problem.num_outputs, 2} if problem.task == "binary" else {problem.num_outputs}
    if given.ndim != 2 or given.shape[1] not in wanted:
        numbers = " or ".join(map(str, sorted(wanted)))
        what = f"{len(problem.classes)} classes" if problem.classes else f"{problem.num_outputs} targets"
        raise ValueError(
            f"a model's output must have shape (num_samples, {numbers}) for {what}, not "
            f"(num_samples, {', '.join(map(str, given.shape[1:]))})"
        )
    values = given.astype(np.float64)
    if outputs is Outputs.TARGET_UNITS:
        values = (values - np.array(problem.target_mean)) / np.array(problem.target_std)
    elif outputs is Outputs.PROBABILITIES:
        values = np.clip(values, _EPSILON, 1 - _EPSILON)
        values = np.log(values) - (np.log1p(-values) if values.shape[1] == 1 else 0.0)
    if problem.task == "binary" and values.shape[1] == 2:
        values = values[:, 1:] - values[:, :1]
    return values.astype(np.float32)


def own_loss(model: keras.Model) -> Any:
    """The compiled loss, None if there is none."""
    loss = model.loss if model.compiled else None
    if isinstance(loss, (list, tuple, Mapping)):
        loss = next(iter(loss.values() if isinstance(loss, Mapping) else loss), None)
    return None if loss is None else keras.losses.get(loss)


def as_outputs(given: Any) -> NDArray[np.float32]:
    """One output as an array, float32, shape `(num_samples, num_outputs)`."""
    if not hasattr(given, "shape"):
        raise ValueError(f"a model must have one output, not a {type(given).__name__} of {len(given)}")
    array = np.asarray(keras.ops.convert_to_numpy(given), np.float32)
    return array[:, None] if array.ndim == 1 else array


def encode_target(y: NDArray[Any], problem: Problem, outputs: Outputs, loss: Any) -> NDArray[Any]:
    """Converts the target for the model's loss: in its own units or standardised, one-hot or class numbers.

    Args:
        y: as in `Split`.
        problem: the prediction problem.
        outputs: kind of the model's outputs.
        loss: the model's loss.
    """
    if outputs is Outputs.TARGET_UNITS:
        wide: NDArray[np.float64] = y.astype(np.float64) * np.array(problem.target_std) + np.array(problem.target_mean)
        return wide.astype(np.float32)
    if problem.task != "regression" and _name(loss) in _ONE_HOT:
        return np.asarray(np.eye(len(problem.classes), dtype=np.float32)[y.reshape(-1).astype(np.intp)])
    return y


def _name(loss: Any) -> str:
    """Name of a loss, as in `keras.losses`."""
    return str(getattr(loss, "name", getattr(loss, "__name__", "")))


def _ends_in_sigmoid(model: keras.Model) -> bool:
    try:
        last = model.outputs[0]._keras_history.operation
    except (AttributeError, IndexError, TypeError):
        return False  # a model that is not a graph of layers
    return getattr(last, "activation", None) is keras.activations.sigmoid or type(last).__name__ == "Sigmoid"
