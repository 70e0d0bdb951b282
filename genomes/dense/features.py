"""Features of dense genomes for a surrogate model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genomes.dense.genes import SETTINGS, gene_of, is_active
from genomes.dense.genome import DenseGenome
from genomes.dense.neighbourhood import neighbours_features
from genomes.domains import Choice, Domain, Value

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = ["Features"]

#: Nominal number of input features for computing network sizes, whose order hardly depends on it.
_NUM_FEATURES = 16


class Features:
    """Computes the feature vectors of genomes; quantities that depend only on the space are computed once.

    The features, each in [0, 1], in order: number of layers relative to the maximum; log of the number of weights;
    share of all possible edges (if the space has skip connections); log units of each layer, 0 for a missing layer;
    share of the layers with each activation; each other free gene, as its position in its range or one number per
    option; the neighbours, see `genomes.dense.neighbourhood`. Inactive genes are 0.

    Args:
        space: the space of the genomes.
    """

    def __init__(self, space: DenseSpace) -> None:
        self._most = space.max_layers
        self._units = space.domain("units")
        self._has_skips = space.is_free("skip_connections")
        self._activations = _options(space, "activation") if space.is_free("activation") else ()
        self._settings = [(name, *_positions(space.domain(name))) for name in SETTINGS if space.is_free(name)]
        self._neighbours = partial(neighbours_features, space) if space.is_free("neighbours") else None
        self._log_largest = math.log(_largest(space))

    def __call__(self, genome: DenseGenome) -> NDArray[np.float64]:
        """The genome's features, shape `(num_features,)`; the length depends only on the space."""
        most, layers = self._most, genome.layers
        count, edges = len(layers), list(_edges(genome))
        widths = [_NUM_FEATURES, *(layer.units for layer in layers), 1]
        weights = sum(widths[source] * widths[node] for source, node in edges)
        parts = [count / max(most, 1), math.log(weights) / self._log_largest]
        if self._has_skips:
            parts.append(2 * len(edges) / ((most + 1) * (most + 2)))
        # The narrowest layer must differ from a missing layer.
        parts += [(1 + self._units.position(layer.units)) / 2 for layer in layers] + [0.0] * (most - count)
        if self._activations:
            names = [layer.activation for layer in layers]
            parts += [names.count(str(option)) / max(count, 1) for option in self._activations]
        for name, find, idle in self._settings:
            parts += find(gene_of(genome, name)) if is_active(genome, name) else idle
        if self._neighbours is not None:
            parts += self._neighbours(genome.neighbours)
        return np.array(parts, np.float64).clip(0.0, 1.0)


def _positions(domain: Domain) -> tuple[Callable[[Value], Sequence[float]], Sequence[float]]:
    """The function from a gene's value to its features, and the features of an inactive gene."""
    if not isinstance(domain, Choice) or not isinstance(domain.options[0], str):
        return (lambda value: (domain.position(value),)), (0.0,)
    known = {option: [float(each == option) for each in domain.options] for option in domain.options}
    idle = [0.0] * len(domain.options)
    return (lambda value: known.get(value, idle)), idle


def _edges(genome: DenseGenome) -> Iterator[tuple[int, int]]:
    for node, layer in enumerate(genome.layers, 1):
        for source in layer.sources:
            yield source, node
    for source in genome.output_sources:
        yield source, len(genome.layers) + 1


def _options(space: DenseSpace, gene: str) -> tuple[object, ...]:
    domain = space.domain(gene)
    return domain.options if isinstance(domain, Choice) else ()


def _largest(space: DenseSpace) -> int:
    """Number of weights of the largest network of the space."""
    widest = [_NUM_FEATURES, *[int(space.domain("units").greatest)] * space.max_layers, 1]
    if space.skip_connections:
        return sum(widest[u] * widest[v] for v in range(len(widest)) for u in range(v))
    return sum(u * v for u, v in pairwise(widest))
