"""Dense genomes as numbers for a surrogate model."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genomes.dense.genes import SETTINGS, gene_of, is_active
from genomes.dense.genome import DenseGenome
from genomes.dense.wiring import edges, wires_of
from genomes.domains import Choice

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = ["features"]

#: Inputs of the table that sizes are reckoned for: the order of networks hardly depends on it.
_NUM_FEATURES = 16


def features(space: DenseSpace, genome: DenseGenome) -> NDArray[np.float64]:
    """The genome's place in the space, shape `(num_features,)`, each in [0, 1]; the length depends on the space alone.

    In order: share of the most layers; log of the number of weights; share of all edges there could be (where the space
    has skips); log units of each layer, 0 where there is none; share of the layers with each activation; then each
    other gene that is free: its position in its range, or one number an option. Genes that do nothing in this genome
    are 0.
    """
    most = space.max_layers
    count = len(genome.layers)
    units = space.domain("units")
    parts = [count / max(most, 1), _size(space, genome)]
    if space.is_free("skip_connections"):
        parts.append(2 * len(edges(wires_of(genome))) / ((most + 1) * (most + 2)))
    # The narrowest layer still differs from none.
    parts += [(1 + units.position(layer.units)) / 2 for layer in genome.layers] + [0.0] * (most - count)
    if space.is_free("activation"):
        names = [layer.activation for layer in genome.layers]
        parts += [names.count(str(option)) / max(count, 1) for option in _options(space, "activation")]
    for name in SETTINGS:
        if not space.is_free(name):
            continue
        domain, value, active = space.domain(name), gene_of(genome, name), is_active(genome, name)
        if isinstance(domain, Choice) and isinstance(value, str):
            parts += [float(active and value == option) for option in domain.options]
        else:
            parts.append(domain.position(value) if active else 0.0)
    return np.clip(np.array(parts, np.float64), 0.0, 1.0)


def _options(space: DenseSpace, gene: str) -> tuple[object, ...]:
    domain = space.domain(gene)
    return domain.options if isinstance(domain, Choice) else ()


def _size(space: DenseSpace, genome: DenseGenome) -> float:
    """Log of the weights, as a share of the log of those of the largest network of the space."""
    widths = [_NUM_FEATURES, *(layer.units for layer in genome.layers), 1]
    weights = sum(widths[u] * widths[v] for u, v in edges(wires_of(genome)))
    widest = [_NUM_FEATURES, *[int(space.domain("units").greatest)] * space.max_layers, 1]
    largest = sum(u * v for u, v in pairwise(widest))
    if space.skip_connections:
        largest = sum(widest[u] * widest[v] for v in range(len(widest)) for u in range(v))
    return math.log(weights) / math.log(largest)
