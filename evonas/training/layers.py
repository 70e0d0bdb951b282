"""The layer kinds of a network as Keras layers, one row each.

Nothing else in `evonas.training` refers to a kind by name. Kinds are described in `genomes.architecture.layers`, their
weights and supported trainers in `evonas.networks.layers`. Only built-in layers and operations of Keras are used, so
that plain Keras opens the models.

A layer is named after its node, `layer_3`, auxiliary layers `layer_3_...`: `part_of` turns a variable's path into the
name that the weight has in `evonas.networks.layers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from evonas.networks.bag_of_words import FIRST_KNOWN, HASH_FACTOR, LENGTH
from evonas.networks.sequence import sine_positions
from genomes.architecture.bag_layers import table_sizes
from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE
from genomes.architecture.layers import kernel_of
from genomes.architecture.random_layers import KERNEL_STEPS, dilations_of

__all__ = ["NORMALIZATIONS", "ROWS", "Build", "Node", "build_of", "part_of"]

NORMALIZATIONS = {"batch": layers.BatchNormalization, "layer": layers.LayerNormalization}

_BY_RANK = {
    "conv": {2: layers.Conv1D, 3: layers.Conv2D},
    "separable": {2: layers.SeparableConv1D, 3: layers.SeparableConv2D},
    "max": {2: layers.MaxPooling1D, 3: layers.MaxPooling2D},
    "average": {2: layers.AveragePooling1D, 3: layers.AveragePooling2D},
    "global max": {2: layers.GlobalMaxPooling1D, 3: layers.GlobalMaxPooling2D},
    "global average": {2: layers.GlobalAveragePooling1D, 3: layers.GlobalAveragePooling2D},
    "dropout": {1: layers.Dropout, 2: layers.SpatialDropout1D, 3: layers.SpatialDropout2D},
}


@dataclass(frozen=True)
class Node:
    """A node to build.

    Attributes:
        name: name of its layer, and prefix of the names of auxiliary ones.
        attributes: attributes of the graph's node; those of an output with "units".
        seed: seed of its dropout.
        dtype: dtype policy of its layers.
        mask: `(num_samples, steps, 1)`, 1 for real steps, 0 for padding; None if there is no padding.
        batch_normalization: layer class to use.
    """

    name: str
    attributes: Mapping[str, Any]
    seed: int
    dtype: str
    mask: Any = None
    batch_normalization: Callable[..., Any] = layers.BatchNormalization

    def layer(self, kind: Callable[..., Any], suffix: str = "", **options: Any) -> Any:
        """A layer of this node."""
        return kind(name=f"{self.name}_{suffix}" if suffix else self.name, dtype=self.dtype, **options)

    def mask_steps(self, h: Any) -> Any:
        """Sets padded steps to 0."""
        return h if self.mask is None else h * self.mask

    def regularizer(self) -> Any:
        """The penalty of the node's kernels."""
        l2 = self.attributes.get("l2")
        return keras.regularizers.L2(l2) if l2 else None

    def finish(self, h: Any) -> Any:
        """Applies normalisation, activation and dropout, if any, after the product."""
        kind = self.attributes.get("normalization", "none")
        if kind != "none":
            h = self.layer(self.batch_normalization if kind == "batch" else NORMALIZATIONS[kind], "normalization")(h)
        if "activation" in self.attributes:
            h = self.layer(layers.Activation, "activation", activation=self.attributes["activation"])(h)
        return self.drop_out(h)

    def drop_out(self, h: Any, whole_channels: bool = True, suffix: str = "dropout") -> Any:
        """After dropout."""
        rate = self.attributes.get("dropout")
        if not rate:
            return h
        kind = _BY_RANK["dropout"][len(h.shape) - 1 if whole_channels else 1]
        return self.layer(kind, suffix, rate=rate, seed=self.seed)(h)


#: (node, outputs of its sources) -> (its output, the mask of its steps).
Build = Callable[[Node, Sequence[Any]], tuple[Any, Any]]


def part_of(name: str, path: str) -> str:
    """Name of a variable among those of its node.

    >>> part_of("layer_3", "layer_3/kernel"), part_of("layer_3_normalization", "layer_3_normalization/gamma")
    ('layer_3/kernel', 'layer_3/gamma')
    >>> part_of("layer_3", "layer_3/query/kernel"), part_of("layer_3_reduce", "layer_3_reduce/bias")
    ('layer_3/query_kernel', 'layer_3/reduce_bias')
    """
    node, suffix = name, ""
    if name.startswith("layer_"):
        first, number, *rest = name.split("_", 2)
        node, suffix = f"{first}_{number}", rest[0] if rest else ""
    # The cell of a recurrent layer and the wrapper of a direction add no information to the path.
    inner = [each for each in path.split("/")[1:-1] if not each.endswith("_cell") and each not in ("gru", "lstm")]
    words = [] if suffix in ("", "normalization") else [suffix]
    words += [each.split("_")[0] if each.startswith(("forward_", "backward_")) else each for each in inner[:1]]
    return f"{node}/{'_'.join([*words, path.split('/')[-1]])}"


def _join(node: Node, sources: Sequence[Any]) -> Any:
    if len(sources) == 1:
        return sources[0]
    return layers.Concatenate(name=f"inputs_{node.name.removeprefix('layer_')}", dtype=node.dtype)(list(sources))


def _dense(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    attributes = node.attributes
    h = node.layer(
        layers.Dense,
        units=int(attributes["units"]),
        kernel_initializer=attributes["initializer"],
        use_bias=attributes.get("normalization") != "batch",
        kernel_regularizer=node.regularizer(),
    )(_join(node, sources))
    return node.finish(h), None


def _conv(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    attributes, h = node.attributes, node.mask_steps(_join(node, sources))
    shape = tuple(h.shape[1:])
    options: dict[str, Any] = {
        "filters": int(attributes["filters"]),
        "kernel_size": kernel_of(attributes, shape),
        "strides": int(attributes["stride"]),
        "dilation_rate": int(attributes["dilation"]),
        "padding": "same",
        "use_bias": attributes["normalization"] != "batch",
    }
    stride = int(attributes["stride"])
    if stride > 1 and all(width == 1 for width in options["kernel_size"]):
        # The same result; a single convolution for both crashes oneDNN in a process with one thread (TensorFlow 2.21).
        every = _BY_RANK["average"][len(shape)]
        h, options["strides"] = node.layer(every, "subsample", pool_size=1, strides=stride, padding="same")(h), 1
    initializer, regularizer = attributes["initializer"], node.regularizer()
    if attributes["separable"]:
        options |= {"depthwise_initializer": initializer, "pointwise_initializer": initializer}
        options |= {"depthwise_regularizer": regularizer, "pointwise_regularizer": regularizer}
    else:
        options |= {"kernel_initializer": initializer, "kernel_regularizer": regularizer}
    kind = _BY_RANK["separable" if attributes["separable"] else "conv"][len(shape)]
    return node.finish(node.layer(kind, **options)(h)), _apply_stride(node, stride)


def _apply_stride(node: Node, stride: int) -> Any:
    if node.mask is None or stride == 1:
        return node.mask
    return node.layer(layers.MaxPooling1D, "mask", pool_size=stride, padding="same")(node.mask)


def _pool(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    h, size = node.mask_steps(_join(node, sources)), int(node.attributes["size"])
    kind = _BY_RANK[node.attributes["pooling"]][len(h.shape) - 1]
    return node.layer(kind, pool_size=size, padding="same")(h), _apply_stride(node, size)


def _global_pool(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    h, pooling = node.mask_steps(_join(node, sources)), node.attributes["pooling"]
    if pooling == "average":
        return _average(node, h), None
    return node.layer(_BY_RANK[f"global {pooling}"][len(h.shape) - 1])(h), None


def _average(node: Node, h: Any, suffix: str = "") -> Any:
    """The mean of each channel over the steps that are not padding."""
    if node.mask is None:
        return node.layer(_BY_RANK["global average"][len(h.shape) - 1], suffix)(h)
    return ops.sum(h, axis=1) / ops.maximum(ops.sum(node.mask, axis=1), 1.0)


def _flatten(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    h = node.mask_steps(_join(node, sources))
    return node.layer(layers.Reshape, target_shape=(math.prod(h.shape[1:]),))(h), None


def _add(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    h = sources[0] if len(sources) == 1 else node.layer(layers.Add)(list(sources))
    return node.finish(h), node.mask


def _normalize(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    return node.finish(_join(node, sources)), node.mask


def _squeeze_excite(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    h = node.mask_steps(_join(node, sources))
    channels = h.shape[-1]
    units = max(1, channels // int(node.attributes["ratio"]))
    gates = node.layer(layers.Dense, "reduce", units=units, activation="relu")(_average(node, h, "mean"))
    gates = node.layer(layers.Dense, "expand", units=channels, activation="sigmoid")(gates)
    gates = node.layer(layers.Reshape, "gates", target_shape=(*(1,) * (len(h.shape) - 2), channels))(gates)
    return node.layer(layers.Multiply)([h, gates]), node.mask


def _recurrent(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    attributes, h = node.attributes, _join(node, sources)
    kind = {"gru": layers.GRU, "lstm": layers.LSTM}[attributes["cell"]]
    options: dict[str, Any] = {"units": int(attributes["units"]), "return_sequences": bool(attributes["sequences"])}
    # Without an explicit seed, the generator would become a part of the training state.
    options |= {"kernel_initializer": attributes["initializer"], "seed": node.seed}
    if attributes["bidirectional"]:
        layer = node.layer(layers.Bidirectional, layer=kind(name=attributes["cell"], dtype=node.dtype, **options))
    else:
        layer = node.layer(kind, **options)
    given = {} if node.mask is None else {"mask": ops.squeeze(node.mask, -1) > 0.5}
    return node.drop_out(layer(h, **given), whole_channels=False), node.mask if attributes["sequences"] else None


def _attention(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    attributes, h = node.attributes, _join(node, sources)
    heads = int(attributes["heads"])
    x = node.layer(layers.LayerNormalization, "normalization")(h)
    units = int(attributes["key_units"]) // heads
    layer = node.layer(layers.MultiHeadAttention, num_heads=heads, key_dim=units, seed=node.seed)
    given = {} if node.mask is None else {"attention_mask": ops.transpose(node.mask, (0, 2, 1)) > 0.5}
    x = node.drop_out(layer(x, x, **given), whole_channels=False)
    return node.layer(layers.Add, "residual")([h, x]), node.mask


def _positions(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    h = _join(node, sources)
    steps, channels = h.shape[1:]
    if node.attributes["positions"] == "sine":
        return h + sine_positions(steps, channels)[None], node.mask
    # An embedding of the step numbers, computed once for all rows: Keras has no layer that adds a trained table.
    numbers = ops.zeros_like(h[:1, :, 0], dtype="int32") + np.arange(steps, dtype=np.int32)
    return h + node.layer(layers.Embedding, input_dim=steps, output_dim=channels)(numbers), node.mask


def _tokens(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    attributes, features = node.attributes, _join(node, sources)
    length, vocabulary = min(int(attributes["length"]), features.shape[1]), int(attributes["vocabulary"])
    ids = ops.cast(features[:, :length], "int32")
    ids = ops.where(ids < vocabulary, ids, 1)
    h = node.layer(layers.Embedding, input_dim=vocabulary, output_dim=int(attributes["units"]))(ids)
    mask = ops.cast(ops.expand_dims(ids > 0, -1), h.dtype)
    return node.drop_out(h * mask, whole_channels=False), mask


def _random_convolutions(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    x = node.mask_steps(_join(node, sources))
    shares = []
    for dilation, count in dilations_of(int(node.attributes["features"]), x.shape[1]):
        options = {"filters": count, "kernel_size": KERNEL_STEPS, "dilation_rate": dilation, "padding": "same"}
        h = node.layer(layers.Conv1D, f"dilation{dilation}", activation="hard_sigmoid", trainable=False, **options)(x)
        shares.append(_average(node, node.mask_steps(h), f"share{dilation}"))
    h = shares[0] if len(shares) == 1 else node.layer(layers.Concatenate, "shares")(shares)
    return node.layer(layers.BatchNormalization, "normalization", trainable=False)(h), None


def _bag_of_words(node: Node, sources: Sequence[Any]) -> tuple[Any, Any]:
    attributes, features = node.attributes, _join(node, sources)
    sizes = table_sizes(attributes, features.shape[1])
    length = min(int(attributes["length"]), features.shape[1])
    ids = ops.cast(features[:, :length], "int32")
    ids = ops.where(ids < sizes["words"], ids, 1)
    tables = {"words": ids}
    if "pairs" in sizes:
        buckets = int(attributes["buckets"])
        first, second = ids[:, : length - 1], ids[:, 1:]
        hashed = ops.mod(first * HASH_FACTOR + second, buckets) + 1
        tables["pairs"] = ops.where(ops.minimum(first, second) > FIRST_KNOWN - 1, hashed, 0)
    sums, squares = [], []
    for table, rows in tables.items():
        options: dict[str, Any] = {"input_dim": sizes[table]}
        factors = node.layer(layers.Embedding, f"{table}_rarity", output_dim=1, trainable=False, **options)(rows)
        squares.append(ops.sum(factors * factors, axis=1))
        factors = node.drop_out(factors, whole_channels=False, suffix=f"{table}_dropout")
        vectors = node.layer(layers.Embedding, table, output_dim=int(attributes["units"]), **options)(rows)
        sums.append(ops.sum(vectors * factors, axis=1))
    total, square = (each[0] if len(each) == 1 else each[0] + each[1] for each in (sums, squares))
    return total * LENGTH / ops.sqrt(ops.maximum(square, 1e-6)), None


#: Kind of a node -> its row, the function that builds it.
ROWS: Mapping[str, Build] = MappingProxyType(
    {
        "dense": _dense,
        "output": _dense,
        "conv": _conv,
        "pool": _pool,
        "global_pool": _global_pool,
        "flatten": _flatten,
        "add": _add,
        "squeeze_excite": _squeeze_excite,
        "normalize": _normalize,
        "recurrent": _recurrent,
        "attention": _attention,
        "positions": _positions,
        "tokens": _tokens,
        "random_convolutions": _random_convolutions,
        "bag_of_words": _bag_of_words,
    }
)


def build_of(kind: str) -> Build:
    """The function that builds a kind, built in or user-defined. Raises InputError if it is unknown."""
    return ROWS[kind] if kind in ROWS else LAYER_KINDS_FROM_OUTSIDE.get(kind).keras
