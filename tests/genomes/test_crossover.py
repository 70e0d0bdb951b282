"""Crossover of dense networks."""

from __future__ import annotations

import numpy as np

from genomes import DenseSpace
from genomes.dense.crossover import mix_settings
from genomes.dense.genes import SETTINGS
from genomes.dense.genome import replace_fields


def test_a_gene_that_older_spaces_lack_takes_no_random_number_there() -> None:
    rng = np.random.default_rng(0)
    space = DenseSpace(output="dense", neighbours=False)
    a, b = space.sample(rng), space.sample(rng)
    mixed, coins = np.random.default_rng(1), np.random.default_rng(1)
    mix_settings(a, b, mixed)
    coins.random(len(SETTINGS) - 1)  # those of before there was the gene `output`
    assert mixed.random() == coins.random()


def test_the_output_comes_from_either_parent() -> None:
    rng = np.random.default_rng(0)
    a = DenseSpace(output="dense", members=1).sample(rng)
    b = replace_fields(a, output="neighbours")
    assert {mix_settings(a, b, rng).output for _ in range(20)} == {"dense", "neighbours"}
