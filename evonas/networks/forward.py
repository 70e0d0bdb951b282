"""The forward pass of networks in numpy, for predictions without Keras.

`raw_outputs` computes predictions of any network for any number of rows, in float32 like Keras or in float64; `forward`
computes the values of all nodes of a dense network for a few rows, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.networks.activations import ACTIVATIONS, EPSILON
from evonas.networks.layered import is_layered, layered_predictor, rows_at_a_time
from evonas.networks.neighbours import neighbour_outputs
from genomes.architecture.embedding import Embedding, categories_of, embedding_of
from genomes.architecture.graph import scales_inputs
from genomes.architecture.members import Members, members_of

__all__ = ["ACTIVATIONS", "EPSILON", "Values", "activate", "concatenate_sources", "forward", "parts_of", "predictor"]
__all__ += ["INPUT_RATE", "SCALES", "embed_inputs", "product_of", "raw_outputs", "scale_inputs", "standardize"]

Array = NDArray[Any]

#: Number of rows per batch, which limits memory and does not affect results.
_CHUNK_ROWS = 8192

#: Factor on the learning rate of the trained feature scales (6 in Holzmüller et al. 2024, Better by default). A scale
#: is the weight times this factor, and the weight starts at its inverse: since a step of Adam moves a weight by the
#: learning rate whatever its magnitude, the scale moves this many times as far.
INPUT_RATE = 6.0
#: Name of the weight with the feature scales.
SCALES = "input/scale"


@dataclass(frozen=True, eq=False)
class Values:
    """The values of a network's nodes, each of shape `(num_rows, units)`.

    Attributes:
        products: products of inputs and kernels.
        arguments: pre-activations.
        outputs: activations; for node 0, the features.
    """

    products: dict[int, Array]
    arguments: dict[int, Array]
    outputs: dict[int, Array]


def raw_outputs(graph: nx.DiGraph, weights: Weights, rows: NDArray[Any], precision: Any = np.float32) -> Array:
    """Raw outputs of the network: standardised predictions or logits, shape `(num_rows, num_outputs)`.

    Args:
        graph: the network.
        weights: its weights, by name.
        rows: features, shape `(num_rows, num_features)`.
        precision: `np.float32`, in which networks are trained, or `np.float64`, in which other rows affect only the
            last digits of a row's prediction.
    """
    predict, size = predictor(graph, weights, precision), _CHUNK_ROWS
    if is_layered(graph):
        size = rows_at_a_time(graph, rows.shape[1], len(weights["output/bias"]), size)
    with np.errstate(over="ignore", invalid="ignore"):  # non-finite outputs are detected by their score
        starts = range(0, max(len(rows), 1), size)
        return np.concatenate([predict(rows[start : start + size]) for start in starts])


def predictor(graph: nx.DiGraph, weights: Weights, precision: Any = np.float32) -> Callable[[NDArray[Any]], Array]:
    """A function rows -> raw outputs, which computes all rows at once; see `raw_outputs`."""
    if is_layered(graph):
        return layered_predictor(graph, weights, precision)
    last, members = len(graph) - 1, members_of(graph)
    parts = {node: parts_of(graph, node, weights, precision) for node in range(1, last + 1)}
    needed = {node: max(graph.successors(node), default=last) for node in graph}
    done = {node: [other for other in range(node) if needed[other] == node < last] for node in graph}

    def predict(rows: NDArray[Any]) -> Array:
        held = {0: embed_inputs(graph, weights, rows, precision)}
        for node in range(1, last + 1):
            product = product_of(concatenate_sources(graph, node, held), parts[node], members)
            references = "references" in parts[node]
            held[node] = (
                neighbour_outputs(product, parts[node])
                if references
                else activate(graph, node, parts[node], product)[1]
            )
            for other in done[node]:
                del held[other]
        return held[last] if members is None else np.asarray(held[last].mean(axis=1))

    return predict


def forward(graph: nx.DiGraph, weights: Weights, rows: NDArray[Any]) -> Values:
    """The values of all nodes of a dense network.

    Args:
        graph: the network.
        weights: its weights, by name.
        rows: features, shape `(num_rows, num_features)`.
    """
    members = members_of(graph)
    values = Values({}, {}, {0: embed_inputs(graph, weights, rows)})
    for node in range(1, len(graph)):
        parts = parts_of(graph, node, weights)
        values.products[node] = product_of(concatenate_sources(graph, node, values.outputs), parts, members)
        values.arguments[node], values.outputs[node] = activate(graph, node, parts, values.products[node])
    return values


def scale_inputs(graph: nx.DiGraph, weights: Weights, rows: NDArray[Any], precision: Any = np.float64) -> Array:
    """The features, multiplied by their trained scales if the network has them."""
    given = np.asarray(rows, precision)
    if not scales_inputs(graph):
        return given
    return np.asarray((given * precision(INPUT_RATE)) * np.asarray(weights[SCALES], precision))


def embed_inputs(graph: nx.DiGraph, weights: Weights, rows: NDArray[Any], precision: Any = np.float64) -> Array:
    """The input of the first layers, after embeddings; see `genomes.architecture.embedding.input_columns`."""
    found, numbers = scale_inputs(graph, weights, rows, precision), embedding_of(graph)
    if numbers is not None:
        found = np.concatenate([*_embed_columns(numbers, weights, found, precision), found[:, numbers.rest]], axis=1)
    if (categories := categories_of(graph)) is not None:
        given = _embed_columns(categories, weights, np.asarray(rows, precision), precision)
        found = np.concatenate([found, *given], axis=1)
    return found


def parts_of(graph: nx.DiGraph, node: int, weights: Weights, precision: Any = np.float64) -> dict[str, Array]:
    """A node's weights, by the last part of their names."""
    prefix = "output/" if node == len(graph) - 1 else f"layer_{node}/"
    names = [name for name in weights if name.startswith(prefix)]
    return {name.removeprefix(prefix): np.asarray(weights[name], precision) for name in names}


def concatenate_sources(graph: nx.DiGraph, node: int, outputs: Mapping[int, Array]) -> Array:
    """The input of a node, broadcast over members if any source has them."""
    found = [outputs[source] for source in sorted(graph.predecessors(node))]
    if len(found) == 1:
        return found[0]
    by_members = next((each.shape[:2] for each in found if each.ndim == 3), None)
    if by_members is not None:
        found = [each if each.ndim == 3 else _repeat(each, by_members[1]) for each in found]
    return np.concatenate(found, axis=-1)


def activate(graph: nx.DiGraph, node: int, parts: Mapping[str, Array], product: Array) -> tuple[Array, Array]:
    """A node's pre-activation and output; the output node has no activation."""
    attributes = graph.nodes[node]
    kind = attributes.get("normalization", "none")
    z = standardize(kind, parts, product)
    if kind != "none":
        z = z * parts["gamma"] + parts["beta"]
    given = ACTIVATIONS[attributes.get("activation", "linear")](z)
    return z, z + parts["blend"] * (given - z) if "blend" in parts else given


def standardize(kind: str, parts: Mapping[str, Array], product: Array) -> Array:
    """Adds the bias to the product and normalises it, without the scale and offset of the normalisation."""
    if kind == "batch":
        return (product - parts["moving_mean"]) / np.sqrt(parts["moving_variance"] + EPSILON)
    z = product if "bias" not in parts or "scale" in parts else product + parts["bias"]
    if kind == "layer":
        z = z - z.mean(axis=-1, keepdims=True)
        z = z / np.sqrt((z**2).mean(axis=-1, keepdims=True) + EPSILON)
    return np.asarray(z)


def _repeat(values: Array, count: int) -> Array:
    return np.broadcast_to(values[:, None], (len(values), count, values.shape[1]))


def product_of(inputs: Array, parts: Mapping[str, Array], members: Members | None) -> Array:
    """The product of inputs and kernel, `(num_rows, units)`, or `(num_rows, members, units)` if members differ."""
    kernel = parts["kernel"]
    if members is not None and inputs.ndim == 2 and ("adapter" in parts or kernel.ndim == 3):
        inputs = _repeat(inputs, members.count)
    if kernel.ndim == 3:
        return np.asarray(np.matmul(inputs.transpose(1, 0, 2), kernel).transpose(1, 0, 2))
    if "adapter" in parts:
        inputs = inputs * parts["adapter"]
    product = inputs @ kernel
    # With the members' biases, which are also added before batch normalisation.
    return np.asarray(product * parts["scale"] + parts["bias"] if "scale" in parts else product)


def _embed_columns(embedding: Embedding, weights: Weights, features: Array, precision: Any) -> list[Array]:
    """The embedding of each column."""
    name = "categories" if embedding.kind == "categories" else "embedding"
    kernels, biases = (np.asarray(weights[f"{name}/{part}"], precision) for part in ("kernel", "bias"))
    found = []
    for k, group in enumerate(embedding.groups):
        values = features[:, group]
        if embedding.kind == "periodic":
            waves, phases = (np.asarray(weights[f"waves/{part}"][k], precision) for part in ("kernel", "bias"))
            turns = values * waves + phases
            values = np.cos(2.0 * np.pi * (turns - np.floor(turns))).astype(precision)
        units = values @ kernels[k][: values.shape[1]] + biases[k]
        found.append(np.maximum(units, 0.0) if embedding.kind == "linear" else units)
    return found
