"""Converts Keras losses to those of the kernels, and targets to the form that these take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.training.native.refusal import Refusal

__all__ = ["ENDINGS", "Loss", "loss_of"]

Array = NDArray[Any]

#: Last activation of a model that outputs probabilities -> its function of raw outputs.
ENDINGS: Mapping[str, Callable[[Array], Array]] = {
    "": lambda raw: raw,
    "sigmoid": lambda raw: 1 / (1 + np.exp(-np.clip(raw, -88, 88))),
    "softmax": lambda raw: _softmax(raw),
}


@dataclass(frozen=True)
class Loss:
    """A loss in the form of the kernels.

    Attributes:
        kind: one of `instructions.LOSSES`.
        ending: a key of `ENDINGS`: the model's last activation, which the loss includes.
        knee: the knee of Huber's loss.
        smoothing: amount of label smoothing.
    """

    kind: str
    ending: str = ""
    knee: float = 1.0
    smoothing: float = 0.0

    def targets(self, y: Array, width: int) -> NDArray[np.float32]:
        """The target in the form that the kernels take, shape `(num_rows, num_columns)`.

        Args:
            y: the target as passed to `fit`.
            width: number of the model's outputs.

        Raises:
            Refusal: Keras would interpret the target differently or reject it.
        """
        table = y.reshape(len(y), -1) if y.ndim <= 2 else y
        columns = 1 if self.kind == "multiclass" else width
        if table.ndim != 2 or table.shape[1] != columns:
            raise Refusal(f"y has the shape {y.shape} for {width} outputs")
        table = np.ascontiguousarray(table, np.float32)
        if self.kind == "multiclass":
            whole = np.floor(table)
            if not ((table == whole) & (table >= 0) & (table < width)).all():
                raise Refusal(f"y holds classes other than 0 to {width - 1}")
        if self.kind == "binary" and self.smoothing:
            table = table * np.float32(1 - self.smoothing) + np.float32(0.5 * self.smoothing)
        if self.kind == "categorical" and self.smoothing:
            table = table * np.float32(1 - self.smoothing) + np.float32(self.smoothing / width)
        return table


def loss_of(model: keras.Model, ending: str) -> Loss:
    """The loss that a model was compiled with.

    Args:
        model: a compiled model.
        ending: its last activation if that is a key of `ENDINGS`.

    Raises:
        Refusal: the kernels do not support the loss.
    """
    given = model.loss
    if isinstance(given, (list, tuple, Mapping)):
        parts = list(given.values() if isinstance(given, Mapping) else given)
        given = parts[0] if len(parts) == 1 else None
    if given is None:
        raise Refusal("the model has no loss or several losses")
    loss = keras.losses.get(given)
    function, options = loss, {}
    if isinstance(loss, keras.losses.Loss):
        if type(loss).__module__ != "keras.src.losses.losses":
            raise Refusal(f"the loss {type(loss).__name__}")
        if loss.reduction not in ("sum_over_batch_size", "mean") or loss.dtype != "float32":
            raise Refusal(f"the loss {loss.name} is reduced by {loss.reduction}, in {loss.dtype}")
        function, options = getattr(loss, "fn", None), dict(getattr(loss, "_fn_kwargs", {}))
    lower = _LOSSES.get(function) if callable(function) else None
    if lower is None:
        raise Refusal(f"the loss {getattr(loss, 'name', getattr(loss, '__name__', type(loss).__name__))}")
    return lower(options, ending)


def _regression(kind: str) -> Callable[[Mapping[str, Any], str], Loss]:
    return lambda options, ending: Loss(kind, knee=float(options.get("delta", 1.0)))


def _crossentropy(kind: str, wanted: str) -> Callable[[Mapping[str, Any], str], Loss]:
    """Keras uses the logits if a sigmoid or a softmax precedes the loss, whatever the value of `from_logits`."""

    def lower(options: Mapping[str, Any], ending: str) -> Loss:
        logits = bool(options.get("from_logits", False))
        if options.get("axis", -1) != -1 or options.get("ignore_class") is not None:
            raise Refusal(f"the loss {kind} crossentropy has an axis or an ignore_class")
        if logits == bool(ending) or (ending and ending != wanted):
            takes = "logits" if logits else f"{wanted} probabilities"
            raise Refusal(f"the loss is a crossentropy of {takes}, which the model does not output")
        return Loss(kind, ending, smoothing=float(options.get("label_smoothing", 0.0)))

    return lower


#: Keras function -> the function that creates a `Loss` from its options and the model's last activation.
_LOSSES: Mapping[Any, Callable[[Mapping[str, Any], str], Loss]] = {
    keras.losses.mean_squared_error: _regression("mse"),
    keras.losses.mean_absolute_error: _regression("mae"),
    keras.losses.huber: _regression("huber"),
    keras.losses.log_cosh: _regression("log_cosh"),
    keras.losses.binary_crossentropy: _crossentropy("binary", "sigmoid"),
    keras.losses.categorical_crossentropy: _crossentropy("categorical", "softmax"),
    keras.losses.sparse_categorical_crossentropy: _crossentropy("multiclass", "softmax"),
}


def _softmax(raw: Array) -> Array:
    raised = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
