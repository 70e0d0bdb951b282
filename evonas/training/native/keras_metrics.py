"""The metrics with which a model was compiled, computed from the outputs of a whole epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.src.trainers.compile_utils import get_metric
from numpy.typing import NDArray

from evonas.training.native.refusal import Refusal

__all__ = ["Metric", "metrics_of"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric.

    Attributes:
        name: its name in logs.
        value: function of the targets as passed to `fit` and the outputs, shape `(num_rows, num_outputs)`.
    """

    name: str
    value: Callable[[Array, Array], float]


def metrics_of(model: keras.Model, y: Array, width: int) -> list[Metric]:
    """The metrics that a model logs besides its loss.

    Args:
        model: a compiled model.
        y: targets as passed to `fit`; their shape determines the kind of accuracy.
        width: number of the model's outputs.

    Raises:
        Refusal: a metric is user-defined or weighted.
    """
    compiled = getattr(model, "_compile_metrics", None)
    if compiled is None:
        return []
    given = compiled._user_metrics
    if compiled._user_weighted_metrics:
        raise Refusal("the model has weighted metrics")
    flat = [each for each in keras.tree.flatten(given) if each is not None]
    outputs = np.zeros((1, width), np.float32)
    found = [_metric(each, y[:1], outputs) for each in flat]
    if len({metric.name for metric in found}) < len(found):
        raise Refusal("two metrics have the same name")
    return found


def _metric(identifier: Any, y: Array, outputs: Array) -> Metric:
    metric = get_metric(identifier, y, outputs)
    if not type(metric).__module__.startswith("keras.src.metrics."):
        raise Refusal(f"the metric {metric.name} is user-defined")
    function = getattr(metric, "_fn", None)
    if function is not None and not str(getattr(function, "__module__", "")).startswith("keras.src."):
        raise Refusal(f"the metric {metric.name} is user-defined")
    make = _NUMPY.get(type(metric)) or _NUMPY.get(function)
    return Metric(metric.name, _by_keras(metric) if make is None else make(metric))


def _by_keras(metric: Any) -> Callable[[Array, Array], float]:
    """Computes a Keras metric for an epoch at once, with the same result as batch by batch."""
    own = type(metric).from_config(metric.get_config())  # the metric may be shared with models in other threads

    def value(y: Array, outputs: Array) -> float:
        own.reset_state()
        own.update_state(y, outputs)
        return float(np.mean(keras.ops.convert_to_numpy(own.result())))

    return value


def _mean_error(power: int, root: bool = False) -> Callable[[Any], Callable[[Array, Array], float]]:
    def value(y: Array, outputs: Array) -> float:
        errors = np.abs(outputs.astype(np.float64) - y.reshape(len(y), -1))
        mean = float((errors**power).mean())
        return float(np.sqrt(mean)) if root else mean

    return lambda metric: value


def _binary_accuracy(metric: Any) -> Callable[[Array, Array], float]:
    threshold = float((getattr(metric, "_fn_kwargs", None) or {}).get("threshold", 0.5))
    return lambda y, outputs: float(((outputs > threshold) == (y.reshape(len(y), -1) > 0.5)).mean())


def _sparse_accuracy(metric: Any) -> Callable[[Array, Array], float]:
    return lambda y, outputs: float((outputs.argmax(axis=1) == y.reshape(-1).astype(np.intp)).mean())


def _categorical_accuracy(metric: Any) -> Callable[[Array, Array], float]:
    return lambda y, outputs: float((outputs.argmax(axis=1) == y.argmax(axis=1)).mean())


#: Keras class or function -> creates the equivalent numpy function from the metric.
_NUMPY: Mapping[Any, Callable[[Any], Callable[[Array, Array], float]]] = {
    keras.metrics.MeanSquaredError: _mean_error(2),
    keras.losses.mean_squared_error: _mean_error(2),
    keras.metrics.RootMeanSquaredError: _mean_error(2, root=True),
    keras.metrics.MeanAbsoluteError: _mean_error(1),
    keras.losses.mean_absolute_error: _mean_error(1),
    keras.metrics.BinaryAccuracy: _binary_accuracy,
    keras.metrics.SparseCategoricalAccuracy: _sparse_accuracy,
    keras.metrics.CategoricalAccuracy: _categorical_accuracy,
}
