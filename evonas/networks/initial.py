"""What a training starts from: initial weights and the data order, drawn from a seed. Pure numpy, no Keras.

Every trainer draws here, so that the same candidate starts from the same bits whichever trains it.
"""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.networks.forward import INPUT_RATE, SCALES
from evonas.seeds import RandomStream, stream_rng
from genomes.architecture.graph import scales_inputs

__all__ = ["epoch_order", "initial_weights", "input_width"]

_SCALES = {"glorot": 1.0, "he": 2.0, "lecun": 1.0}
#: Standard deviation of a unit normal truncated at two standard deviations.
_TRUNCATED_STD = 0.87962566103423978


def input_width(graph: nx.DiGraph, node: int, num_features: int) -> int:
    """Columns of the concatenation that `node` takes."""
    return sum(
        num_features if source == 0 else int(graph.nodes[source]["units"]) for source in graph.predecessors(node)
    )


def initial_weights(graph: nx.DiGraph, num_features: int, num_outputs: int, seed: int) -> dict[str, NDArray[Any]]:
    """Initial weights of the network, float32, by name.

    Kernels follow the node's initialiser (variance scaling: Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998;
    normal variants are truncated at two standard deviations, as in Keras), biases are 0 (a layer with batch
    normalisation has none: it would be taken away again), normalisation and factors of the features are the identity.
    """
    weights: dict[str, NDArray[Any]] = {}
    if scales_inputs(graph):
        weights[SCALES] = np.full(num_features, 1.0 / INPUT_RATE, np.float32)
    last = graph.number_of_nodes() - 1
    for node in range(1, last + 1):
        attributes = graph.nodes[node]
        name = "output" if node == last else f"layer_{node}"
        fan_in = input_width(graph, node, num_features)
        fan_out = num_outputs if node == last else int(attributes["units"])
        rng = stream_rng(RandomStream.INITIAL_WEIGHTS, seed, node)
        weights[f"{name}/kernel"] = _kernel(attributes["initializer"], fan_in, fan_out, rng)
        normalization = attributes.get("normalization", "none")
        if normalization != "batch":
            weights[f"{name}/bias"] = np.zeros(fan_out, np.float32)
        if normalization != "none":
            weights[f"{name}/gamma"] = np.ones(fan_out, np.float32)
            weights[f"{name}/beta"] = np.zeros(fan_out, np.float32)
        if normalization == "batch":
            weights[f"{name}/moving_mean"] = np.zeros(fan_out, np.float32)
            weights[f"{name}/moving_variance"] = np.ones(fan_out, np.float32)
    return weights


def epoch_order(seed: int, epoch: int, num_samples: int) -> NDArray[np.int32]:
    """Order of the training rows in one epoch (from 0), a permutation of shape `(num_samples,)`."""
    return stream_rng(RandomStream.EPOCH_ORDER, seed, epoch).permutation(num_samples).astype(np.int32)


def _kernel(initializer: str, fan_in: int, fan_out: int, rng: np.random.Generator) -> NDArray[np.float32]:
    family, _, distribution = initializer.partition("_")
    fan = (fan_in + fan_out) / 2 if family == "glorot" else fan_in
    variance = _SCALES[family] / max(fan, 1.0)
    if distribution == "uniform":
        limit = np.sqrt(3.0 * variance)
        return rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32)
    values = rng.standard_normal((fan_in, fan_out))
    while (outside := np.abs(values) > 2.0).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    scaled: NDArray[np.float32] = (values * np.sqrt(variance) / _TRUNCATED_STD).astype(np.float32)
    return scaled
