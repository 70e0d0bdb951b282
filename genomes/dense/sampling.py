"""Sampling from dense spaces, and their typical genome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genomes.dense.genes import CHEAP_SHARES, COSTLY, SETTINGS, gene_of, with_genes
from genomes.dense.genome import DenseGenome, Layer, replace_fields
from genomes.dense.neighbourhood import sample_neighbours
from genomes.dense.wiring import chain, missing_edges, rewire
from genomes.domains import Choice, Domain, Value

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = ["sample", "typical"]


def sample(space: DenseSpace, rng: np.random.Generator) -> DenseGenome:
    """A random genome: half of them are chains, the others have one to L extra edges if the space allows them."""
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
    genome = rewire(DenseGenome((), (0,)), layers, wires)
    values = {name: space.domain(name).sample(rng) for name in SETTINGS}
    for name, off in COSTLY.items():
        if not space.domain(name).is_fixed and space.domain(name).contains(off):
            values[name] = off if rng.random() < CHEAP_SHARES[name] else _on(space.domain(name), off, rng)
    genome = with_genes(genome, values)
    if not space.is_free("neighbours") or rng.random() < 0.5:
        return genome
    return replace_fields(genome, neighbours=sample_neighbours(space, rng))


def _on(domain: Domain, off: Value, rng: np.random.Generator) -> Value:
    """A random member other than `off`."""
    if isinstance(domain, Choice):
        return Choice(tuple(option for option in domain.options if option != off)).sample(rng)
    return domain.vary(off, rng)


def typical(space: DenseSpace) -> DenseGenome:
    """A chain of medium depth and width, with the defaults of `DenseGenome` otherwise.

    Defaults outside the space are replaced by the first option of a choice or the middle of a range.
    """
    count, units = int(_middle(space.domain("layers"))), int(_middle(space.domain("units")))
    activation = str(_nearest(space.domain("activation"), "relu"))
    genome = rewire(DenseGenome((), (0,)), [Layer(units, activation, sources=())] * count, chain(count))
    return with_genes(genome, {name: _nearest(space.domain(name), gene_of(genome, name)) for name in SETTINGS})


def _nearest(domain: Domain, value: Value) -> Value:
    return value if domain.contains(value) else _middle(domain)


def _middle(domain: Domain) -> Value:
    return domain.options[0] if isinstance(domain, Choice) else domain.at(0.5)
