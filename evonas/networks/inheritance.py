"""Inheritance of trained weights by a changed network. Pure numpy, no Keras.

The layers of both networks are aligned. Corresponding layers are copied; units of wider layers are replicated, dividing
their outgoing weights, and new layers are initialised to the identity (Net2Net, Chen et al. 2016), so that the child
computes the same function as its parent. Outgoing weights of replicated units get perturbations that sum to zero, to
break the symmetry.

For changes that cannot preserve the function (fewer units, a removed layer or edge, another activation), weights that
fit are kept, and each later node is corrected by a ridge regression, on a few rows, of its input in the parent on its
input in the child. Whether the function was preserved is measured on these rows. Networks with embeddings or members:
see `partial_inheritance`; with other layers than dense ones: `layered_inheritance`.

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
from evonas.networks.partial_inheritance import inherit_parts, is_plain

__all__ = ["inherit_weights"]

Array = NDArray[np.float64]

#: Relative tolerance of outputs for a preserved function.
_TOLERANCE = 1e-5
#: Ridge penalty, relative to the mean variance of the regressors.
_RIDGE = 1e-2
#: Nodes with more inputs are not repaired: solving takes cubic time.
_MOST_INPUTS = 1024
#: Activations that are linear above 0, with their slope there.
_SLOPE_ABOVE = {"relu": 1.0, "leaky_relu": 1.0, "elu": 1.0, "selu": 1.0507009873554805}
#: Activations f with f(z) - f(-z) = k z, with their k.
_ODD_PART = {"relu": 1.0, "leaky_relu": 1.2, "gelu": 1.0, "silu": 1.0}
_NEVER_NEGATIVE = ("relu", "sigmoid")


@dataclass(frozen=True, eq=False)
class _Carrier:
    """What a node of the child says of the parent: `outputs @ readout` are, but for offsets, a parent node's outputs.

    Attributes:
        node: of the parent.
        readout: shape `(units, units of that node)`.
        copies: groups of units with equal outputs.
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
        initial: its own initial weights, by name.
        rows: some features that are trained on, shape `(num_rows, num_features)`.
        rng: selects the units to replicate.
        same_features: whether the two see the same features, or the weights were made those of the same. They need not
            be where one of them has an embedding or members, whose weights are taken over part by part.
    """
    if is_layered(parent) or is_layered(child):
        return inherit_layered_weights(parent, trained, child, initial, rows)
    if not (is_plain(parent) and is_plain(child)):
        parts = inherit_parts(parent, trained, child, initial, same_features)
        if not same_features:
            return parts, False
        theirs, ours = (raw_outputs(graph, weights, rows) for graph, weights in ((parent, trained), (child, parts)))
        return parts, bool(np.abs(ours - theirs).max() <= _TOLERANCE * (1.0 + np.abs(theirs).max()))
    return _Heir(parent, trained, child, initial, rows, rng).weights()


class _Heir:
    """Fills in the child node by node, in topological order, and computes it along."""

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
        #: Node -> which of the parent's units its own are.
        self._taken: dict[int, NDArray[np.intp]] = {}
        given, own = {**initial, **{name: trained[name] for name in (SCALES,) if name in trained}}, SCALES in initial
        self._scales = {SCALES: np.asarray(given[SCALES], np.float32)} if own else {}
        self._outputs: dict[int, Array] = {0: scale_inputs(child, self._scales, rows)}
        # Factors that the child has not go into the kernels.
        left = INPUT_RATE * np.asarray(trained[SCALES], np.float64) if SCALES in trained and not own else 1.0
        self._carriers: dict[int, _Carrier] = {0: _Carrier(0, np.eye(self._outputs[0].shape[1]) * left)}

    def weights(self) -> tuple[dict[str, NDArray[np.float32]], bool]:
        found: dict[str, NDArray[np.float32]] = dict(self._scales)
        last = len(self._child) - 1
        for node in range(1, last + 1):
            parts = self._take_over(node) if node in self._pairs else self._new(node)
            prefix = "output" if node == last else f"layer_{node}"
            parts = self._with_blend(node, parts)
            found |= {f"{prefix}/{part}": value.astype(np.float32) for part, value in parts.items()}
            parts = parts_of(self._child, node, found)
            _, self._outputs[node] = activate(self._child, node, parts, self._inputs(node) @ parts["kernel"])
        theirs, ours = self._theirs.outputs[len(self._parent) - 1], self._outputs[last]
        return found, bool(np.abs(ours - theirs).max() <= _TOLERANCE * (1.0 + np.abs(theirs).max()))

    def _inputs(self, node: int) -> Array:
        return concatenate_sources(self._child, node, self._outputs)

    # Layers that the parent has.

    def _take_over(self, node: int) -> dict[str, Array]:
        there = self._pairs[node]
        own, theirs = parts_of(self._child, node, self._initial), parts_of(self._parent, there, self._trained)
        units = self._taken[node] = self._units(own["kernel"].shape[1], theirs["kernel"])
        target, wanted = (values[there][:, units] for values in (self._theirs.products, self._theirs.arguments))
        inputs = self._inputs(node)
        kernel = self._rewire(node, there, own["kernel"], theirs["kernel"][:, units])
        kernel, offset = _repair(inputs, kernel, target)
        theirs = {part: value[units] for part, value in theirs.items() if part != "kernel"}
        if node < len(self._child) - 1:
            self._carriers[node] = _carrier(there, units, self._theirs.outputs[there].shape[1])
        return self._normalize(node, kernel, offset, inputs, theirs, self._kind(self._parent, there), wanted)

    def _units(self, wanted: int, kernel: Array) -> NDArray[np.intp]:
        """Which of the parent's units the child's are: all and some twice, or those of the largest norm."""
        there = kernel.shape[1]
        if wanted <= there:
            return np.sort(np.argsort(-np.linalg.norm(kernel, axis=0), kind="stable")[:wanted])
        order = self._rng.permutation(there)
        return np.concatenate([np.arange(there), np.resize(order, wanted - there)])

    def _rewire(self, node: int, there: int, own: Array, theirs: Array) -> Array:
        """The parent's kernel for the child's inputs: each block read off what carries the parent's source."""
        sources = sorted(self._child.predecessors(node))
        blocks = _blocks(self._parent, there, self._theirs.outputs)
        # What a source itself says goes before what a layer passes on.
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

    # Layers that it has not.

    def _new(self, node: int) -> dict[str, Array]:
        """A layer that passes on what it takes in, if it can; units beyond that, and others, have their own weights."""
        own = parts_of(self._child, node, self._initial)
        (source, *others) = sorted(self._child.predecessors(node))
        if others or source not in self._carriers:
            return own
        inputs, behind = self._outputs[source], self._carriers[source]
        width, units = own["kernel"].shape
        activation = self._child.nodes[node]["activation"]
        before = self._child.nodes[source]
        positive = source > 0 and before["activation"] in _NEVER_NEGATIVE and not before.get("parametric_activation")
        taken = np.sort(np.argsort(-np.linalg.norm(behind.readout, axis=1), kind="stable")[:units])
        rows = np.arange(len(taken))
        kernel, readout, shift = own["kernel"].copy(), np.zeros((units, width)), np.zeros(units)
        kernel[:, rows], kernel[taken, rows] = 0.0, 1.0
        if activation == "linear" or (positive and activation in _SLOPE_ABOVE):
            readout[rows, taken] = 1.0 / _SLOPE_ABOVE.get(activation, 1.0)
        elif activation in _ODD_PART and units >= 2 * width:
            kernel[:, width : 2 * width] = -np.eye(width)
            readout[: 2 * width] = np.concatenate([np.eye(width), -np.eye(width)]) / _ODD_PART[activation]
        elif activation in ("tanh", "sigmoid"):
            # Small enough to stay where it is nearly linear.
            scale = 0.5 / np.maximum(inputs[:, taken].std(axis=0), 1e-6)
            kernel[taken, rows] = scale
            readout[rows, taken] = {"tanh": 1.0, "sigmoid": 4.0}[activation] / scale
        else:
            # Moved to where it is linear; what that adds is an offset, which the next node takes away again.
            shift[rows] = 2.0 * inputs[:, taken].std(axis=0) - inputs[:, taken].mean(axis=0)
            readout[rows, taken] = 1.0 / _SLOPE_ABOVE.get(activation, 1.0)
        self._carriers[node] = _Carrier(behind.node, readout @ behind.readout)
        return self._normalize(node, kernel, shift * 0.0, inputs, {"bias": shift}, "none", inputs @ kernel + shift)

    def _with_blend(self, node: int, parts: dict[str, Array]) -> dict[str, Array]:
        """The node's weights with shares of activations if it has some: the parent's units' where it has them too."""
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
        """All weights of the node, so that its activation takes in what the parent's does.

        Args:
            node: of the child.
            kernel, offset: `inputs @ kernel + offset` is near what the parent's kernel gives.
            inputs: of the node.
            theirs: the parent's weights for the same units, without the kernel.
            kind_there: the parent's normalisation.
            wanted: what the parent's activation takes in.
        """
        kind = self._kind(self._child, node)
        if kind == kind_there:
            mended = "moving_mean" if kind == "batch" else "bias"
            sign = -1.0 if kind == "batch" else 1.0
            return {"kernel": kernel, **theirs, mended: theirs[mended] + sign * offset}
        product = inputs @ kernel
        if kind_there == "layer" or kind == "layer":
            given = standardize("layer", {"bias": np.zeros(1)}, product) if kind == "layer" else product
            scale, move = _line(given, wanted)
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
    """Of units that are the parent's `units`: each of these is the mean of its copies."""
    readout = np.zeros((len(units), width))
    readout[np.arange(len(units)), units] = 1.0 / np.bincount(units, minlength=width)[units]
    groups = (np.flatnonzero(units == unit) for unit in np.unique(units))
    return _Carrier(node, readout, tuple(group for group in groups if len(group) > 1))


def _blocks(graph: nx.DiGraph, node: int, outputs: Mapping[int, Array]) -> dict[int, slice]:
    """Source -> its rows in the node's kernel."""
    blocks, row = {}, 0
    for source in sorted(graph.predecessors(node)):
        blocks[source] = slice(row, row + outputs[source].shape[1])
        row += outputs[source].shape[1]
    return blocks


def _repair(inputs: Array, kernel: Array, target: Array) -> tuple[Array, Array]:
    """The kernel and an offset with `inputs @ kernel + offset` near `target`; the kernel as it is where that is so."""
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


def _line(given: Array, wanted: Array) -> tuple[Array, Array]:
    """Factor and offset of each column, by least squares."""
    mean, target = given.mean(axis=0), wanted.mean(axis=0)
    moved = given - mean
    factor = (moved * wanted).sum(axis=0) / np.maximum((moved**2).sum(axis=0), 1e-12)
    return factor, target - factor * mean
