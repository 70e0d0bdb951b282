"""Untrained layers at a model's input, applied once to all rows in numpy before training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.training.native.refusal import Refusal

__all__ = ["PREPARATIONS", "Prepare", "arrays_of", "as_array"]

Array = NDArray[Any]
Prepare = Callable[[Array], Array]

#: As in Keras, for the division by a standard deviation.
_EPSILON = 1e-7


def _same(layer: Any) -> Prepare:
    return lambda x: x


def _flatten(layer: Any) -> Prepare:
    return lambda x: x.reshape(len(x), -1)


def _reshape(layer: Any) -> Prepare:
    shape = tuple(layer.target_shape)
    return lambda x: x.reshape(len(x), *shape)


def _normalize(layer: Any) -> Prepare:
    if layer.invert or layer.mean is None or layer.variance is None:
        raise Refusal(f"the layer {layer.name} (Normalization) is not adapted, or inverts")
    mean = keras.ops.convert_to_numpy(layer.mean).astype(np.float32)
    variance = keras.ops.convert_to_numpy(layer.variance).astype(np.float32)
    scale = np.maximum(np.sqrt(variance), np.float32(_EPSILON))
    return lambda x: (x - mean) / scale


def _rescale(layer: Any) -> Prepare:
    scale, offset = np.asarray(layer.scale, np.float32), np.asarray(layer.offset, np.float32)
    return lambda x: x * scale + offset


#: Layer -> the function that applies it to all rows at once.
PREPARATIONS: Mapping[type, Callable[[Any], Prepare]] = {
    keras.layers.InputLayer: _same,
    keras.layers.Identity: _same,
    keras.layers.Flatten: _flatten,
    keras.layers.Reshape: _reshape,
    keras.layers.Normalization: _normalize,
    keras.layers.Rescaling: _rescale,
}


def as_array(value: Any, name: str) -> Array:
    """Converts an array of numbers or a table to an array.

    Raises:
        Refusal: the value is neither.
    """
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        raise Refusal(f"{name} is a {type(value).__name__} instead of an array")
    if value.dtype.kind not in "fiub":
        raise Refusal(f"{name} holds {value.dtype} instead of numbers")
    return value


def arrays_of(x: Any, names: list[str], name: str = "x") -> list[Array]:
    """The float32 array of each of a model's inputs.

    Args:
        x: an argument of `fit`: an array or a table; or arrays in a list or a tuple, or by the inputs' names.
        names: names of the inputs.
        name: name of x in messages.

    Raises:
        Refusal: an input is missing or is not an array.
    """
    if isinstance(x, Mapping):
        if sorted(x) != sorted(names):
            raise Refusal(f"{name} does not name the inputs {', '.join(names)}")
        values = [x[each] for each in names]
    else:
        values = list(x) if isinstance(x, (list, tuple)) else [x]
    if len(values) != len(names):
        raise Refusal(f"{name} has {len(values)} parts for {len(names)} inputs")
    return [as_array(value, name).astype(np.float32, copy=False) for value in values]
