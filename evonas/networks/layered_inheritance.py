"""Weight inheritance for networks with layers other than dense ones. Pure numpy, no Keras.

The layers of both networks are aligned, and channels are traced from the input onwards. Unit k of a wider layer is a
copy of the parent's unit k modulo its width, so that all layers that are added to each other are replicated alike; the
layers that take copies as input divide their weights among them (Net2Net, Chen et al. 2016). A new layer starts as the
identity, if possible; a new sum keeps its first source, and its new branch starts at zero. In these cases the child
computes the same function as its parent. For all other changes, weights that fit are kept: kernels of a different size
are centred, and new weights have their initial values.

References:
    Chen, Goodfellow and Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016.
"""

from __future__ import annotations

import math
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.networks.alignment import align_nodes
from evonas.networks.layer_row import NetworkRow, Weight, side_by_side
from evonas.networks.layered import (
    Value,
    forward_node,
    frozen_nodes,
    layered_values,
    name_of,
    row_at,
    sample_of,
    shape_input,
    weights_of,
)
from genomes.architecture.shapes import node_shapes

__all__ = ["inherit_layered_weights"]

Array = NDArray[Any]
Indices = NDArray[np.intp]

#: Relative tolerance of outputs for a preserved function.
_TOLERANCE = 1e-4
#: Number of rows for the statistics of new normalisation layers, and to check whether the function was preserved.
_ROWS = 64


def inherit_layered_weights(
    parent: nx.DiGraph, trained: Weights, child: nx.DiGraph, initial: Weights, rows: Array
) -> tuple[dict[str, NDArray[np.float32]], bool]:
    """The child's weights, float32 by name, and whether it computes the same function as its parent.

    Args:
        parent, trained: the trained network and its weights.
        child, initial: the inheriting network and its initial weights.
        rows: features of some training rows, shape `(num_rows, num_features)`.
    """
    if [parent.nodes[node] for node in frozen_nodes(parent)] != [child.nodes[node] for node in frozen_nodes(child)]:
        # The child's fixed features differ from the parent's, so that the parent's trained weights are useless to it.
        return {name: np.array(value, np.float32) for name, value in initial.items()}, False
    some = np.asarray(rows[:_ROWS], np.float32)
    found = _Inheritance(parent, trained, child, initial, some).weights()
    theirs, ours = (
        layered_values(graph, weights, some, np.float32)[len(graph) - 1]
        for graph, weights in ((parent, trained), (child, found))
    )
    same = theirs.shape == ours.shape and bool(np.abs(ours - theirs).max() <= _TOLERANCE * (1 + np.abs(theirs).max()))
    return found, same


class _Inheritance:
    """Determines the child's weights node by node, computing the outputs along the way.

    `_carried` maps a node to a node of the parent and, for each of its channels, the index of the parent's channel that
    it equals, or -1.
    """

    def __init__(self, parent: nx.DiGraph, trained: Weights, child: nx.DiGraph, initial: Weights, rows: Array) -> None:
        self._parent, self._trained, self._child, self._rows = parent, trained, child, rows
        outputs, width = len(initial["output/bias"]), rows.shape[1]
        self._shapes = [node_shapes(graph, sample_of(graph, width).shape, outputs) for graph in (parent, child)]
        self._specifications = dict(weights_of(child, sample_of(child, width), outputs))
        self._before = dict(weights_of(parent, sample_of(parent, width), outputs))
        self._initial = {name: np.array(value, np.float32) for name, value in initial.items()}
        self._found = dict(self._initial)
        self._pairs = align_nodes(parent, child)
        theirs, ours = self._shapes[0][0], self._shapes[1][0]
        first = np.arange(ours[-1]) if theirs == ours else np.full(ours[-1], -1)
        self._carried: dict[int, tuple[int, Indices]] = {0: (0, first)}
        self._values: dict[int, Value] = {0: shape_input(child, rows, np.float32)}

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The child's weights, by name."""
        for node in range(1, len(self._child)):
            if node in self._pairs:
                self._inherit(node, self._pairs[node])
            else:
                self._add(node)
            self._compute(node)
        return self._found

    def _compute(self, node: int) -> None:
        self._values[node] = forward_node(self._child, node, self._parts(node), self._values)

    def _parts(self, node: int) -> dict[str, Array]:
        name = name_of(self._child, node)
        return {part: self._found[f"{name}/{part}"] for part in self._specifications[node]}

    def _sources(self, node: int) -> list[int]:
        return sorted(self._child.predecessors(node))

    # Layers that the parent has; `there` is the parent's node.

    def _inherit(self, node: int, there: int) -> None:
        row, name, before = row_at(self._child, node), name_of(self._child, node), name_of(self._parent, there)
        taken = self._trace_inputs(node, there, row)
        theirs, ours = self._shapes[0][there][-1], self._shapes[1][node][-1]
        given = np.arange(ours) % theirs
        for part, weight in self._specifications[node].items():
            value = self._trained.get(f"{before}/{part}")
            known = self._before[there].get(part)
            if value is not None and known is not None and known.axes == weight.axes and known.gates == weight.gates:
                own = self._found[f"{name}/{part}"]
                given_by_gates = np.asarray(value, np.float32).reshape(known.by_gates)
                self._found[f"{name}/{part}"] = _inherit_weight(own, weight, given_by_gates, taken, given)
        traces = row.passes or row.flattens
        self._carried[node] = (there, self._trace_outputs(node, there, row, taken) if traces else given)

    def _trace_inputs(self, node: int, there: int, row: NetworkRow) -> Indices:
        """For each input channel of the node, the index of the parent's input channel that it equals, or -1."""
        offsets, start = {}, 0
        for source in sorted(self._parent.predecessors(there)):
            offsets[source] = start
            start += 0 if row.sums else self._shapes[0][source][-1]
        found = []
        for source in self._sources(node):
            carried, indices = self._carried.get(source, (-1, None))
            width = self._shapes[1][source][-1]
            if indices is None or carried not in offsets:
                found.append(np.full(width, -1))
            else:
                found.append(np.where(indices < 0, -1, indices + offsets[carried]))
        if row.sums:
            return next((indices for indices in found if (indices >= 0).any()), found[0])
        return np.concatenate(found)

    def _trace_outputs(self, node: int, there: int, row: NetworkRow, taken: Indices) -> Indices:
        """For each output channel of a layer that keeps channels, the index of the parent's that it equals, or -1."""
        if row.passes:
            return taken
        (source, *_), (theirs, *_) = self._sources(node), sorted(self._parent.predecessors(there))
        ours, before = self._shapes[1][source], self._shapes[0][theirs]
        width = sum(self._shapes[0][each][-1] for each in self._parent.predecessors(there))
        if ours[:-1] != before[:-1]:
            return np.full(self._shapes[1][node][-1], -1)
        offsets = np.arange(math.prod(ours[:-1]))[:, None] * width
        return np.where(taken < 0, -1, offsets + taken).reshape(-1)

    # New layers.

    def _add(self, node: int) -> None:
        """Makes a new layer the identity, if possible."""
        row, name, sources = row_at(self._child, node), name_of(self._child, node), self._sources(node)
        carrying = [source for source in sources if source in self._carried]
        if not carrying or (len(sources) > 1 and not row.sums):
            return
        first = carrying[0]
        if row.sums:
            for other in sources:
                if other != first and other not in self._pairs:
                    self._silence(other)
        inputs = side_by_side([self._values[source][0] for source in ([first] if row.sums else sources)])
        parts = row.identity(self._child.nodes[node], self._parts(node), inputs, bool(inputs.min() >= 0))
        there, indices = self._carried[first]
        if parts is not None:
            self._found |= {f"{name}/{part}": np.asarray(value, np.float32) for part, value in parts.items()}
        elif not row.passes:
            return
        more = self._shapes[1][node][-1] - len(indices)
        if more >= 0:
            self._carried[node] = (there, np.concatenate([indices, np.full(more, -1)]))

    def _silence(self, node: int) -> None:
        """Makes the node's output zero, so that it does not change a sum."""
        name = name_of(self._child, node)
        part = next((each for each in row_at(self._child, node).silenced if f"{name}/{each}" in self._found), None)
        if part is not None:
            self._found |= {f"{name}/{each}": self._initial[f"{name}/{each}"] for each in self._parts(node)}
            self._found[f"{name}/{part}"] = np.zeros_like(self._found[f"{name}/{part}"])
            self._compute(node)


def _inherit_weight(own: Array, weight: Weight, value: Array, taken: Indices, given: Indices) -> NDArray[np.float32]:
    """A weight of the child: the parent's values where they exist, 0 for inputs that the parent lacked, else `own`.

    Args:
        own: initial values of the weight.
        weight: description of its axes.
        value: the parent's weight, with an axis for the gates.
        taken, given: for each input and output channel of the child, the index of the parent's channel, or -1.
    """
    shape = weight.by_gates
    own = own.reshape(shape)
    index, missing = [], np.zeros(shape, bool)
    shares: Array = np.ones(shape, np.float32)
    absent = np.zeros(shape, bool)
    for axis, (letter, size) in enumerate(zip(weight.axes, shape, strict=True)):
        indices = _parent_indices(letter, size, value.shape[axis], taken, given)
        along = [1] * len(shape)
        along[axis] = size
        if letter in "is" and (indices >= 0).any():
            absent |= (indices < 0).reshape(along)
        else:
            missing |= (indices < 0).reshape(along)
        if letter in "ir":
            counts = np.bincount(indices[indices >= 0], minlength=value.shape[axis])
            shares = shares / np.maximum(counts[indices], 1).reshape(along).astype(np.float32)
        index.append(np.maximum(indices, 0))
    found: Array = value[np.ix_(*index)] * shares
    if "i" in weight.axes:
        found = found + _perturb_copies(own, weight.axes.index("i"), taken)
    found = np.where(absent, np.float32(0.0), found)
    return np.asarray(np.where(missing, own, found), np.float32).reshape(weight.shape)


def _parent_indices(letter: str, size: int, before: int, taken: Indices, given: Indices) -> Indices:
    """For each index of the child's weight along an axis, the index of the parent's weight; -1 if there is none."""
    own = np.arange(size)
    if letter in "ic":
        known = np.where(taken < before, taken, -1)
        return known if (known >= 0).any() else np.where(own < before, own, -1)
    if letter in "or":
        return np.where(given < before, given, -1) if len(given) == size else own % before
    if letter == "s":
        own = own - size // 2 + before // 2
    return np.where((own >= 0) & (own < before), own, -1)


def _perturb_copies(own: Array, axis: int, taken: Indices) -> Array:
    """Perturbations of copies to break the symmetry: initial values, centred to sum to zero over a channel's copies."""
    found = np.zeros_like(own)
    first, values = np.moveaxis(found, axis, 0), np.moveaxis(own, axis, 0)
    for channel in np.unique(taken[taken >= 0]):
        copies = np.flatnonzero(taken == channel)
        if len(copies) > 1:
            first[copies] = values[copies] - values[copies].mean(axis=0)
    return found
