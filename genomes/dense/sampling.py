"""Random members of a dense space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genomes.dense.genes import SETTINGS, with_gene
from genomes.dense.genome import DenseGenome, Layer
from genomes.dense.wiring import chain, missing_edges, rewired

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = ["sample"]


def sample(space: DenseSpace, rng: np.random.Generator) -> DenseGenome:
    """A random genome: half of them chains, the others with one to L extra edges where the space allows them."""
    count = int(space.domain("layers").sample(rng))
    units = [int(space.domain("units").sample(rng)) for _ in range(count)]
    if space.shape == "uniform":
        units = units[:1] * count
    elif space.shape == "pyramid":
        units.sort(reverse=True)
    activations = [str(space.domain("activation").sample(rng)) for _ in range(count)]
    if space.activation_scope == "network":
        activations = activations[:1] * count
    layers = [Layer(*parts, sources=()) for parts in zip(units, activations, strict=True)]
    wires = chain(count)
    if count and space.skip_connections and rng.random() < 0.5:
        missing = missing_edges(wires)
        for k in rng.permutation(len(missing))[: rng.integers(1, count + 1)].tolist():
            source, node = missing[k]
            wires[node - 1].add(source)
    genome = rewired(DenseGenome((), (0,)), layers, wires)
    for name in SETTINGS:
        genome = with_gene(genome, name, space.domain(name).sample(rng))
    return genome
