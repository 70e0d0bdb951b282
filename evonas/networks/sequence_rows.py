"""Rows of sequence layers, and of token embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.networks.layer_row import Attributes, NetworkRow, Parts, Shape, Sources, Weight, side_by_side
from evonas.networks.sequence import attend, recurrent, sine_positions
from evonas.networks.spatial_rows import normalize_axes

__all__ = ["ATTENTION", "DIRECTIONS", "POSITIONS", "RECURRENT", "TOKENS"]

Array = NDArray[Any]
#: Prefixes of the weights of each direction of a bidirectional layer.
DIRECTIONS = ("forward_", "backward_")
_GATES: Mapping[str, int] = {"gru": 3, "lstm": 4}


def _recurrent_weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    channels, units, gates = input_shape[-1], int(attributes["units"]), _GATES[attributes["cell"]]
    wide = gates * units
    # The forget gate of an LSTM is open initially (Jozefowicz, Zaremba and Sutskever 2015), as in Keras.
    lstm = Weight((wide,), "fo", (0.0, 1.0, 0.0, 0.0), gates=gates)
    bias = Weight((2, wide), "ffo", 0.0, gates=gates) if gates == 3 else lstm
    one = {
        "kernel": Weight((channels, wide), "ifo", fans=(channels, wide), gates=gates),
        "recurrent_kernel": Weight((units, wide), "rfo", initializer="orthogonal", gates=gates),
        "bias": bias,
    }
    if not attributes["bidirectional"]:
        return one
    return {f"{direction}{name}": weight for direction in DIRECTIONS for name, weight in one.items()}


def _recurrent(
    attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None
) -> tuple[Array, Array | None]:
    x, cell = side_by_side(sources), attributes["cell"]
    if attributes["bidirectional"]:
        both = [
            recurrent(x, {name: parts[prefix + name] for name in _NAMES}, cell, mask, backwards > 0)
            for backwards, prefix in enumerate(DIRECTIONS)
        ]
        last = np.concatenate([both[0][:, -1], both[1][:, 0]], axis=-1)
        found = np.concatenate(both, axis=-1)
    else:
        found = recurrent(x, parts, cell, mask)
        last = found[:, -1]
    return (found, mask) if attributes["sequences"] else (last, None)


_NAMES = ("kernel", "recurrent_kernel", "bias")


def _attention_weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    channels, heads = input_shape[-1], int(attributes["heads"])
    units = int(attributes["key_units"]) // heads
    found = {"gamma": Weight((channels,), "c", 1.0), "beta": Weight((channels,), "c", 0.0)}
    for name in ("query", "key", "value"):
        kernel = Weight((channels, heads, units), "iff", fans=(channels, heads * units), initializer="glorot_uniform")
        found |= {f"{name}_kernel": kernel, f"{name}_bias": Weight((heads, units), "ff", 0.0)}
    kernel = Weight((heads, units, channels), "ffc", fans=(heads * units, channels), initializer="glorot_uniform")
    return found | {"attention_output_kernel": kernel, "attention_output_bias": Weight((channels,), "c", 0.0)}


def _attention(
    attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None
) -> tuple[Array, Array | None]:
    x = side_by_side(sources)
    return x + attend(normalize_axes("layer", parts, x), parts, mask), mask


def _attention_identity(
    attributes: Attributes, parts: Parts, inputs: Array, positive: bool
) -> Mapping[str, Array] | None:
    return {**parts, "attention_output_kernel": np.zeros_like(parts["attention_output_kernel"])}


def _positions_weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    if attributes["positions"] != "learned":
        return {}
    return {"embeddings": Weight(tuple(input_shape), "fc", initializer="uniform")}


def _positions(
    attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None
) -> tuple[Array, Array | None]:
    x = side_by_side(sources)
    added = parts.get("embeddings")
    return x + (sine_positions(*x.shape[1:]).astype(x.dtype) if added is None else added), mask


def _positions_identity(
    attributes: Attributes, parts: Parts, inputs: Array, positive: bool
) -> Mapping[str, Array] | None:
    return {name: np.zeros_like(value) for name, value in parts.items()} or None


def _tokens_weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    shape = int(attributes["vocabulary"]), int(attributes["units"])
    return {"embeddings": Weight(shape, "fo", initializer="uniform")}


def _tokens(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, Array]:
    ids = side_by_side(sources)[:, : int(attributes["length"])].astype(np.int64)
    ids = np.where(ids < int(attributes["vocabulary"]), ids, 1)
    found = parts["embeddings"][ids]
    mask_of_ids = (ids != 0).astype(found.dtype)[:, :, None]
    return found * mask_of_ids, mask_of_ids


RECURRENT = NetworkRow(_recurrent_weights, _recurrent)
ATTENTION = NetworkRow(_attention_weights, _attention, passes=True, identity=_attention_identity)
POSITIONS = NetworkRow(_positions_weights, _positions, passes=True, identity=_positions_identity)
TOKENS = NetworkRow(_tokens_weights, _tokens)
