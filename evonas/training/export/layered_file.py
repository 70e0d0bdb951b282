"""Checks that a network with layers other than dense ones needs no more weights than its `.keras` file contains.

The output shape of each layer is computed here as Keras does when it builds the layers, from the shape of the input
alone; intermediate shapes in the file are not trusted. Operations must be on an allowlist and in the form that evonas
writes. Imports no Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE
from genomes.errors import InputError

__all__ = ["LAYERED", "OPERATIONS", "holds_layered", "layered_weights", "row_from_outside"]

Shape = tuple[int, ...]
Settings = Mapping[str, Any]
#: (settings, shapes of the sources, other arguments) -> the output shape and the number of weights.
Row = Callable[[Settings, Sequence[Shape], Sequence[Any]], tuple[Shape, int]]

_LARGEST = 1 << 28
_TENSOR = "__keras_tensor__"


def holds_layered(config: Mapping[str, Any]) -> bool:
    """Whether a functional model itself contains layers that dense networks do not have."""
    kinds = {layer["class_name"] for layer in config["config"]["layers"]}
    if kinds & (LAYERED.keys() - {"Add", "Multiply"}):  # which dense networks use, too
        return True
    return any(kinds & kind.keras_layers.keys() for kind in LAYER_KINDS_FROM_OUTSIDE.known())


def row_from_outside(class_name: str) -> Row | None:
    """The row of a Keras class that only registered layer kinds from outside evonas use; None if unknown."""
    for kind in LAYER_KINDS_FROM_OUTSIDE.known():
        if class_name in kind.keras_layers:
            return kind.keras_layers[class_name]
    return None


def layered_weights(config: Mapping[str, Any], elements: int) -> tuple[int, int]:
    """Counts the weights of a functional model's layers; returns the count and the width of its output.

    Args:
        config: the model's configuration.
        elements: number of weights in the file.

    Raises:
        InputError: a layer is not one that evonas writes, or needs more weights than the file has.
    """
    shapes: dict[str, Shape] = {}
    needed = 0
    shape: Shape = (1,)
    for layer in config["config"]["layers"]:
        kind, name, settings = layer["class_name"], layer["name"], layer["config"]
        row = _ROWS.get(kind) or row_from_outside(kind)
        if row is None or name in shapes:
            raise InputError(f"layer {name!r:.80} must be one that evonas writes, and occur once")
        tensors, others = _arguments(layer["inbound_nodes"])
        try:
            shape, weights = row(settings, [shapes[each] for each in tensors], others)
        except (TypeError, ValueError, IndexError, ZeroDivisionError):
            raise InputError(f"layer {name!r:.80} must have supported settings and inputs") from None
        if not all(type(size) is int and size > 0 for size in shape) or math.prod(shape) > _LARGEST:
            raise InputError(f"layer {name!r:.80} must have an output of moderate size, not {shape!r:.80}")
        needed += weights
        if needed > elements:
            raise InputError(f"its layers need at least {needed:,} weights, but the file has {elements:,}")
        shapes[name] = shape
    return needed, shape[-1]


def _arguments(nodes: Any) -> tuple[list[str], list[Any]]:
    """Names of a layer's source layers and its other arguments, without masks, which have no weights."""
    if not nodes:
        return [], []
    (node,) = nodes
    tensors, others, waiting = [], [], list(node["args"])
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, list) and any(_is_tensor(each) for each in value):
            waiting = [*value, *waiting]
        elif _is_tensor(value):
            tensors.append(value["config"]["keras_history"][0])
        else:
            others.append(value)
    return tensors, others


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == _TENSOR


def _whole(value: Any) -> int:
    """Checks that a setting is a positive integer."""
    if type(value) is not int or not 0 < value <= 1 << 24:
        raise ValueError(value)
    return value


def _all_axes(value: Any, count: int) -> tuple[int, ...]:
    return (_whole(value),) * count if isinstance(value, int) else tuple(map(_whole, value))


def _same(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    return sources[0], 0


def _broadcast(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    """An operation with two operands, either of which may be constant."""
    found = sources[0]
    for other in (*sources[1:], *(_constant(value) for value in others)):
        longer, shorter = sorted((found, other), key=len, reverse=True)
        padded = (*(1,) * (len(longer) - len(shorter)), *shorter)
        if any(a != b and 1 not in (a, b) for a, b in zip(longer, padded, strict=True)):
            raise ValueError(other)
        found = tuple(max(a, b) for a, b in zip(longer, padded, strict=True))
    return found, 0


def _constant(value: Any) -> Shape:
    """The shape of a constant, without its first axis if that is a batch axis of 1."""
    if isinstance(value, Mapping):
        value = value["config"]["value"]
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0]
    if shape and shape[0] == 1:
        shape = shape[1:]
    return tuple(shape)


def _get_item(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    """One of four forms: the last channel, the first steps, all but the first, the first channel of the first
    sample.
    """
    (parts,), shape = others, sources[0]
    forms = [part["config"] if isinstance(part, Mapping) else part for part in parts]
    if forms == [{}, {"start": -1, "stop": None, "step": None}]:
        return (*shape[:-1], 1), 0
    whole = {"start": None, "stop": None, "step": None}
    if len(forms) == 2 and forms[0] == whole and forms[1]["start"] is None and forms[1]["step"] is None:
        return (min(_whole(forms[1]["stop"]), shape[0]),), 0
    if forms == [whole, {"start": 1, "stop": None, "step": None}]:
        return (shape[0] - 1, *shape[1:]), 0
    if forms == [{"start": None, "stop": 1, "step": None}, whole, 0]:
        return shape[:-1], 0
    raise ValueError(parts)


def _reshape(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    shape = tuple(map(_whole, settings["target_shape"]))
    if math.prod(shape) != math.prod(sources[0]):
        raise ValueError(shape)
    return shape, 0


def _concatenate(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    if settings["axis"] != -1 or len({shape[:-1] for shape in sources}) > 1:
        raise ValueError(sources)
    return (*sources[0][:-1], sum(shape[-1] for shape in sources)), 0


def _dense(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    units = _whole(settings["units"])
    return (*sources[0][:-1], units), (sources[0][-1] + bool(settings["use_bias"])) * units


def _apply_stride(shape: Shape, strides: Any, channels: int) -> Shape:
    sizes = zip(shape[:-1], _all_axes(strides, len(shape) - 1), strict=True)
    return (*(-(-size // stride) for size, stride in sizes), channels)


def _conv(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    (shape,), filters = sources, _whole(settings["filters"])
    if settings["padding"] != "same" or settings["groups"] != 1:
        raise ValueError(settings["padding"])
    area = math.prod(_all_axes(settings["kernel_size"], len(shape) - 1))
    return _apply_stride(shape, settings["strides"], filters), (area * shape[-1] + bool(settings["use_bias"])) * filters


def _separable(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    (shape,), filters = sources, _whole(settings["filters"])
    if settings["padding"] != "same" or settings["depth_multiplier"] != 1:
        raise ValueError(settings["padding"])
    area = math.prod(_all_axes(settings["kernel_size"], len(shape) - 1))
    weights = shape[-1] * (area + filters) + bool(settings["use_bias"]) * filters
    return _apply_stride(shape, settings["strides"], filters), weights


def _pool(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    if settings["padding"] != "same":
        raise ValueError(settings["padding"])
    return _apply_stride(sources[0], settings["strides"], sources[0][-1]), 0


def _global_pool(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    if settings["keepdims"]:
        raise ValueError(settings["keepdims"])
    return (sources[0][-1],), 0


def _normalization(vectors: int) -> Row:
    def row(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
        if settings["axis"] not in (-1, len(sources[0]), [-1], [len(sources[0])]):
            raise ValueError(settings["axis"])
        return sources[0], vectors * sources[0][-1]

    return row


def _recurrent(gates: int, biases: int) -> Row:
    def row(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
        (steps, channels), units = sources[0], _whole(settings["units"])
        weights = gates * units * (channels + units) + biases * units
        return (steps, units) if settings["return_sequences"] else (units,), weights

    return row


def _bidirectional(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    if settings["merge_mode"] != "concat" or settings["layer"]["class_name"] not in ("GRU", "LSTM"):
        raise ValueError(settings["merge_mode"])
    if "backward_layer" in settings and settings["backward_layer"]["config"]["units"] != _units(settings):
        raise ValueError(settings["backward_layer"])
    shape, weights = _ROWS[settings["layer"]["class_name"]](settings["layer"]["config"], sources, others)
    return (*shape[:-1], 2 * shape[-1]), 2 * weights


def _units(settings: Settings) -> int:
    return _whole(settings["layer"]["config"]["units"])


def _attention(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    units = _whole(settings["num_heads"]) * _whole(settings["key_dim"])
    if settings["value_dim"] != settings["key_dim"] or settings["output_shape"] is not None or settings.get("use_gate"):
        raise ValueError(settings["value_dim"])
    channels = sources[0][-1]
    return sources[0], 3 * (channels + 1) * units + (units + 1) * channels


def _embedding(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    count, units = _whole(settings["input_dim"]), _whole(settings["output_dim"])
    return (*sources[0], units), count * units


def _input(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    return tuple(map(_whole, settings["batch_shape"][1:])), 0


def _sum(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    if settings["axis"] != 1 or settings["keepdims"]:
        raise ValueError(settings["axis"])
    return sources[0][1:], 0


def _squeeze(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    if settings["axis"] != -1 or sources[0][-1] != 1:
        raise ValueError(settings["axis"])
    return sources[0][:-1], 0


def _expand(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    if settings["axis"] != -1:
        raise ValueError(settings["axis"])
    return (*sources[0], 1), 0


def _transpose(settings: Settings, sources: Sequence[Shape], others: Sequence[Any]) -> tuple[Shape, int]:
    if settings["axes"] != [0, 2, 1]:
        raise ValueError(settings["axes"])
    return (sources[0][1], sources[0][0]), 0


#: Layers in addition to those of dense networks.
LAYERED: Mapping[str, Row] = MappingProxyType(
    {
        **dict.fromkeys(("Conv1D", "Conv2D"), _conv),
        **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
        **dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"), _pool),
        **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling2D"), _global_pool),
        **dict.fromkeys(("SpatialDropout1D", "SpatialDropout2D"), _same),
        **dict.fromkeys(("Add", "Multiply"), _broadcast),
        "GRU": _recurrent(3, 6),
        "LSTM": _recurrent(4, 4),
        "Bidirectional": _bidirectional,
        "MultiHeadAttention": _attention,
        "Embedding": _embedding,
    }
)
#: Operations in such networks, by module.
OPERATIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "keras.src.ops.numpy": frozenset(
            {"GetItem", "Squeeze", "ExpandDims", "Transpose", "ZerosLike", "TrueDivide", "Greater", "Less", "Where"}
            | {"Multiply", "Add", "Sum", "Maximum", "Minimum", "Mod", "Sqrt"}
        )
    }
)
_ROWS: Mapping[str, Row] = MappingProxyType(
    {
        **LAYERED,
        "InputLayer": _input,
        "Reshape": _reshape,
        "Concatenate": _concatenate,
        "Dense": _dense,
        "BatchNormalization": _normalization(4),
        "LayerNormalization": _normalization(2),
        "GlobalAveragePooling1D": _global_pool,
        **dict.fromkeys(("Activation", "Dropout", "Cast", "ZerosLike", "Sqrt"), _same),
        **dict.fromkeys(("Greater", "Less", "Where", "TrueDivide", "Maximum", "Minimum", "Mod"), _broadcast),
        "GetItem": _get_item,
        "Sum": _sum,
        "Squeeze": _squeeze,
        "ExpandDims": _expand,
        "Transpose": _transpose,
    }
)
