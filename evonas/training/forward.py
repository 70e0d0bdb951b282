"""The forward pass of a dense network in plain numpy: for looking into small networks on a few rows. No Keras."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights

__all__ = ["ACTIVATIONS", "EPSILON", "Values", "activated", "concatenated", "forward", "parts_of", "standardized"]

Array = NDArray[np.float64]

#: Keras' default for BatchNormalization and LayerNormalization.
EPSILON = 1e-3
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _negative_exp(z: Array) -> Array:
    return np.expm1(np.minimum(z, 0.0))


def _logistic(z: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * z))


#: Name -> function; see `evonas.training.activations` for those of the compiled program.
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "linear": lambda z: z,
        "relu": lambda z: np.maximum(z, 0.0),
        "leaky_relu": lambda z: np.where(z > 0.0, z, 0.2 * z),
        "elu": lambda z: np.where(z > 0.0, z, _negative_exp(z)),
        "selu": lambda z: _SELU_SCALE * np.where(z > 0.0, z, _SELU_ALPHA * _negative_exp(z)),
        "gelu": lambda z: 0.5 * z * (1.0 + np.vectorize(math.erf)(z / math.sqrt(2.0))),
        "silu": lambda z: z * _logistic(z),
        "tanh": np.tanh,
        "sigmoid": _logistic,
    }
)


@dataclass(frozen=True, eq=False)
class Values:
    """What the nodes of a network compute, each `(num_rows, units)`.

    Attributes:
        products: of inputs and kernel.
        arguments: what goes into the activation.
        outputs: what comes out of it; of node 0, the features.
    """

    products: dict[int, Array]
    arguments: dict[int, Array]
    outputs: dict[int, Array]


def forward(graph: nx.DiGraph, weights: Weights, rows: NDArray[Any]) -> Values:
    """What each node computes of the rows.

    Args:
        graph: the network.
        weights: its weights, by name.
        rows: features, shape `(num_rows, num_features)`.
    """
    values = Values({}, {}, {0: np.asarray(rows, np.float64)})
    for node in range(1, len(graph)):
        parts = parts_of(graph, node, weights)
        values.products[node] = concatenated(graph, node, values.outputs) @ parts["kernel"]
        values.arguments[node], values.outputs[node] = activated(graph, node, parts, values.products[node])
    return values


def parts_of(graph: nx.DiGraph, node: int, weights: Weights) -> dict[str, Array]:
    """A node's weights by the last word of their names, float64."""
    prefix = "output/" if node == len(graph) - 1 else f"layer_{node}/"
    names = [name for name in weights if name.startswith(prefix)]
    return {name.removeprefix(prefix): np.asarray(weights[name], np.float64) for name in names}


def concatenated(graph: nx.DiGraph, node: int, outputs: Mapping[int, Array]) -> Array:
    """What a node takes in."""
    return np.concatenate([outputs[source] for source in sorted(graph.predecessors(node))], axis=1)


def activated(graph: nx.DiGraph, node: int, parts: Mapping[str, Array], product: Array) -> tuple[Array, Array]:
    """What goes into a node's activation, and its output; the output node has no activation."""
    attributes = graph.nodes[node]
    kind = attributes.get("normalization", "none")
    z = standardized(kind, parts, product)
    if kind != "none":
        z = z * parts["gamma"] + parts["beta"]
    return z, ACTIVATIONS[attributes.get("activation", "linear")](z)


def standardized(kind: str, parts: Mapping[str, Array], product: Array) -> Array:
    """The product with its bias, as a normalisation of that kind has it before its own factor and offset."""
    if kind == "batch":
        return (product - parts["moving_mean"]) / np.sqrt(parts["moving_variance"] + EPSILON)
    z = product + parts["bias"]
    if kind == "layer":
        z = z - z.mean(axis=1, keepdims=True)
        z = z / np.sqrt((z**2).mean(axis=1, keepdims=True) + EPSILON)
    return np.asarray(z)
