"""Layered networks, which have layers other than dense ones, in numpy: initial weights and forward pass.

Like all networks, they take flat features. They first reshape these to samples, whose shape is attached to the graph by
`Problem.attach_columns`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.networks.draws import draw_kernel, orthogonal
from evonas.networks.layer_row import NetworkRow, Sources, Weight, side_by_side
from evonas.networks.layers import network_row
from evonas.seeds import RandomStream, stream_rng
from genomes.architecture.layers import row_of
from genomes.architecture.shapes import input_shape_of, kinds_of, node_shapes

__all__ = [
    "Sample",
    "initial_layered",
    "is_layered",
    "layered_predictor",
    "layered_values",
    "name_of",
    "rows_at_a_time",
]
__all__ += ["fit_frozen", "fitted_nodes", "frozen_nodes", "sample_of", "weights_of"]

Array = NDArray[Any]
Shape = tuple[int, ...]
#: Output of a node, and the mask of its steps, if any.
Value = tuple[Array, Array | None]

#: Most numbers that the largest layer holds at a time. Limits memory and does not affect results.
_NUMBERS = 1 << 22


@dataclass(frozen=True)
class Sample:
    """The shape of a sample before flattening.

    Attributes:
        shape: `(height, width, channels)`, `(steps, channels)` or `(tokens,)`.
        masked: whether the last channel marks the steps that are not padding.
    """

    shape: Shape
    masked: bool = False


def is_layered(graph: nx.DiGraph) -> bool:
    """Whether the network has layers other than dense ones."""
    return bool(kinds_of(graph) - {"dense"})


def sample_of(graph: nx.DiGraph, num_features: int) -> Sample:
    """The sample shape that `Problem.attach_columns` attached to the graph; flat for other graphs."""
    shape, masked = graph.graph.get("sample", ((), False))
    return Sample(tuple(shape) or (num_features,), bool(masked))


def name_of(graph: nx.DiGraph, node: int) -> str:
    """First part of the names of a node's weights."""
    return "output" if node == len(graph) - 1 else f"layer_{node}"


def weights_of(graph: nx.DiGraph, sample: Sample, num_outputs: int) -> Iterator[tuple[int, Mapping[str, Weight]]]:
    """Yields each node except the input, and its weights."""
    shapes = node_shapes(graph, sample.shape, num_outputs)
    for node in range(1, len(graph)):
        attributes = graph.nodes[node]
        yield node, row_at(graph, node).weights(attributes, input_shape_of(graph, node, shapes), shapes[node])


def initial_layered(graph: nx.DiGraph, num_features: int, num_outputs: int, seed: int) -> dict[str, NDArray[Any]]:
    """Initial weights, float32, by name; see `evonas.networks.initial.initial_weights`."""
    found: dict[str, NDArray[Any]] = {}
    for node, weights in weights_of(graph, sample_of(graph, num_features), num_outputs):
        rng = stream_rng(RandomStream.INITIAL_WEIGHTS, seed, node)
        initializer = str(graph.nodes[node].get("initializer", "glorot_uniform"))
        for part, weight in weights.items():
            found[f"{name_of(graph, node)}/{part}"] = _draw(weight, weight.initializer or initializer, rng)
    return found


def frozen_nodes(graph: nx.DiGraph) -> tuple[int, ...]:
    """Layers whose weights are fitted to the training rows and not trained further."""
    return tuple(node for node in range(1, len(graph) - 1) if row_of(graph.nodes[node]).frozen)


def fitted_nodes(graph: nx.DiGraph) -> tuple[int, ...]:
    """Layers some or all of whose weights are fitted to the training rows: frozen layers and bags of words."""
    return tuple(node for node in range(1, len(graph) - 1) if row_at(graph, node).fit is not None)


def fit_frozen(graph: nx.DiGraph, weights: Weights, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Fits the weights of `fitted_nodes` to training rows.

    Args:
        graph: the network.
        weights: initial weights, by name.
        rows: features of the training rows, shape `(num_rows, num_features)`.

    Returns:
        All weights, by name.
    """
    found, held = dict(weights), {0: shape_input(graph, rows, np.float32)}
    fitted = fitted_nodes(graph)
    for node in range(1, max(fitted, default=0) + 1):
        parts = _parts(graph, node, found, np.float32)
        if (fit := row_at(graph, node).fit) is not None:
            sources = sorted(graph.predecessors(node))
            mask = next((held[source][1] for source in sources if held[source][1] is not None), None)
            x = side_by_side([held[source][0] for source in sources])
            parts = dict(fit(graph.nodes[node], parts, x, mask))
            found |= {f"{name_of(graph, node)}/{name}": value for name, value in parts.items()}
        if node < fitted[-1]:
            held[node] = forward_node(graph, node, parts, held)
    return found


def _draw(weight: Weight, initializer: str, rng: np.random.Generator) -> NDArray[np.float32]:
    if weight.fill is not None:
        fill = np.reshape(np.asarray(weight.fill, np.float32), (-1, 1) if isinstance(weight.fill, tuple) else ())
        return np.broadcast_to(fill, weight.by_gates).reshape(weight.shape).copy()
    if initializer == "uniform":
        return rng.uniform(-0.05, 0.05, weight.shape).astype(np.float32)
    if initializer == "orthogonal":
        return orthogonal(weight.shape, rng)
    return draw_kernel(initializer, *weight.fans, rng, weight.shape)


def layered_predictor(
    graph: nx.DiGraph, weights: Weights, precision: Any = np.float32
) -> Callable[[NDArray[Any]], Array]:
    """See `evonas.networks.forward.predictor`."""
    last = len(graph) - 1
    parts = {node: _parts(graph, node, weights, precision) for node in range(1, last + 1)}
    needed = {node: max(graph.successors(node), default=last) for node in graph}

    def predict(rows: NDArray[Any]) -> Array:
        held = {0: shape_input(graph, rows, precision)}
        for node in range(1, last + 1):
            held[node] = forward_node(graph, node, parts[node], held)
            held = {other: value for other, value in held.items() if needed[other] > node or other == node}
        return held[last][0]

    return predict


def layered_values(graph: nx.DiGraph, weights: Weights, rows: NDArray[Any], precision: Any) -> dict[int, Array]:
    """The output of each node."""
    held = {0: shape_input(graph, rows, precision)}
    for node in range(1, len(graph)):
        held[node] = forward_node(graph, node, _parts(graph, node, weights, precision), held)
    return {node: value for node, (value, _) in held.items()}


def shape_input(graph: nx.DiGraph, rows: NDArray[Any], precision: Any) -> Value:
    """Reshapes rows to samples; returns these and the mask of their steps, if any."""
    x = np.asarray(rows, precision)
    sample = sample_of(graph, x.shape[1])
    x = x.reshape(-1, *sample.shape)
    return x, (x[..., -1:] > 0.5).astype(precision) if sample.masked else None


def forward_node(graph: nx.DiGraph, node: int, parts: Mapping[str, Array], held: Mapping[int, Value]) -> Value:
    """The output of a node, computed from the outputs of its sources in `held`."""
    sources: Sources = [held[source][0] for source in sorted(graph.predecessors(node))]
    masks = (held[source][1] for source in sorted(graph.predecessors(node)))
    mask = next((each for each in masks if each is not None), None)
    return row_at(graph, node).forward(graph.nodes[node], parts, sources, mask)


def rows_at_a_time(graph: nx.DiGraph, num_features: int, num_outputs: int, most: int) -> int:
    """Number of rows to predict at a time: `most`, or fewer if layers are large."""
    sample = sample_of(graph, num_features)
    shapes = node_shapes(graph, sample.shape, num_outputs)
    largest = max(
        math.prod(shapes[node]) * _patch(graph.nodes[node], input_shape_of(graph, node, shapes), shapes[node])
        for node in range(1, len(graph))
    )
    return max(1, min(most, _NUMBERS // max(largest, 1)))


def _patch(attributes: Mapping[str, Any], input_shape: Shape, output_shape: Shape) -> int:
    """Numbers that are held per output of a layer, such as the elements of a convolution's patches."""
    if row_of(attributes).frozen:  # the outputs at all steps, of which few are held at a time
        return max(1, input_shape[0] // 4)
    if "kernel" not in attributes:
        return max(1, math.prod(input_shape) // max(1, math.prod(output_shape)))
    window = attributes["kernel"]
    area: int = window[0] ** (len(input_shape) - 1) if len(window) == 1 else math.prod(window)
    return max(1, area * input_shape[-1] // output_shape[-1])


def row_at(graph: nx.DiGraph, node: int) -> NetworkRow:
    """The row of the node's kind."""
    return network_row(graph.nodes[node]["kind"])


def _parts(graph: nx.DiGraph, node: int, weights: Weights, precision: Any) -> dict[str, Array]:
    prefix = f"{name_of(graph, node)}/"
    return {
        name.removeprefix(prefix): np.asarray(value, precision)
        for name, value in weights.items()
        if name.startswith(prefix)
    }
