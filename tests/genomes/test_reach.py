"""Operators reach every part of a space: small spaces are enumerated and explored by mutation alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from genomes import DenseSpace, Range
from tests.genomes.dense_spaces import FIXED, network

SMALL = {
    "skips": DenseSpace(layers=Range(0, 2), units=[4, 8], activation="relu", skip_connections=True, **FIXED),
    "no layers or some": DenseSpace(
        layers=Range(2, 3, zero=True), units=[4, 8], activation="relu", skip_connections=False, **FIXED
    ),
    "deeper skips": DenseSpace(layers=3, units=4, activation="relu", skip_connections=True, **FIXED),
    "pyramid": DenseSpace(
        layers=Range(0, 3), units=[4, 8, 9], shape="pyramid", activation="relu", skip_connections=False, **FIXED
    ),
    "uniform": DenseSpace(
        layers=[1, 3], units=[4, 8], shape="uniform", activation=["relu", "tanh"], skip_connections=False, **FIXED
    ),
    "per layer": DenseSpace(
        layers=Range(0, 2),
        units=[4],
        activation=["relu", "tanh", "elu"],
        activation_scope="layer",
        skip_connections=False,
        **FIXED,
    ),
    "training": DenseSpace(
        layers=1,
        units=4,
        activation="relu",
        skip_connections=False,
        **FIXED
        | {
            "optimizer": ["adam", "adamw"],
            "weight_decay": [0.0, 0.1],
            "dropout": [0.0, 0.1],
            "batch_size": Range(1, 3),
        },
    ),
}


def every_member(space: DenseSpace) -> set[str]:
    """Digests of all members, enumerated without the space's own operators."""
    genes = {name: getattr(space, name).options for name in FIXED if name != "batch_size"}
    genes["batch_size"] = tuple(size for size in range(1, 64) if space.domain("batch_size").contains(size))
    digests = set()
    for count in (count for count in range(5) if space.domain("layers").contains(count)):
        for wiring, units, activations, values in product(
            product(*(subsets(node) for node in range(1, count + 2))),
            product(space.domain("units").options, repeat=count),
            product(space.domain("activation").options, repeat=count),
            product(*genes.values()),
        ):
            genome = network(*units, sources=wiring, **dict(zip(genes, values, strict=True)))
            pairs = zip(genome.layers, activations, strict=True)
            genome = replace(genome, layers=tuple(replace(layer, activation=name) for layer, name in pairs))
            if space.contains(genome):
                digests.add(space.digest(genome))
    return digests


def subsets(node: int) -> list[tuple[int, ...]]:
    """Non-empty sets of sources of a node."""
    return [subset for size in range(1, node + 1) for subset in combinations(range(node), size)]


def explore(space: DenseSpace, steps: int) -> set[str]:
    """Digests visited by a long walk of mutations."""
    rng = np.random.default_rng(0)
    genome = space.sample(rng)
    digests = {space.digest(genome)}
    for _ in range(steps):
        genome, _ = space.mutate(genome, rng)
        digests.add(space.digest(genome))
    return digests


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.sampled(2)
def test_mutation_reaches_every_network(name):
    space = SMALL[name]
    members = every_member(space)
    assert len(members) > 5
    assert explore(space, 60 * len(members)) == members


def test_samples_reach_both_ends_of_ranges():
    space, rng = DenseSpace(skip_connections=True), np.random.default_rng(0)
    genomes = [space.sample(rng) for _ in range(2000)]
    rates = [genome.training.learning_rate for genome in genomes]
    widths = [layer.units for genome in genomes for layer in genome.layers]
    assert min(rates) < 1.2e-4
    assert max(rates) > 2.5e-2
    assert {len(genome.layers) for genome in genomes} == {1, 2, 3, 4, 5}
    assert {16, 256} <= set(widths)
    assert all(16 <= width <= 256 for width in widths)
    assert 0.2 < np.mean([genome.training.l2 == 0 for genome in genomes]) < 0.3
    chains = [DenseSpace(skip_connections=False).contains(genome) for genome in genomes]
    assert 0.45 < np.mean(chains) < 0.55
