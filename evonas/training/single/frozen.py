"""Outputs of a frozen first layer for all rows, computed once, so that only the rest is trained. Pure numpy.

Networks with the same frozen layer share its outputs, as far as memory allows.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.memo import Memo
from evonas.data.prepared import Split
from evonas.evaluation import Weights
from evonas.networks.layered import fit_frozen, forward_node, frozen_nodes, initial_layered, name_of, shape_input
from genomes.architecture.shapes import input_shape, node_shapes

__all__ = ["Frozen", "FrozenLayers", "begins_frozen", "split_behind"]

#: Maximum number of features held for all rows; a network with more recomputes them in each epoch.
_MOST_BYTES = 1 << 30
#: Rows computed at a time.
_ROWS = 256


@dataclass(frozen=True, eq=False)
class Frozen:
    """A frozen first layer.

    Attributes:
        weights: the layer's weights by name.
        train, validation: its outputs for the rows, shape `(num_rows, features)`.
    """

    weights: Weights
    train: NDArray[np.float32]
    validation: NDArray[np.float32]

    def split(self, split: Split) -> Split:
        """The split with the layer's outputs in place of the features."""
        return replace(split, x_train=self.train, x_validation=self.validation)


@dataclass(frozen=True)
class _Key:
    """Identifies a layer and the rows."""

    layer: str
    fold: int
    graph: nx.DiGraph = field(compare=False)
    split: Split = field(compare=False)


class FrozenLayers:
    """Computes the frozen layers of networks, and caches the latest."""

    def __init__(self) -> None:
        self._memo: Memo[_Key, Frozen] = Memo(_compute, _bytes, _MOST_BYTES)

    def fit(self, graph: nx.DiGraph, split: Split, fold: int) -> Frozen | None:
        """The network's frozen layer, fitted to the fold's training rows; None if it has none, or too many features."""
        if not begins_frozen(graph) or _size(graph, split) > _MOST_BYTES:
            return None
        layer = json.dumps([dict(graph.nodes[1]), graph.graph.get("sample")], sort_keys=True)
        return self._memo(_Key(layer, fold, graph, split))


def begins_frozen(graph: nx.DiGraph) -> bool:
    """Whether only a single frozen layer takes the input."""
    return frozen_nodes(graph) == (1,) and list(graph.successors(0)) == [1]


def split_behind(graph: nx.DiGraph, weights: Weights, split: Split) -> Split:
    """The split with the outputs of the network's frozen first layer, with these weights, in place of the features."""
    parts = [_compute_first_layer(graph, weights, x) for x in (split.x_train, split.x_validation)]
    return replace(split, x_train=parts[0], x_validation=parts[1])


def _compute(key: _Key) -> Frozen:
    graph, split = key.graph, key.split
    rows = np.asarray(split.x_train)
    weights = fit_frozen(graph, initial_layered(graph, rows.shape[1], 1, 0), rows)
    own = {name: value for name, value in weights.items() if name.startswith(f"{name_of(graph, 1)}/")}
    return Frozen(own, *(_compute_first_layer(graph, own, x) for x in (split.x_train, split.x_validation)))


def _compute_first_layer(graph: nx.DiGraph, weights: Weights, x: Any) -> NDArray[np.float32]:
    """Outputs of the first layer, shape `(num_rows, features)`."""
    prefix = f"{name_of(graph, 1)}/"
    parts = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    found = [
        forward_node(graph, 1, parts, {0: shape_input(graph, np.asarray(x[start : start + _ROWS]), np.float32)})[0]
        for start in range(0, len(x), _ROWS)
    ]
    return np.concatenate(found) if found else np.zeros((0, 1), np.float32)


def _size(graph: nx.DiGraph, split: Split) -> int:
    """Size in bytes of the features of all rows."""
    width = split.x_train.shape[1]
    sample = input_shape(graph, width, tuple(graph.graph.get("sample", ((), False))[0]))
    features = math.prod(node_shapes(graph, sample, 1)[1])
    return 4 * features * (len(split.x_train) + len(split.x_validation))


def _bytes(frozen: Frozen) -> int:
    return frozen.train.nbytes + frozen.validation.nbytes
