"""Weights from chains of seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evonas.networks.initial import initial_weights
from evonas.networks.perturbation import POWERS, Lineages, perturb
from genomes import DenseSpace
from genomes.architecture.graph import graph_to_json
from genomes.dense import DenseGenome

SPACE = DenseSpace(layers=3, units=16, normalization="batch")


def weights(genome: DenseGenome, *lineage: int, lineages: Lineages | None = None) -> dict[str, np.ndarray]:
    graph = SPACE.architecture(genome)
    return (lineages or Lineages()).weights(graph_to_json(graph), graph, lineage, 4, 1)


def test_a_chain_gives_the_same_bits_whatever_was_remembered() -> None:
    genome = SPACE.typical()
    known = Lineages(kept=2)
    for length in range(1, 6):
        found = weights(genome, *range(length), lineages=known)
        again = weights(genome, *range(length))
        assert all(np.array_equal(found[name], again[name]) for name in again)
    first = initial_weights(SPACE.architecture(genome), 4, 1, 0)
    assert all(np.array_equal(weights(genome, 0)[name], first[name]) for name in first)


def test_noise_is_gaussian_of_a_drawn_power_and_leaves_statistics_alone() -> None:
    genome = SPACE.typical()
    before = weights(genome, 1)
    powers = []
    for seed in range(60):
        after = perturb(before, seed)
        for name, value in before.items():
            moved = not np.array_equal(after[name], value)
            assert moved != name.endswith(("moving_mean", "moving_variance"))
            assert after[name].dtype == np.float32
        powers.append(np.std(after["layer_2/kernel"] - before["layer_2/kernel"]) / np.sqrt(2 / 32))
    assert POWERS[0] * 0.8 < min(powers) < POWERS[0] * 3
    assert POWERS[1] / 3 < max(powers) < POWERS[1] * 1.2


def test_layers_of_unchanged_shape_keep_their_weights() -> None:
    genome = SPACE.typical()
    layers = list(genome.layers)
    layers[2] = replace(layers[2], units=20)
    before, after = weights(genome, 1, 2, 3), weights(replace(genome, layers=tuple(layers)), 1, 2, 3)
    for name in before:
        assert np.array_equal(before[name], after[name]) == (before[name].shape == after[name].shape), name
