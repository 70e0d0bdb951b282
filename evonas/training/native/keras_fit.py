"""A native `keras.Model.fit`: `prepare_fit`, and `fit`, which falls back to Keras for unsupported models.

Data order and dropout use separate seeded random numbers, since Keras's cannot be reproduced. Everything else follows
Keras; afterwards the model, its optimizer and `history` are in the state in which Keras would leave them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.networks.initial import epoch_order
from evonas.training.native.keras_inputs import arrays_of, as_array
from evonas.training.native.keras_metrics import Metric, metrics_of
from evonas.training.native.keras_model import LoweredModel, lower_model
from evonas.training.native.keras_training import TrainingData, UserModelTraining
from evonas.training.native.refusal import Refusal, Refused

__all__ = ["PreparedFit", "fit", "prepare_fit"]

Array = NDArray[Any]

_SIGNATURE = inspect.signature(keras.Model.fit)
#: Arguments of `fit` that must have their default values.
_DEFAULTS = {"steps_per_epoch": None, "validation_steps": None, "validation_freq": 1}
#: Callbacks that act only through the model's weights and `stop_training`.
_CALLBACKS = (keras.callbacks.EarlyStopping, keras.callbacks.TerminateOnNaN, keras.callbacks.History)


class _StandIn:
    """Stands in for the model in the callbacks of native training."""

    def __init__(self, model: keras.Model, training: UserModelTraining) -> None:
        self.metrics, self.stop_training, self._training = model.metrics, False, training

    def get_weights(self) -> list[Array]:
        return self._training.weights()

    def set_weights(self, weights: list[Array]) -> None:
        self._training.assign(weights)


@dataclass(eq=False)
class PreparedFit:
    """A training run that is ready to start. `run` may be called in any thread, `finish` in the one that uses Keras.

    Attributes:
        model: the Keras model with its initial weights.
        lowered: the same model in the form that the kernels run.
        training: the training run.
        epochs: the first epoch, and the one after the last.
        shuffle: whether the rows are shuffled in each epoch.
        seed: seed of the data order.
        callbacks: callbacks of supported kinds.
        metrics: metrics to log.
        y, y_validation: targets in the form that the metrics take.
        verbose: whether each epoch is printed.
    """

    model: keras.Model
    lowered: LoweredModel
    training: UserModelTraining
    epochs: tuple[int, int]
    shuffle: bool
    seed: int
    callbacks: Sequence[Any]
    metrics: Sequence[Metric]
    y: Array
    y_validation: Array | None
    verbose: bool = False
    history: dict[str, list[float]] = field(default_factory=dict)

    def run(self) -> None:
        """Trains the model.

        Raises:
            Stopped: the training was stopped on request.
        """
        stand_in = _StandIn(self.model, self.training)
        rows = len(self.y)
        straight = np.arange(rows, dtype=np.int32)
        for callback in self.callbacks:
            callback.set_params({"epochs": self.epochs[1], "verbose": 0})
            callback.set_model(stand_in)
            callback.on_train_begin()
        for epoch in range(*self.epochs):
            order = epoch_order(self.seed, epoch, rows) if self.shuffle else straight
            logs = self._logs(order, *self.training.epoch(order))
            for name, value in logs.items():
                self.history.setdefault(name, []).append(value)
            if self.verbose:
                numbers = " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())
                print(f"Epoch {epoch + 1}/{self.epochs[1]} - {numbers}", flush=True)
            for callback in self.callbacks:
                if hasattr(callback, "on_native_epoch_end"):
                    callback.on_native_epoch_end(epoch, logs, self.training)
                else:
                    callback.on_epoch_end(epoch, logs)
            diverged = not math.isfinite(logs["loss"])
            if stand_in.stop_training or (diverged and self._ends_where_diverged):
                break
        for callback in self.callbacks:
            callback.on_train_end()

    def finish(self, optimizer: bool = True) -> keras.callbacks.History:
        """Writes the results into the Keras model. Returns the history, as `keras.Model.fit`.

        Args:
            optimizer: whether to write the optimizer's state, too, so that training can continue.
        """
        self.training.write(optimizer)
        history = keras.callbacks.History()
        history.set_model(self.model)
        history.set_params({"epochs": self.epochs[1], "verbose": 0})
        history.history = self.history
        history.epoch = list(range(self.epochs[0], self.epochs[0] + len(self.history.get("loss", ()))))
        self.model.history = history
        return history

    @property
    def _ends_where_diverged(self) -> bool:
        return any(type(callback) is keras.callbacks.TerminateOnNaN for callback in self.callbacks)

    def _logs(self, order: Array, loss: float, validation_loss: float) -> dict[str, float]:
        logs = self._measure("", self.y[order], self.training.outputs) | {"loss": loss}
        if self.y_validation is not None:
            logs |= self._measure("val_", self.y_validation, self.training.validation_outputs)
            logs["val_loss"] = validation_loss
        return logs

    def _measure(self, prefix: str, y: Array, raw: Array) -> dict[str, float]:
        if not self.metrics:
            return {}
        outputs = self.lowered.outputs(raw)
        return {f"{prefix}{metric.name}": metric.value(y, outputs) for metric in self.metrics}


def prepare_fit(
    model: keras.Model, arguments: Sequence[Any], named: Mapping[str, Any], seed: int | None = None
) -> PreparedFit | Refused:
    """Prepares a training run equivalent to `model.fit(*arguments, **named)`, or returns the reason to use Keras.

    Args:
        model: a compiled model; if it is unbuilt, it is built from x.
        arguments, named: arguments of `fit`.
        seed: seed of the data order and dropout; drawn from numpy's global generator if None.
    """
    try:
        return _prepare_fit(model, arguments, named, seed)
    except Refusal as refusal:
        return Refused(str(refusal))


def fit(model: keras.Model, arguments: Sequence[Any], named: Mapping[str, Any], seed: int | None = None) -> Any:
    """`model.fit(*arguments, **named)`, natively if supported. Returns the history, and a `Refused` or None."""
    given = prepare_fit(model, arguments, named, seed)
    if isinstance(given, Refused):
        return model.fit(*arguments, **named), given
    given.run()
    return given.finish(), None


def _prepare_fit(
    model: keras.Model, arguments: Sequence[Any], named: Mapping[str, Any], seed: int | None
) -> PreparedFit:
    if type(model).fit is not keras.Model.fit:
        raise Refusal("the model overrides fit")
    try:
        bound = _SIGNATURE.bind(model, *arguments, **named)
    except TypeError as error:
        raise Refusal(f"fit: {error}") from None
    bound.apply_defaults()
    asked = dict(bound.arguments)
    for name, default in _DEFAULTS.items():
        if asked[name] != default:
            raise Refusal(f"fit has the argument {name}")
    callbacks = _callbacks(asked["callbacks"])
    batch_size = 32 if asked["batch_size"] is None else int(asked["batch_size"])
    if batch_size < 1 or int(asked["epochs"]) <= int(asked["initial_epoch"]):
        raise Refusal("fit has no epochs, or an empty batch")
    x, y, weight, held = _split(asked)
    _build(model, x)
    found = lower_model(model, min(batch_size, max(len(y), 1)))
    if isinstance(found, Refused):
        raise Refusal(found.reason)
    width = found.program.output.width
    data = _data(found, x, y, weight, held)
    metrics = metrics_of(model, y, width)
    drawn = int(np.random.randint(1 << 31)) if seed is None else seed  # noqa: NPY002  # determined by Keras's seed
    training = UserModelTraining(model, found, data, min(batch_size, len(y)), drawn, keep_outputs=bool(metrics))
    return PreparedFit(
        model,
        found,
        training,
        (int(asked["initial_epoch"]), int(asked["epochs"])),
        bool(asked["shuffle"]),
        drawn,
        callbacks,
        metrics,
        y,
        None if held is None else held[1],
        asked["verbose"] not in (0, None),
    )


def _callbacks(given: Any) -> list[Any]:
    if isinstance(given, keras.callbacks.CallbackList):
        raise Refusal("callbacks are a CallbackList")
    callbacks = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    for callback in callbacks:
        if type(callback) not in _CALLBACKS and not hasattr(callback, "on_native_epoch_end"):
            raise Refusal(f"the callback {type(callback).__name__}")
    return callbacks


def _split(asked: Mapping[str, Any]) -> tuple[Any, Array, Array | None, tuple[Any, Array] | None]:
    """Training rows, targets and weights, and the validation rows."""
    x = asked["x"]
    if asked["y"] is None:
        raise Refusal(f"x is a {type(x).__name__} instead of an array, or y is missing")
    y = as_array(asked["y"], "y")
    weight = None if asked["sample_weight"] is None else as_array(asked["sample_weight"], "sample_weight")
    if weight is not None and (weight.size != len(y) or asked["class_weight"] is not None):
        raise Refusal("sample_weight is not one number per row, or is combined with class_weight")
    held, given, share = None, asked["validation_data"], asked["validation_split"]
    if given is not None:
        if not isinstance(given, (list, tuple)) or len(given) != 2:
            raise Refusal("validation_data is not a pair of x and y")
        held = given[0], as_array(given[1], "y of validation_data")
    elif share:
        if weight is not None:
            raise Refusal("validation_split is combined with sample_weight")
        parts = _parts(x)
        at = math.floor(len(y) * (1.0 - float(share)))
        if not 0 < at < len(y):
            raise Refusal(f"validation_split leaves {at} of {len(y)} rows for training")
        held = _rows(x, parts, slice(at, None)), y[at:]
        x, y = _rows(x, parts, slice(None, at)), y[:at]
    if asked["class_weight"] is not None:
        weight = _weights_of_classes(y, asked["class_weight"])
    return x, y, weight, held


def _parts(x: Any) -> dict[Any, Any] | list[Any] | None:
    if isinstance(x, Mapping):
        return dict(x)
    return list(x) if isinstance(x, (list, tuple)) else None


def _rows(x: Any, parts: Any, rows: slice) -> Any:
    """The given rows of x, which may be several arrays."""
    if isinstance(parts, dict):
        return {name: as_array(part, "x")[rows] for name, part in parts.items()}
    return as_array(x, "x")[rows] if parts is None else [as_array(part, "x")[rows] for part in parts]


def _weights_of_classes(y: Array, weights: Mapping[int, float]) -> Array:
    classes = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
    return np.array([weights.get(int(each), 1.0) for each in np.round(classes)], np.float32)


def _build(model: keras.Model, x: Any) -> None:
    """Builds a `Sequential` without a declared input, as `fit` would."""
    if not model.built and type(model) is keras.Sequential:
        model.build((None, *arrays_of(x, ["x"])[0].shape[1:]))


def _data(found: LoweredModel, x: Any, y: Array, weight: Array | None, held: tuple[Any, Array] | None) -> TrainingData:
    width = found.program.output.width
    features, targets = found.features(x), found.loss.targets(y, width)
    if len(features) != len(targets) or not len(targets):
        raise Refusal(f"x has {len(features)} rows for the {len(targets)} of y")
    x_held, y_held = np.zeros((0, features.shape[1]), np.float32), np.zeros((0, targets.shape[1]), np.float32)
    if held is not None:
        x_held, y_held = found.features(held[0], "x of validation_data"), found.loss.targets(held[1], width)
        if len(x_held) != len(y_held) or not len(y_held):
            raise Refusal(f"validation_data has {len(x_held)} rows of x for {len(y_held)} of y")
    flat = None if weight is None else np.ascontiguousarray(weight.reshape(-1), np.float32)
    return TrainingData(features, targets, x_held, y_held, flat)
