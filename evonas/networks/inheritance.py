"""Inheritance of trained weights by a changed network. Pure numpy, no Keras.

The layers of both networks are aligned. Corresponding layers are copied; units of wider layers are replicated and their
outgoing weights divided, and new layers are initialised to the identity (Net2Net, Chen et al. 2016), so that the child
computes the same function as its parent. The outgoing weights of replicated units get perturbations that sum to zero,
to break the symmetry.

For changes that cannot preserve the function (fewer units, a removed layer or edge, another activation), weights that
fit are kept, and each later node is corrected by a ridge regression, on a few rows, of its pre-activations in the
parent on its input in the child. Whether the function was preserved is measured on these rows. Networks with embeddings
or members are handled in `partial_inheritance`, and networks with layers other than dense ones in
`layered_inheritance`.

References:
    Chen, Goodfellow and Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.networks.alignment import align_nodes
from evonas.networks.forward import (
    EPSILON,
    INPUT_RATE,
    SCALES,
    activate,
    concatenate_sources,
    forward,
    parts_of,
    raw_outputs,
    scale_inputs,
    standardize,
)
from evonas.networks.layered import is_layered
from evonas.networks.layered_inheritance import inherit_layered_weights
from evonas.networks.neighbours import without_references
from evonas.networks.partial_inheritance import inherit_parts, is_plain
from genomes.architecture.graph import finds_neighbours

__all__ = ["inherit_weights"]

Array = NDArray[np.float64]

#: Relative tolerance of outputs for a preserved function.
_TOLERANCE = 1e-5
#: Ridge penalty, relative to the mean variance of the regressors.
_RIDGE = 1e-2
#: Nodes with more inputs are not corrected, since solving takes cubic time.
_MOST_INPUTS = 1024
#: Activations that are linear above 0 -> slope above 0.
_SLOPE_ABOVE = {"relu": 1.0, "leaky_relu": 1.0, "elu": 1.0, "selu": 1.0507009873554805}
#: Activations f with f(z) - f(-z) = k z -> k.
_ODD_PART = {"relu": 1.0, "leaky_relu": 1.2, "gelu": 1.0, "silu": 1.0}
_NEVER_NEGATIVE = ("relu", "sigmoid")


@dataclass(frozen=True, eq=False)
class _Carrier:
    """How a node of the parent is read off a child's node: its outputs are `outputs @ readout` up to an offset.

    Attributes:
        node: node of the parent.
        readout: matrix of shape `(units of the child's node, units of the parent's node)`.
        copies: groups of units of the child's node with equal outputs.
    """

    node: int
    readout: Array
    copies: tuple[NDArray[np.intp], ...] = ()


def inherit_weights(
    parent: nx.DiGraph,
    trained: Weights,
    child: nx.DiGraph,
    initial: Weights,
    rows: NDArray[Any],
    rng: np.random.Generator,
    same_features: bool = True,
) -> tuple[dict[str, NDArray[np.float32]], bool]:
    """The child's weights, float32 by name, and whether it computes the same function as its parent.

    Args:
        parent: architecture graph of the trained network.
        trained: its weights, by name.
        child: architecture graph of the inheriting network.
        initial: initial weights of the child, by name.
        rows: features of some training rows, shape `(num_rows, num_features)`.
        rng: selects the units to replicate.
        same_features: whether both networks use the same features, or `trained` was converted accordingly. This is not
            required if one of them has an embedding or members, whose weights are inherited part by part.
    """
    trained = without_references(trained)
    if is_layered(parent) or is_layered(child):
        return inherit_layered_weights(parent, trained, child, initial, rows)
    if not (is_plain(parent) and is_plain(child)):
        parts = inherit_parts(parent, trained, child, initial, same_features)
        if not same_features or finds_neighbours(parent) != finds_neighbours(child):
            return parts, False
        theirs, ours = (raw_outputs(graph, weights, rows) for graph, weights in ((parent, trained), (child, parts)))
        return parts, bool(np.abs(ours - theirs).max() <= _TOLERANCE * (1.0 + np.abs(theirs).max()))
    return _Inheritance(parent, trained, child, initial, rows, rng).weights()


class _Inheritance:
    """Determines the child's weights node by node, in topological order, computing the outputs along the way."""

    def __init__(
        self,
        parent: nx.DiGraph,
        trained: Weights,
        child: nx.DiGraph,
        initial: Weights,
        rows: NDArray[Any],
        rng: np.random.Generator,
    ) -> None:
        self._parent, self._trained, self._child, self._initial, self._rng = parent, trained, child, initial, rng
        self._theirs = forward(parent, trained, rows)
        self._pairs = align_nodes(parent, child)
        #: Node -> indices of the parent's units that its units correspond to.
        self._taken: dict[int, NDArray[np.intp]] = {}
        given, own = {**initial, **{name: trained[name] for name in (SCALES,) if name in trained}}, SCALES in initial
        self._scales = {SCALES: np.asarray(given[SCALES], np.float32)} if own else {}
        self._outputs: dict[int, Array] = {0: scale_inputs(child, self._scales, rows)}
        # Feature scales that the child lacks are merged into the kernels.
        left = INPUT_RATE * np.asarray(trained[SCALES], np.float64) if SCALES in trained and not own else 1.0
        self._carriers: dict[int, _Carrier] = {0: _Carrier(0, np.eye(self._outputs[0].shape[1]) * left)}

    def weights(self) -> tuple[dict[str, NDArray[np.float32]], bool]:
        """The child's weights, by name, and whether the function was preserved."""
        found: dict[str, NDArray[np.float32]] = dict(self._scales)
        last = len(self._child) - 1
        for node in range(1, last + 1):
            if node == last and (finds_neighbours(self._parent) or finds_neighbours(self._child)):
                parts = self._representation()
            else:
                parts = self._inherit(node) if node in self._pairs else self._new(node)
            prefix = "output" if node == last else f"layer_{node}"
            parts = self._with_blend(node, parts)
            found |= {f"{prefix}/{part}": value.astype(np.float32) for part, value in parts.items()}
            parts = parts_of(self._child, node, found)
            _, self._outputs[node] = activate(self._child, node, parts, self._inputs(node) @ parts["kernel"])
        theirs, ours = self._theirs.outputs[len(self._parent) - 1], self._outputs[last]
        if finds_neighbours(self._parent) != finds_neighbours(self._child):
            return found, False
        return found, bool(np.abs(ours - theirs).max() <= _TOLERANCE * (1.0 + np.abs(theirs).max()))

    def _inputs(self, node: int) -> Array:
        return concatenate_sources(self._child, node, self._outputs)

    # Layers that the parent has; `there` is the parent's node.

    def _inherit(self, node: int) -> dict[str, Array]:
        there = self._pairs[node]
        own, theirs = parts_of(self._child, node, self._initial), parts_of(self._parent, there, self._trained)
        units = self._taken[node] = self._units(own["kernel"].shape[1], theirs["kernel"])
        target, wanted = (values[there][:, units] for values in (self._theirs.products, self._theirs.arguments))
        inputs = self._inputs(node)
        kernel = self._rewire(node, there, own["kernel"], theirs["kernel"][:, units])
        kernel, offset = _correct(inputs, kernel, target)
        theirs = {part: value[units] for part, value in theirs.items() if part != "kernel"}
        if node < len(self._child) - 1:
            self._carriers[node] = _carrier(there, units, self._theirs.outputs[there].shape[1])
        return self._normalize(node, kernel, offset, inputs, theirs, self._kind(self._parent, there), wanted)

    def _units(self, wanted: int, kernel: Array) -> NDArray[np.intp]:
        """Indices of the parent's units for the child: all, with random copies, or those with the largest norms."""
        count = kernel.shape[1]
        if wanted <= count:
            return np.sort(np.argsort(-np.linalg.norm(kernel, axis=0), kind="stable")[:wanted])
        order = self._rng.permutation(count)
        return np.concatenate([np.arange(count), np.resize(order, wanted - count)])

    def _rewire(self, node: int, there: int, own: Array, theirs: Array) -> Array:
        """The parent's kernel for the child's inputs: the block of each source is expressed by the child's sources."""
        sources = sorted(self._child.predecessors(node))
        blocks = _blocks(self._parent, there, self._theirs.outputs)
        # A node aligned with the parent's source takes precedence over a new layer that carries it.
        chosen = {self._carriers[s].node: s for s in reversed(sources) if s in self._carriers}
        chosen |= {self._pairs[s]: s for s in sources if s in self._pairs}
        kernel, row = np.zeros_like(own), 0
        for source in sources:
            width = self._outputs[source].shape[1]
            carrier = self._carriers.get(source)
            if carrier is not None and carrier.node in blocks and chosen[carrier.node] == source:
                block = carrier.readout @ theirs[blocks[carrier.node]]
                for copies in carrier.copies:
                    spread = own[row + copies]
                    block[copies] += spread - spread.mean(axis=0)
                kernel[row : row + width] = block
            row += width
        return kernel

    def _representation(self) -> dict[str, Array]:
        """Weights of the output if one of the networks predicts from learned neighbours: its own, unless both do."""
        node, there = len(self._child) - 1, len(self._parent) - 1
        own = parts_of(self._child, node, self._initial)
        if finds_neighbours(self._parent) != finds_neighbours(self._child):
            return own
        kernel = self._rewire(node, there, own["kernel"], parts_of(self._parent, there, self._trained)["kernel"])
        return {"kernel": _correct(self._inputs(node), kernel, self._theirs.products[there])[0]}

    # New layers.

    def _new(self, node: int) -> dict[str, Array]:
        """Weights of a new layer: the identity, if possible; all other units have their initial weights."""
        own = parts_of(self._child, node, self._initial)
        (source, *others) = sorted(self._child.predecessors(node))
        if others or source not in self._carriers:
            return own
        inputs, carrier = self._outputs[source], self._carriers[source]
        width, units = own["kernel"].shape
        activation = self._child.nodes[node]["activation"]
        before = self._child.nodes[source]
        positive = source > 0 and before["activation"] in _NEVER_NEGATIVE and not before.get("parametric_activation")
        taken = np.sort(np.argsort(-np.linalg.norm(carrier.readout, axis=1), kind="stable")[:units])
        rows = np.arange(len(taken))
        kernel, readout, shift = own["kernel"].copy(), np.zeros((units, width)), np.zeros(units)
        kernel[:, rows], kernel[taken, rows] = 0.0, 1.0
        if activation == "linear" or (positive and activation in _SLOPE_ABOVE):
            readout[rows, taken] = 1.0 / _SLOPE_ABOVE.get(activation, 1.0)
        elif activation in _ODD_PART and units >= 2 * width:
            kernel[:, width : 2 * width] = -np.eye(width)
            readout[: 2 * width] = np.concatenate([np.eye(width), -np.eye(width)]) / _ODD_PART[activation]
        elif activation in ("tanh", "sigmoid"):
            # Scaled down to the range in which the activation is nearly linear.
            scale = 0.5 / np.maximum(inputs[:, taken].std(axis=0), 1e-6)
            kernel[taken, rows] = scale
            readout[rows, taken] = {"tanh": 1.0, "sigmoid": 4.0}[activation] / scale
        else:
            # Shifted to the range in which the activation is linear; the next node removes the resulting offset.
            shift[rows] = 2.0 * inputs[:, taken].std(axis=0) - inputs[:, taken].mean(axis=0)
            readout[rows, taken] = 1.0 / _SLOPE_ABOVE.get(activation, 1.0)
        self._carriers[node] = _Carrier(carrier.node, readout @ carrier.readout)
        return self._normalize(node, kernel, shift * 0.0, inputs, {"bias": shift}, "none", inputs @ kernel + shift)

    def _with_blend(self, node: int, parts: dict[str, Array]) -> dict[str, Array]:
        """Adds the weights of a parametric activation, if the node has one: the parent's, or else the initial ones."""
        found, own = dict(parts), parts_of(self._child, node, self._initial).get("blend")
        found.pop("blend", None)
        if own is None:
            return found
        if node in self._pairs and "blend" in (theirs := parts_of(self._parent, self._pairs[node], self._trained)):
            return found | {"blend": theirs["blend"][self._taken[node]]}
        return found | {"blend": own}

    # Normalisation.

    @staticmethod
    def _kind(graph: nx.DiGraph, node: int) -> str:
        return str(graph.nodes[node].get("normalization", "none"))

    def _normalize(
        self,
        node: int,
        kernel: Array,
        offset: Array,
        inputs: Array,
        theirs: Mapping[str, Array],
        kind_there: str,
        wanted: Array,
    ) -> dict[str, Array]:
        """All weights of the node, so that its pre-activations equal the parent's.

        Args:
            node: node of the child.
            kernel, offset: `inputs @ kernel + offset` approximates the product of the parent's inputs and kernel.
            inputs: inputs of the node.
            theirs: the parent's weights for the same units, without the kernel.
            kind_there: the parent's normalisation.
            wanted: the parent's pre-activations.
        """
        kind = self._kind(self._child, node)
        if kind == kind_there:
            shifted = "moving_mean" if kind == "batch" else "bias"
            sign = -1.0 if kind == "batch" else 1.0
            return {"kernel": kernel, **theirs, shifted: theirs[shifted] + sign * offset}
        product = inputs @ kernel
        if kind_there == "layer" or kind == "layer":
            given = standardize("layer", {"bias": np.zeros(1)}, product) if kind == "layer" else product
            scale, move = _fit_lines(given, wanted)
        elif kind_there == "batch":
            scale = theirs["gamma"] / np.sqrt(theirs["moving_variance"] + EPSILON)
            move = theirs["beta"] + scale * (offset - theirs["moving_mean"])
        else:
            scale, move = np.ones(kernel.shape[1]), theirs["bias"] + offset
        if kind == "none":
            return {"kernel": kernel * scale, "bias": move}
        if kind == "layer":
            return {"kernel": kernel, "bias": np.zeros_like(move), "gamma": scale, "beta": move}
        mean, variance = product.mean(axis=0), product.var(axis=0)
        return {
            "kernel": kernel,
            "gamma": scale * np.sqrt(variance + EPSILON),
            "beta": move + scale * mean,
            "moving_mean": mean,
            "moving_variance": variance,
        }


def _carrier(node: int, units: NDArray[np.intp], width: int) -> _Carrier:
    """The carrier of copies of the parent's `units`: each of the parent's units is the mean of its copies."""
    readout = np.zeros((len(units), width))
    readout[np.arange(len(units)), units] = 1.0 / np.bincount(units, minlength=width)[units]
    groups = (np.flatnonzero(units == unit) for unit in np.unique(units))
    return _Carrier(node, readout, tuple(group for group in groups if len(group) > 1))


def _blocks(graph: nx.DiGraph, node: int, outputs: Mapping[int, Array]) -> dict[int, slice]:
    """Source -> the rows of the node's kernel for its outputs."""
    blocks, row = {}, 0
    for source in sorted(graph.predecessors(node)):
        blocks[source] = slice(row, row + outputs[source].shape[1])
        row += outputs[source].shape[1]
    return blocks


def _correct(inputs: Array, kernel: Array, target: Array) -> tuple[Array, Array]:
    """A kernel and an offset with `inputs @ kernel + offset` close to `target`; unchanged if the kernel fits."""
    left = target - inputs @ kernel
    if np.abs(left).max() <= _TOLERANCE * (1.0 + np.abs(target).max()):
        return kernel, np.zeros(kernel.shape[1])
    centre, offset = inputs.mean(axis=0), left.mean(axis=0)
    if inputs.shape[1] <= _MOST_INPUTS:
        moved = inputs - centre
        gram = moved.T @ moved
        ridge = _RIDGE * np.trace(gram) / len(gram) + 1e-12
        change = np.linalg.solve(gram + ridge * np.eye(len(gram)), moved.T @ (left - offset))
        kernel, offset = kernel + change, offset - centre @ change
    return kernel, offset


def _fit_lines(given: Array, wanted: Array) -> tuple[Array, Array]:
    """Factor and offset that map each column of `given` to that of `wanted`, by least squares."""
    mean, target = given.mean(axis=0), wanted.mean(axis=0)
    moved = given - mean
    factor = (moved * wanted).sum(axis=0) / np.maximum((moved**2).sum(axis=0), 1e-12)
    return factor, target - factor * mean
