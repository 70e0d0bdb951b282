"""Weights from a chain of seeds: initial weights, then Gaussian noise from each further seed. Pure numpy.

The noise of a weight depends only on its name, its shape and the seed, so that weights whose name and shape are
unchanged keep their values when the architecture changes.

Source: Such et al. 2017, section 3.1 (the compact encoding); here, the power of each mutation is drawn as well.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.networks.initial import initial_weights
from evonas.seeds import RandomStream, stream_rng
from genomes.codec import sha256

__all__ = ["Lineages", "perturb"]

Array = NDArray[Any]

#: Range of the standard deviation of a mutation's noise relative to that of initial kernels, drawn log-uniformly.
POWERS = (0.01, 0.3)
#: Scale of the noise of biases and of the parameters of normalisation.
_VECTOR_SCALE = 0.3
_FIXED = ("moving_mean", "moving_variance")


class Lineages:
    """Computes weights from chains of seeds, with a cache of the latest ones, since later chains extend them.

    Args:
        kept: size of the cache, in networks.
    """

    def __init__(self, kept: int = 1024) -> None:
        self._kept = kept
        self._known: OrderedDict[tuple[str, tuple[int, ...]], dict[str, Array]] = OrderedDict()

    def weights(
        self,
        architecture: Mapping[str, Any],
        graph: nx.DiGraph,
        lineage: tuple[int, ...],
        num_features: int,
        num_outputs: int,
    ) -> dict[str, Array]:
        """The weights of a network, by name.

        Args:
            architecture: the graph as JSON values.
            graph: the architecture graph.
            lineage: the seed of the initial weights, then the seed of each mutation.
            num_features, num_outputs: number of features and outputs.
        """
        digest = sha256(architecture)
        length = len(lineage)
        while length > 1 and (digest, lineage[:length]) not in self._known:
            length -= 1
        weights = self._known.get((digest, lineage[:length]))
        if weights is None:
            weights = initial_weights(graph, num_features, num_outputs, lineage[0])
        for seed in lineage[length:]:
            weights = perturb(weights, seed)
        self._known[digest, lineage] = weights
        self._known.move_to_end((digest, lineage))
        while len(self._known) > self._kept:
            self._known.popitem(last=False)
        return weights


#: First part of a weight's name -> number of its random stream, for weights that are not a hidden layer's.
_NODES = {"output": 0, "input": -1, "embedding": 1 << 20, "waves": (1 << 20) + 1, "categories": (1 << 20) + 2}


def perturb(weights: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Adds the noise of a seed to the weights."""
    low, high = np.log(POWERS)
    power = np.exp(stream_rng(RandomStream.PERTURBATION_POWER, seed).uniform(low, high))
    return {
        name: value if name.endswith(_FIXED) else value + _noise(name, value.shape, seed, power)
        for name, value in weights.items()
    }


def _noise(name: str, shape: tuple[int, ...], seed: int, power: float) -> Array:
    layer, part = name.split("/")
    node = _NODES.get(layer)
    node = int(layer.removeprefix("layer_")) if node is None else node
    rng = stream_rng(RandomStream.PERTURBATION, seed, node, part)
    # The fan-in and fan-out of a convolution are multiplied by the size of its window.
    scale = np.sqrt(2.0 / (np.prod(shape[:-2]) * sum(shape[-2:]))) if len(shape) >= 2 else _VECTOR_SCALE
    return rng.standard_normal(shape, np.float32) * np.float32(power * scale)
