"""What every space owes to a strategy: one table of spaces, crossed with every operator."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genomes import InputError, space_from_json, space_from_toml, space_to_toml
from genomes.architecture import check_graph
from genomes.dense.mutation import MUTATIONS
from tests.genomes.dense_spaces import SPACES

quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
seeds = st.integers(0, 2**32 - 1)
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
every_mutation = pytest.mark.parametrize("mutation", MUTATIONS)


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
    assert space.contains(genome)
    assert space.sample(np.random.default_rng(seed)) == genome
    assert hash(genome) == hash(copy.deepcopy(genome))
    check_graph(space.architecture(genome))


@every_space
@every_mutation
@quick
@given(seed=seeds)
def test_each_mutation_keeps_the_contract(space, mutation, seed):
    (parent,) = members(space, seed, 1)
    before = copy.deepcopy(parent)
    child = MUTATIONS[mutation](parent, space, np.random.default_rng(seed))
    assert parent == before
    assert child == MUTATIONS[mutation](parent, space, np.random.default_rng(seed))
    if child is not None:
        assert child != parent
        assert space.contains(child)
        assert mutation in space.mutations
        check_graph(space.architecture(child))


@every_space
@quick
@given(seed=seeds)
def test_mutate_changes_the_genome_wherever_there_is_another(space, seed):
    (parent,) = members(space, seed, 1)
    child, operator = space.mutate(parent, np.random.default_rng(seed))
    if space is SPACES["fixed"]:
        assert (child, operator, space.mutations) == (parent, "none", ())
    else:
        assert child != parent
        assert space.contains(child)
        assert operator in MUTATIONS
    assert space.mutate(parent, np.random.default_rng(seed)) == (child, operator)


@every_space
@quick
@given(seed=seeds)
def test_crossover_keeps_the_contract(space, seed):
    a, b = members(space, seed)
    before = copy.deepcopy((a, b))
    child = space.crossover(a, b, np.random.default_rng(seed))
    assert (a, b) == before
    assert space.contains(child)
    assert child == space.crossover(a, b, np.random.default_rng(seed))
    check_graph(space.architecture(child))


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


def test_the_operator_asked_for_is_used_where_it_applies():
    space, rng = SPACES["default"], np.random.default_rng(0)
    genome = space.sample(rng)
    assert space.mutate(genome, rng, "scale_learning_rate")[1] == "scale_learning_rate"
    with pytest.raises(InputError, match="did you mean 'insert_layer'"):
        space.mutate(genome, rng, "insert_layers")


def test_every_mutation_applies_somewhere():
    space, rng = SPACES["with skips"], np.random.default_rng(0)
    genomes = [space.sample(rng) for _ in range(30)]
    for name, mutation in MUTATIONS.items():
        assert any(mutation(genome, space, rng) for genome in genomes), name
