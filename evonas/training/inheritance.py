"""What a network takes over from the trained weights of another one. Pure numpy, no Keras."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights

__all__ = ["inherited"]


def inherited(parent: nx.DiGraph, trained: Weights, child: nx.DiGraph, initial: Weights) -> dict[str, NDArray[Any]]:
    """The child's weights: the parent's where both have them, else its own initial ones.

    Args:
        parent: architecture graph of the trained network.
        trained: its weights, by name.
        child: architecture graph of the network that takes over.
        initial: its own initial weights, by name.
    """
    weights = {}
    for name, value in initial.items():
        taken = np.array(value)
        if name in trained:
            common = tuple(slice(min(a, b)) for a, b in zip(value.shape, trained[name].shape, strict=True))
            taken[common] = trained[name][common]
        weights[name] = taken
    return weights
