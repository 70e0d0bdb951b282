"""Crossover of dense networks: layers are spliced, all other genes are mixed uniformly. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genomes.dense.genes import SETTINGS, gene_of, with_genes
from genomes.dense.genome import DenseGenome, replace_fields
from genomes.dense.wiring import Wires, chain, rewire, wires_of

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = ["mix_settings", "splice_layers"]

_MIXED = tuple(name for name in SETTINGS if name != "output")


def splice_layers(a: DenseGenome, b: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome:
    """The first layers of `a` and the last layers of `b`, cut where the space allows the result.

    A uniform width and a network-wide activation are taken from a random layer of the child.
    """
    cuts = [
        (i, j)
        for i in range(len(a.layers) + 1)
        for j in range(len(b.layers) + 1)
        if space.domain("layers").contains(i + len(b.layers) - j) and _fits(a, b, i, j, space)
    ]
    i, j = cuts[int(rng.integers(len(cuts)))]  # never empty: keeping all of `a` and none of `b` is valid
    layers = [*a.layers[:i], *b.layers[j:]]
    if layers:
        model = layers[int(rng.integers(len(layers)))]
        if space.shape == "uniform":
            layers = [replace_fields(layer, units=model.units) for layer in layers]
        if space.activation_scope == "network":
            layers = [replace_fields(layer, activation=model.activation) for layer in layers]
    wires = _splice_wires(wires_of(a), wires_of(b), i, j) if space.skip_connections else chain(len(layers))
    return rewire(a, layers, wires)


def mix_settings(child: DenseGenome, other: DenseGenome, rng: np.random.Generator) -> DenseGenome:
    """Uniform crossover of all genes outside the layers."""
    coins = rng.random(len(_MIXED)).tolist()
    taken = [name for name, coin in zip(_MIXED, coins, strict=True) if coin < 0.5]
    # Draws nothing if the parents agree, so that runs from before there was this gene ask for the same networks.
    if child.output != other.output and rng.random() < 0.5:
        taken.insert(0, "output")
    child = with_genes(child, {name: gene_of(other, name) for name in taken})
    if child.neighbours != other.neighbours and rng.random() < 0.5:
        return replace_fields(child, neighbours=other.neighbours)
    return child


def _fits(a: DenseGenome, b: DenseGenome, i: int, j: int, space: DenseSpace) -> bool:
    """Whether the widths still form a pyramid across the cut."""
    outside = i == 0 or j == len(b.layers)
    return space.shape != "pyramid" or outside or a.layers[i - 1].units >= b.layers[j].units


def _splice_wires(a: Wires, b: Wires, i: int, j: int) -> Wires:
    """Wires of nodes 1..i of `a` and j + 1.. of `b`; sources in the removed part are mapped to nodes of `a`."""

    def shift_source(source: int) -> int:
        return source - j + i if source > j else min(source, i)

    wires = [set(wire) for wire in a[:i]] + [{shift_source(source) for source in wire} for wire in b[j:]]
    for node in range(1, len(wires)):
        if not any(node in wire for wire in wires[node:]):
            wires[node].add(node)  # unused after the cut: connect it to the next node
    return wires
