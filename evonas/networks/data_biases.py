"""Data-dependent initial biases: each unit's pre-activation is 0 at a random training row. Pure numpy.

This is a simplified form of "he+5" in Steinwart 2019, A sober look at neural network initializations (arXiv
1903.11482), used by Holzmüller, Grinsztajn and Steinwart 2024 (arXiv 2407.04491). There, the point lies between several
rows.
"""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.networks.forward import activate, concatenate_sources, embed_inputs, parts_of, product_of
from evonas.networks.layered import is_layered
from evonas.seeds import RandomStream, stream_rng
from genomes.architecture.members import members_of

__all__ = ["begins_at_rows", "with_data_biases"]

#: Number of rows to draw from, evenly spaced among the training rows.
_ROWS = 512


def begins_at_rows(graph: nx.DiGraph) -> bool:
    """Whether the network's initial biases depend on training rows, which is possible for dense networks only."""
    return not is_layered(graph) and graph.graph["training"].get("bias_initializer", "zeros") == "rows"


def with_data_biases(
    graph: nx.DiGraph, weights: Weights, rows: NDArray[np.float32], seed: int
) -> dict[str, NDArray[Any]]:
    """The initial weights with data-dependent biases of hidden layers; the output and embeddings are unchanged.

    Args:
        graph: graph of a dense network.
        weights: initial weights, by name.
        rows: features of the training rows, shape `(num_rows, num_features)`.
        seed: seed of the training run.
    """
    found = {name: np.array(value, np.float32) for name, value in weights.items()}
    some = rows[:: max(1, len(rows) // _ROWS)][:_ROWS]
    held, members = {0: embed_inputs(graph, found, some, np.float32)}, members_of(graph)
    for node in range(1, len(graph) - 1):
        parts = parts_of(graph, node, found, np.float32)
        product = product_of(concatenate_sources(graph, node, held), parts, members)
        if "bias" in parts:
            rng = stream_rng(RandomStream.BIAS_ROWS, seed, node)
            # Members that share a bias also share its row. If each member has its bias, the product includes it.
            arguments = product.mean(axis=1) if product.ndim > parts["bias"].ndim + 1 else product
            if "scale" in parts:
                arguments = product - parts["bias"]
            chosen = rng.integers(len(some), size=parts["bias"].shape)
            parts["bias"] = -np.take_along_axis(arguments, chosen[None], axis=0)[0]
            found[f"layer_{node}/bias"] = parts["bias"]
            if "scale" in parts:
                product = arguments + parts["bias"]
        held[node] = activate(graph, node, parts, product)[1]
    return found
