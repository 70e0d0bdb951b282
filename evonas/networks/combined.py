"""`CombinedNetwork`: one network, or the weighted mean of several, as one function of features. Pure numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.evaluation import Weights
from evonas.networks.ensemble_selection import blend_outputs
from evonas.networks.forward import raw_outputs
from genomes.architecture.graph import graph_from_json, views_of

__all__ = ["CombinedNetwork", "combine"]


@dataclass(frozen=True, eq=False)
class CombinedNetwork:
    """Networks whose predictions are averaged.

    Attributes:
        problem: the prediction problem, with the features that any of the networks uses.
        views: views of these features, for `PreparedData.new_rows`.
        graphs, weights: architecture graph and weights of each network.
        columns: indices of the features that each network uses.
        shares: weight of each network in the mean; they add up to 1.
        temperature: temperature by which logits are divided.
    """

    problem: Problem
    views: tuple[str, ...]
    graphs: tuple[nx.DiGraph, ...]
    weights: tuple[Weights, ...]
    columns: tuple[list[int], ...]
    shares: tuple[float, ...]
    temperature: float = 1.0

    def raw_outputs(self, features: NDArray[Any]) -> NDArray[Any]:
        """Standardised predictions or logits, shape `(num_rows, num_outputs)`.

        Args:
            features: features of the rows, shape `(num_rows, num_features)`.
        """
        outputs = []
        for graph, weights, columns in zip(self.graphs, self.weights, self.columns, strict=True):
            seen = features if len(columns) == features.shape[1] else features[:, columns]
            outputs.append(raw_outputs(graph, weights, seen))
        whole = outputs[0] if len(outputs) == 1 else blend_outputs(outputs, self.shares, self.problem)
        return np.asarray(whole if self.temperature == 1.0 else whole / self.temperature)


def combine(
    networks: Sequence[tuple[Mapping[str, Any], Weights]], problem: Problem, shares: Sequence[float] = ()
) -> CombinedNetwork:
    """Combines networks.

    Args:
        networks: architecture, as returned by `genomes.encodings.blueprint`, and weights of each network; at least one.
        problem: the problem of the prepared data.
        shares: weight of each network, adding up to 1; by default, all are equal.
    """
    graphs = [graph_from_json(architecture) for architecture, _ in networks]
    views = tuple(dict.fromkeys(view for graph in graphs for view in views_of(graph)))
    seen = problem.for_views(*views)
    return CombinedNetwork(
        problem=seen,
        views=views,
        graphs=tuple(problem.attach_columns(graph) for graph in graphs),
        weights=tuple(weights for _, weights in networks),
        columns=tuple(seen.columns(*views_of(graph)) for graph in graphs),
        shares=tuple(shares) or (1.0 / len(graphs),) * len(graphs),
    )
