"""The ablation's pairs differ in their ingredient, and are networks of the graph that training sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.ingredients import INGREDIENTS, pair_of
from genomes import DenseSpace

SPACE = DenseSpace(neighbour_columns=("a", "b"), neighbour_sets=(("a", "b"),))


@pytest.mark.parametrize("ingredient", INGREDIENTS, ids=lambda each: each.name)
def test_a_pair_has_one_network_with_the_ingredient_and_one_without(ingredient: Any):
    rng = np.random.default_rng(0)
    pairs = [pair_of(ingredient, SPACE.sample(rng), SPACE) for _ in range(20)]
    different = [pair for pair in pairs if pair and SPACE.digest(pair[0]) != SPACE.digest(pair[1])]
    assert different
    for present, removed in different:
        assert ingredient.is_present(present)
        assert not ingredient.is_present(removed)


def test_a_network_that_has_the_ingredient_is_compared_as_it_is():
    network = SPACE.from_values({**SPACE.values(SPACE.typical()), "scaling": True, "embedding": "none"})
    (scaling,) = (each for each in INGREDIENTS if each.name == "scaling layer")
    assert (pair := pair_of(scaling, network, SPACE)) is not None
    assert pair[0] is network
    assert not pair[1].scaling
