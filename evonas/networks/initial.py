"""Initial weights and the order of training rows, drawn from a seed. Pure numpy, no Keras.

All trainers use them, so that a candidate starts from identical values whichever trainer is used.
"""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.networks.draws import draw_kernel
from evonas.networks.forward import INPUT_RATE, SCALES
from evonas.networks.layered import initial_layered, is_layered
from evonas.seeds import RandomStream, stream_rng
from genomes.architecture.cost import input_width
from genomes.architecture.embedding import FREQUENCIES, Embedding, categories_of, embedding_of
from genomes.architecture.graph import finds_neighbours, scales_inputs
from genomes.architecture.members import members_of
from genomes.architecture.options import REPRESENTATION_UNITS

__all__ = ["epoch_order", "epoch_part", "initial_weights", "input_width", "passes_of_epoch", "rows_of_epoch"]

#: Number of samples below which the number of epochs is multiplied, and the largest factor.
_FEW_ROWS, _MOST_PASSES = 2_000, 10


def initial_weights(graph: nx.DiGraph, num_features: int, num_outputs: int, seed: int) -> dict[str, NDArray[Any]]:
    """Initial weights of a network, float32, by name.

    Kernels follow the node's initialiser (variance scaling: Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998;
    normal variants are truncated at two standard deviations, as in Keras). Biases are 0; layers with batch
    normalisation have no bias, since normalisation would cancel it. Normalisation, feature scales and parametric
    activations start as the identity. The adapters of ensemble members are random signs in the layers where members
    first differ and 1 elsewhere (Gorishniy et al. 2025); the output kernels of members are drawn independently. For
    networks with layers other than dense ones, see `evonas.networks.layers`.
    """
    if is_layered(graph):
        return initial_layered(graph, num_features, num_outputs, seed)
    embedding, members = embedding_of(graph), members_of(graph)
    weights: dict[str, NDArray[Any]] = {} if embedding is None else _embedding(embedding, seed)
    if (categories := categories_of(graph)) is not None:
        weights |= _categories(categories, seed)
    if scales_inputs(graph):
        weights[SCALES] = np.full(num_features, 1.0 / INPUT_RATE, np.float32)
    last = graph.number_of_nodes() - 1
    for node in range(1, last + 1):
        attributes = graph.nodes[node]
        name = "output" if node == last else f"layer_{node}"
        fan_in = input_width(graph, node, num_features)
        fan_out = num_outputs if node == last else int(attributes["units"])
        rng = stream_rng(RandomStream.INITIAL_WEIGHTS, seed, node)
        if node == last and members is not None:
            kernels = [draw_kernel(attributes["initializer"], fan_in, fan_out, rng) for _ in range(members.count)]
            weights |= {f"{name}/kernel": np.stack(kernels)}
            weights |= {f"{name}/bias": np.zeros((members.count, fan_out), np.float32)}
            continue
        if node == last and finds_neighbours(graph):
            fan_out = REPRESENTATION_UNITS
        weights[f"{name}/kernel"] = draw_kernel(attributes["initializer"], fan_in, fan_out, rng)
        if node == last and finds_neighbours(graph):  # a bias would not change distances
            break
        normalization = attributes.get("normalization", "none")
        if members is not None and node in members.adapted:
            shape = members.count, fan_in
            signs = rng.choice(np.array([-1.0, 1.0], np.float32), shape) if node in members.first else np.ones(shape)
            weights[f"{name}/adapter"] = signs.astype(np.float32)
        if members is not None and node in members.scaled:
            weights[f"{name}/scale"] = np.ones((members.count, fan_out), np.float32)
            weights[f"{name}/bias"] = np.zeros((members.count, fan_out), np.float32)
        elif normalization != "batch":
            weights[f"{name}/bias"] = np.zeros(fan_out, np.float32)
        if attributes.get("parametric_activation"):
            each = () if members is None or node in members.shared else (members.count,)
            weights[f"{name}/blend"] = np.ones((*each, fan_out), np.float32)
        if normalization != "none":
            weights[f"{name}/gamma"] = np.ones(fan_out, np.float32)
            weights[f"{name}/beta"] = np.zeros(fan_out, np.float32)
        if normalization == "batch":
            weights[f"{name}/moving_mean"] = np.zeros(fan_out, np.float32)
            weights[f"{name}/moving_variance"] = np.ones(fan_out, np.float32)
    return weights


def epoch_order(seed: int, epoch: int, num_samples: int) -> NDArray[np.int32]:
    """Order of the training rows in an epoch, counted from 0: a permutation of shape `(num_samples,)`."""
    return stream_rng(RandomStream.EPOCH_ORDER, seed, epoch).permutation(num_samples).astype(np.int32)


def epoch_part(seed: int, epoch: int, num_samples: int, most: int | None) -> NDArray[np.int32]:
    """The training rows of an epoch, in order, if the number of rows per epoch is limited.

    Successive epochs take equal parts of a permutation until all rows have been used, and then of the next permutation.

    Args:
        seed: seed of the network.
        epoch: number of the epoch, from 0.
        num_samples: number of training rows.
        most: largest number of rows per epoch, see `TrainingSettings.epoch_rows`; None for all.

    Example:
        >>> sorted(epoch_part(1, 0, 6, most=3).tolist() + epoch_part(1, 1, 6, most=3).tolist())
        [0, 1, 2, 3, 4, 5]
    """
    parts = _parts(num_samples, most)
    return np.array_split(epoch_order(seed, epoch // parts, num_samples), parts)[epoch % parts]


def rows_of_epoch(num_samples: int, most: int | None) -> int:
    """Number of rows in the longest epoch, see `epoch_part`."""
    return -(-num_samples // _parts(num_samples, most))


def passes_of_epoch(num_samples: int) -> int:
    """Factor on the number of epochs for small data sets, for which an epoch has very few steps.

    >>> passes_of_epoch(30), passes_of_epoch(500), passes_of_epoch(60_000)
    (10, 4, 1)
    """
    return min(_MOST_PASSES, max(1, -(-_FEW_ROWS // max(1, num_samples))))


def _parts(num_samples: int, most: int | None) -> int:
    return 1 if most is None else max(1, -(-num_samples // most))


def _categories(embedding: Embedding, seed: int) -> dict[str, NDArray[Any]]:
    """Weights of an embedding of categories, uniform in [-1, 1], since one of a column's one-hot features is always 1.

    Columns with fewer features than the widest one have unused weights, which are 0.
    """
    rng = stream_rng(RandomStream.INITIAL_WEIGHTS, seed, "categories")
    count, fan_in, units = len(embedding.groups), embedding.fan_in, embedding.units
    kernel = rng.uniform(-1.0, 1.0, (count, fan_in, units)).astype(np.float32)
    kernel[np.arange(fan_in) >= np.array([len(group) for group in embedding.groups])[:, None]] = 0.0
    return {"categories/kernel": kernel, "categories/bias": np.zeros((count, units), np.float32)}


def _embedding(embedding: Embedding, seed: int) -> dict[str, NDArray[Any]]:
    """Weights of an embedding of numbers.

    Linear maps are uniform within 1 / sqrt(fan_in); periodic ones have normal frequencies and uniform phases. Columns
    with fewer features than the widest one have unused weights, which are 0.
    """
    rng = stream_rng(RandomStream.INITIAL_WEIGHTS, seed, 0)
    count, fan_in, units = len(embedding.groups), embedding.fan_in, embedding.units
    weights: dict[str, NDArray[Any]] = {}
    if embedding.kind == "periodic":
        weights["waves/kernel"] = rng.normal(0.0, embedding.sigma, (count, FREQUENCIES)).astype(np.float32)
        weights["waves/bias"] = rng.uniform(-0.5, 0.5, (count, FREQUENCIES)).astype(np.float32)
    sizes = np.array([fan_in if embedding.kind == "periodic" else len(group) for group in embedding.groups])
    limits = 1.0 / np.sqrt(sizes)[:, None]
    kernel = rng.uniform(-1.0, 1.0, (count, fan_in, units)) * limits[:, :, None]
    kernel[np.arange(fan_in) >= sizes[:, None]] = 0.0
    weights["embedding/kernel"] = kernel.astype(np.float32)
    weights["embedding/bias"] = (rng.uniform(-1.0, 1.0, (count, units)) * limits).astype(np.float32)
    return weights
