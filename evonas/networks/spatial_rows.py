"""Rows of layers for images and series, and of dense layers in such networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.networks.activations import ACTIVATIONS, EPSILON, logistic
from evonas.networks.convolution import convolve, convolve_depthwise, pool_windows
from evonas.networks.layer_row import (
    Attributes,
    NetworkRow,
    Parts,
    Shape,
    Sources,
    Weight,
    keep_identity,
    only_input,
    side_by_side,
)
from genomes.architecture.layers import kernel_of

__all__ = ["ADD", "CONV", "DENSE", "FLATTEN", "GLOBAL_POOL", "NORMALIZE", "POOL", "SQUEEZE_EXCITE", "normalization_of"]

Array = NDArray[Any]


def normalization_of(kind: str, units: int, axes: str = "o") -> dict[str, Weight]:
    """The weights of a normalisation layer over channels."""
    found: dict[str, Weight] = {}
    if kind != "none":
        found = {"gamma": Weight((units,), axes, 1.0), "beta": Weight((units,), axes, 0.0)}
    if kind == "batch":
        found |= {"moving_mean": Weight((units,), axes, 0.0), "moving_variance": Weight((units,), axes, 1.0)}
    return found


def normalize_axes(kind: str, parts: Parts, z: Array) -> Array:
    """Applies a normalisation ("batch", "layer" or "none") over the last axis."""
    if kind == "batch":
        scale = parts["gamma"] / np.sqrt(parts["moving_variance"] + np.asarray(EPSILON, z.dtype))
        return np.asarray(z * scale + (parts["beta"] - parts["moving_mean"] * scale))
    if kind == "layer":
        z = z - z.mean(axis=-1, keepdims=True)
        z = z / np.sqrt((z**2).mean(axis=-1, keepdims=True) + np.asarray(EPSILON, z.dtype))
        return np.asarray(z * parts["gamma"] + parts["beta"])
    return z


def _after_product(attributes: Attributes, parts: Parts, z: Array) -> Array:
    """Applies bias, normalisation and activation to a product, if the layer has them."""
    if "bias" in parts:
        z = z + parts["bias"]
    z = normalize_axes(attributes.get("normalization", "none"), parts, z)
    return ACTIVATIONS[attributes.get("activation", "linear")](z)


def mask_steps(x: Array, mask: Array | None) -> Array:
    """Sets padded steps to 0."""
    return x if mask is None else x * mask


# Dense layers of layered networks.


def _dense_weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    (fan_in,), (units,) = input_shape, output_shape
    kind = attributes.get("normalization", "none")
    found = {"kernel": Weight((fan_in, units), "io", fans=(fan_in, units))}
    if kind != "batch":
        found["bias"] = Weight((units,), "o", 0.0)
    return found | normalization_of(kind, units)


def _dense(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, None]:
    return _after_product(attributes, parts, side_by_side(sources) @ parts["kernel"]), None


def _dense_identity(attributes: Attributes, parts: Parts, inputs: Array, positive: bool) -> Mapping[str, Array] | None:
    return _identity_weights(attributes, parts, inputs, positive, parts["kernel"].shape, ())


# Convolutions.


def _conv_weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    window, channels, filters = kernel_of(attributes, input_shape), input_shape[-1], output_shape[-1]
    area, places = math.prod(window), "s" * len(window)
    kind = attributes["normalization"]
    found = {}
    if attributes["separable"]:
        found["depthwise_kernel"] = Weight((*window, channels, 1), f"{places}cf", fans=(area * channels, area))
        ones = (1,) * len(window)
        found["pointwise_kernel"] = Weight((*ones, channels, filters), f"{places}io", fans=(channels, filters))
    else:
        fans = (area * channels, area * filters)
        found["kernel"] = Weight((*window, channels, filters), f"{places}io", fans=fans)
    if kind != "batch":
        found["bias"] = Weight((filters,), "o", 0.0)
    return found | normalization_of(kind, filters)


def _conv(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, Array | None]:
    x, stride, dilation = mask_steps(side_by_side(sources), mask), attributes["stride"], attributes["dilation"]
    if attributes["separable"]:
        z = convolve_depthwise(x, parts["depthwise_kernel"], stride, dilation)
        z = convolve(z, parts["pointwise_kernel"])
    else:
        z = convolve(x, parts["kernel"], stride, dilation)
    return _after_product(attributes, parts, z), _apply_stride(mask, stride)


def _apply_stride(mask: Array | None, stride: int) -> Array | None:
    return mask if mask is None or stride == 1 else pool_windows(mask, stride, "max")


def _conv_identity(attributes: Attributes, parts: Parts, inputs: Array, positive: bool) -> Mapping[str, Array] | None:
    kernel = parts["pointwise_kernel" if attributes["separable"] else "kernel"]
    window = parts["depthwise_kernel"].shape[:-2] if attributes["separable"] else kernel.shape[:-2]
    if attributes["stride"] > 1 or any(width % 2 == 0 for width in window):
        return None
    centre = tuple(width // 2 for width in window)
    if not attributes["separable"]:
        return _identity_weights(attributes, parts, inputs, positive, kernel.shape, centre)
    found = _identity_weights(attributes, parts, inputs, positive, kernel.shape, (0,) * len(window), "pointwise_kernel")
    if found is None:
        return None
    depthwise = np.zeros_like(parts["depthwise_kernel"])
    depthwise[centre] = 1.0
    return {**found, "depthwise_kernel": depthwise}


def _identity_weights(
    attributes: Attributes,
    parts: Parts,
    inputs: Array,
    positive: bool,
    shape: Shape,
    centre: tuple[int, ...],
    name: str = "kernel",
) -> Mapping[str, Array] | None:
    """Weights with which the first units output the input channels; other units keep their initial weights.

    None if there are no such weights.
    """
    activation, kind = attributes.get("activation", "linear"), attributes.get("normalization", "none")
    channels, units = shape[-2:]
    linear = activation == "linear" or (positive and activation in ("relu", "leaky_relu", "elu"))
    if not linear or kind == "layer" or units < channels:
        return None
    kernel = parts[name].copy()
    kernel[..., :channels] = 0.0
    kernel[centre][:, :channels] = np.eye(channels)
    found = {**parts, name: kernel}
    if kind == "batch":
        flat = inputs.reshape(-1, channels)
        mean, variance = flat.mean(axis=0), flat.var(axis=0)
        new = {"gamma": np.sqrt(variance + EPSILON), "beta": mean, "moving_mean": mean, "moving_variance": variance}
        for part, values in new.items():
            found[part] = np.concatenate([values, parts[part][channels:]])
    return found


# Layers whose output has the channels of their input.


def _pool(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, Array | None]:
    x, size = mask_steps(side_by_side(sources), mask), attributes["size"]
    return pool_windows(x, size, attributes["pooling"]), _apply_stride(mask, size)


def _global_pool(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, None]:
    x = mask_steps(side_by_side(sources), mask)
    axes = tuple(range(1, x.ndim - 1))
    if attributes["pooling"] == "max":
        return np.asarray(x.max(axis=axes)), None
    return average_over_steps(x, mask), None


def average_over_steps(x: Array, mask: Array | None) -> Array:
    """The mean of each channel over the steps that are not padding; `x` is 0 at padded steps."""
    axes = tuple(range(1, x.ndim - 1))
    if mask is None:
        return np.asarray(x.mean(axis=axes))
    return np.asarray(x.sum(axis=1) / np.maximum(mask.sum(axis=1), 1.0))


def _flatten(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, None]:
    x = mask_steps(side_by_side(sources), mask)
    return x.reshape(len(x), -1), None


def _add(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, Array | None]:
    return ACTIVATIONS[attributes["activation"]](sum(sources[1:], start=sources[0])), mask


def _normalize_weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    return normalization_of(attributes["normalization"], output_shape[-1], "c")


def _normalize(
    attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None
) -> tuple[Array, Array | None]:
    return _after_product(attributes, parts, side_by_side(sources)), mask


def _excite_weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    channels = input_shape[-1]
    units = max(1, channels // int(attributes["ratio"]))
    return {
        "reduce_kernel": Weight((channels, units), "if", fans=(channels, units), initializer="glorot_uniform"),
        "reduce_bias": Weight((units,), "f", 0.0),
        "expand_kernel": Weight((units, channels), "fc", fans=(units, channels), initializer="glorot_uniform"),
        "expand_bias": Weight((channels,), "c", 0.0),
    }


def _excite(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, Array | None]:
    x = mask_steps(side_by_side(sources), mask)
    units = np.maximum(average_over_steps(x, mask) @ parts["reduce_kernel"] + parts["reduce_bias"], 0.0)
    gates = logistic(units @ parts["expand_kernel"] + parts["expand_bias"])
    return np.asarray(x * gates.reshape(len(x), *(1,) * (x.ndim - 2), -1)), mask


DENSE = NetworkRow(_dense_weights, _dense, identity=_dense_identity, compiled=True)
CONV = NetworkRow(_conv_weights, _conv, identity=_conv_identity, silenced=("gamma", "kernel", "pointwise_kernel"))
POOL = NetworkRow(only_input, _pool, passes=True)
GLOBAL_POOL = NetworkRow(only_input, _global_pool, passes=True)
FLATTEN = NetworkRow(only_input, _flatten, flattens=True)
ADD = NetworkRow(only_input, _add, passes=True, sums=True, identity=keep_identity)
NORMALIZE = NetworkRow(_normalize_weights, _normalize, passes=True)
SQUEEZE_EXCITE = NetworkRow(_excite_weights, _excite, passes=True)
