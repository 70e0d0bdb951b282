"""What every space owes to a strategy: one table of spaces, crossed with every operator."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genomes import DenseSpace, InputError, dense, hyperparameters, space_from_json, space_from_toml, space_to_toml
from genomes.architecture.graph import check_graph
from genomes.space import FlatSpace
from tests.genomes.dense_spaces import SPACES as DENSE_SPACES
from tests.genomes.flat_spaces import FLAT_SPACES

SPACES = DENSE_SPACES | FLAT_SPACES
#: Names of the spaces that hold one genome only.
POINTS = ("fixed", "one fixed value")


def mutations_of(space):
    """Names of all mutations of the space's encoding."""
    return dense.MUTATIONS if isinstance(space, DenseSpace) else hyperparameters.MUTATIONS


quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
seeds = st.integers(0, 2**32 - 1)
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
every_mutation = pytest.mark.parametrize(
    ("space", "mutation"),
    [(space, name) for space in SPACES.values() for name in mutations_of(space)],
    ids=[f"{key}-{name}" for key, space in SPACES.items() for name in mutations_of(space)],
)


def check(space, genome):
    """The genome is a member, and builds a network where that is what the encoding holds."""
    assert space.contains(genome)
    if isinstance(space, DenseSpace):
        check_graph(space.architecture(genome))


def members(space, seed, count=2):
    """Genomes off the beaten track: samples that went through some mutations."""
    rng = np.random.default_rng(seed)
    genomes = [space.sample(rng) for _ in range(count)]
    for _ in range(int(rng.integers(6))):
        genomes = [space.mutate(genome, rng)[0] for genome in genomes]
    return genomes


@every_space
@quick
@given(seed=seeds)
def test_samples_are_members_and_repeat(space, seed):
    genome = space.sample(np.random.default_rng(seed))
    check(space, genome)
    assert space.sample(np.random.default_rng(seed)) == genome
    assert hash(genome) == hash(copy.deepcopy(genome))


@every_mutation
@quick
@given(seed=seeds)
def test_each_mutation_changes_the_genome_wherever_there_is_another(space, mutation, seed):
    (parent,) = members(space, seed, 1)
    before = copy.deepcopy(parent)
    child, operator = space.mutate(parent, np.random.default_rng(seed), mutation)
    assert parent == before
    assert (child, operator) == space.mutate(parent, np.random.default_rng(seed), mutation)
    check(space, child)
    if space in [SPACES[name] for name in POINTS]:
        assert (child, operator, space.mutations) == (parent, "none", ())
    else:
        assert child != parent
        assert space.digest(child) != space.digest(parent) or space is SPACES["dormant decay"]
        assert operator in mutations_of(space)
        assert operator in space.mutations or space is SPACES["dormant decay"]


@every_space
@quick
@given(seed=seeds)
def test_any_mutation_changes_the_genome_too(space, seed):
    (parent,) = members(space, seed, 1)
    child, operator = space.mutate(parent, np.random.default_rng(seed))
    assert (child == parent) == (operator == "none")
    assert space.mutate(parent, np.random.default_rng(seed)) == (child, operator)


@every_space
@quick
@given(seed=seeds)
def test_crossover_keeps_the_contract(space, seed):
    a, b = members(space, seed)
    before = copy.deepcopy((a, b))
    child = space.crossover(a, b, np.random.default_rng(seed))
    assert (a, b) == before
    check(space, child)
    assert child == space.crossover(a, b, np.random.default_rng(seed))


@every_space
@quick
@given(seed=seeds)
def test_genomes_survive_json(space, seed):
    (genome,) = members(space, seed, 1)
    value = json.loads(json.dumps(space.genome_to_json(genome), allow_nan=False))
    assert space.genome_from_json(value) == genome
    assert space.digest(space.genome_from_json(value)) == space.digest(genome)


@every_space
@quick
@given(seed=seeds)
def test_features_have_one_length_and_lie_between_0_and_1(space, seed):
    a, b = members(space, seed)
    first, second = space.features(a), space.features(b)
    assert first.shape == second.shape
    assert first.dtype == np.float64
    assert np.isfinite(first).all()
    assert ((first >= 0) & (first <= 1)).all()
    assert ((second >= 0) & (second <= 1)).all()


@every_space
def test_spaces_survive_json_and_toml(space):
    assert space_from_json(json.loads(json.dumps(space.to_json(), allow_nan=False))) == space
    assert space_from_toml(space_to_toml(space)) == space
    assert hash(space_from_toml(space_to_toml(space))) == hash(space)


@pytest.mark.parametrize(("name", "operator"), [("default", "scale_learning_rate"), ("flat", "step_numbers")])
def test_the_operator_asked_for_is_used_where_it_applies(name, operator):
    space, rng = SPACES[name], np.random.default_rng(0)
    genome = space.sample(rng)
    assert space.mutate(genome, rng, operator)[1] == operator
    with pytest.raises(InputError, match=f"did you mean '{operator}'"):
        space.mutate(genome, rng, f"{operator}_")


@pytest.mark.parametrize("name", ["with skips", "flat"])
def test_every_mutation_applies_somewhere(name):
    space, rng = SPACES[name], np.random.default_rng(0)
    genomes = [space.sample(rng) for _ in range(30)]
    for mutation in mutations_of(space):
        assert any(space.mutate(genome, rng, mutation)[1] == mutation for genome in genomes), mutation


@every_space
@quick
@given(seed=seeds)
def test_a_flat_space_gives_back_the_genome_of_its_values(space, seed):
    assert isinstance(space, FlatSpace)
    for genome in members(space, seed):
        values = space.values(genome)
        assert space.digest(space.from_values(values)) == space.digest(genome)
        assert space.values(space.from_values(values)) == values


@every_space
@quick
@given(seed=seeds)
def test_every_choice_of_values_in_the_order_of_the_genes_is_a_genome(space, seed):
    rng, values = np.random.default_rng(seed), {}
    for gene in space.genes:
        assert {name for name, _ in gene.when} <= {other.name for other in space.genes[: space.genes.index(gene)]}
        values |= {gene.name: gene.domain.sample(rng)} if gene.is_active(values) else {}
    genome = space.from_values(values)
    check(space, genome)
    everything = {gene.name: values.get(gene.name, gene.domain.sample(rng)) for gene in space.genes}
    assert space.from_values(everything) == genome
    with pytest.raises(InputError, match="no setting"):
        space.from_values({**values, "colour": 1})
    with pytest.raises(InputError, match="missing"):
        space.from_values({name: value for name, value in values.items() if name != space.genes[0].name})
