"""Genomes as rows of codes: the same genomes and features as when converted one by one."""

from __future__ import annotations

import numpy as np
import pytest

from genomes import Gene, HyperparameterSpace, Range
from tests.genomes.flat_spaces import FLAT_SPACES

SPACES = {
    **{name: space for name, space in FLAT_SPACES.items() if space.codes.genes},
    "numbers": HyperparameterSpace({"a": Range(1e-4, 1.0, log=True), "b": Range(2, 900, log=True), "c": Range(-3, 5)}),
    "options": HyperparameterSpace({"x": ["p", "q", "r"], "y": ["on", "off"], "z": [1, 2, 8], "fixed": 3.0}),
    "conditions": HyperparameterSpace(
        {
            "a": Range(0.1, 1.0, zero=True),
            "b": Range(1, 9, zero=True, log=True),
            "c": Gene(Range(0.0, 1.0), when={"a": 0.0}),
            "d": Gene(Range(1, 40), when={"b": {"low": 3, "high": 5}}),
            "e": Gene(["x", "y", "z"], when={"d": [3, 4, 5, 6, 7, 8, 9]}),
        }
    ),
}


@pytest.mark.parametrize("name", SPACES)
def test_rows_have_the_features_of_their_genomes_and_come_back(name: str) -> None:
    space, rng = SPACES[name], np.random.default_rng(0)
    genomes = [space.sample(rng) for _ in range(150)]
    rows = np.array([space.codes.row(space.values(genome)) for genome in genomes])
    np.testing.assert_allclose(space.codes.features(rows), [space.features(genome) for genome in genomes], atol=1e-12)
    settled = space.codes.settle(rows)
    active = space.codes.active(rows)
    np.testing.assert_allclose(settled[active], rows[active], atol=1e-9)
    assert [space.from_values(space.codes.values(row)) for row in settled] == genomes
    there = [[gene.name in space.values(genome) for gene in space.codes.genes] for genome in genomes]
    assert active.tolist() == there


@pytest.mark.parametrize("name", SPACES)
def test_sampled_rows_are_genomes_and_reach_every_gene(name: str) -> None:
    space = SPACES[name]
    rows = space.codes.sample(150, np.random.default_rng(1))
    genomes = [space.from_values(space.codes.values(row)) for row in rows]
    # Numbers are stored with four digits.
    np.testing.assert_allclose(space.codes.features(rows), [space.features(each) for each in genomes], atol=1e-3)
    assert space.codes.active(rows).any(axis=0).all()
    assert (rows.std(axis=0) > 0).all()


@pytest.mark.parametrize("name", SPACES)
def test_the_central_row_is_a_genome_at_the_middle_of_its_numbers(name: str) -> None:
    space = SPACES[name]
    row = space.codes.central(np.random.default_rng(2))
    genome = space.from_values(space.codes.values(row))
    np.testing.assert_allclose(space.codes.features(row[None])[0], space.features(genome), atol=1e-3)
    for gene, code in zip(space.codes.genes, row.tolist(), strict=True):
        if isinstance(gene.domain, Range) and not isinstance(gene.domain.low, int):
            assert code == pytest.approx(0.5)
