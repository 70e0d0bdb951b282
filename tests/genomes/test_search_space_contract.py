"""The contract of every space (`evonas.testing`): one table of spaces, crossed with every operator."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evonas.testing import spaces
from genomes import DenseSpace, InputError, dense, hyperparameters, space_from_json, space_from_toml, space_to_toml
from genomes.space import FlatSpace
from genomes.staged import StagedSpace
from tests.genomes.dense_spaces import SPACES as DENSE_SPACES
from tests.genomes.flat_spaces import FLAT_SPACES
from tests.genomes.staged_spaces import STAGED_SPACES
from tests.reliability.counts import count

pytestmark = pytest.mark.battery

SPACES = DENSE_SPACES | FLAT_SPACES | STAGED_SPACES
#: Names of the spaces that contain a single genome.
POINTS = ("fixed", "one fixed value", "fixed convolutions")


def mutations_of(space):
    """Names of all mutations of the space's encoding."""
    if isinstance(space, StagedSpace):
        return space.known_mutations
    return dense.MUTATIONS if isinstance(space, DenseSpace) else hyperparameters.MUTATIONS


quick = settings(max_examples=count(8, 25), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
seeds = st.integers(0, 2**32 - 1)
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
every_mutation = pytest.mark.parametrize(
    ("space", "mutation"),
    [(space, name) for space in SPACES.values() for name in mutations_of(space)],
    ids=[f"{key}-{name}" for key, space in SPACES.items() for name in mutations_of(space)],
)


@every_space
@quick
@given(seed=seeds)
def test_samples_are_members_and_repeatable(space, seed):
    spaces.check_sample(space, seed)


@every_mutation
@quick
@given(seed=seeds)
@pytest.mark.sampled(60)
def test_each_mutation_changes_the_genome_wherever_there_is_another(space, mutation, seed):
    parent, child, operator = spaces.check_mutation(space, seed, mutation)
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
    spaces.check_any_mutation(space, seed)


@every_space
@quick
@given(seed=seeds)
def test_crossover_fulfils_the_contract(space, seed):
    spaces.check_crossover(space, seed)


@every_space
@quick
@given(seed=seeds)
def test_genomes_survive_json(space, seed):
    spaces.check_genome_json(space, seed)


@every_space
@quick
@given(seed=seeds)
def test_features_have_one_length_and_lie_between_0_and_1(space, seed):
    spaces.check_features(space, seed)


@every_space
def test_spaces_survive_json_and_toml(space):
    spaces.check_space_json(space)
    assert space_from_json(json.loads(json.dumps(space.to_json(), allow_nan=False))) == space
    assert space_from_toml(space_to_toml(space)) == space
    assert hash(space_from_toml(space_to_toml(space))) == hash(space)


@pytest.mark.parametrize(
    ("name", "operator"), [("default", "scale_learning_rate"), ("flat", "step_numbers"), ("series", "change_kernel")]
)
def test_the_operator_asked_for_is_used_where_it_applies(name, operator):
    space, rng = SPACES[name], np.random.default_rng(0)
    genome = space.sample(rng)
    assert space.mutate(genome, rng, operator)[1] == operator
    with pytest.raises(InputError, match=f"did you mean '{operator}'"):
        space.mutate(genome, rng, f"{operator}_")


@pytest.mark.parametrize("name", ["with skips", "flat", "images", "series and texts"])
def test_every_mutation_applies_somewhere(name):
    space, rng = SPACES[name], np.random.default_rng(0)
    genomes = [space.sample(rng) for _ in range(30)]
    for mutation in mutations_of(space):
        assert any(space.mutate(genome, rng, mutation)[1] == mutation for genome in genomes), mutation


@every_space
@quick
@given(seed=seeds)
def test_a_flat_space_restores_the_genome_from_its_values(space, seed):
    assert isinstance(space, FlatSpace)
    spaces.check_flat_values(space, seed)


@every_space
@quick
@given(seed=seeds)
def test_every_choice_of_values_in_the_order_of_the_genes_is_a_genome(space, seed):
    rng, values = np.random.default_rng(seed), {}
    for gene in space.genes:
        assert {name for name, _ in gene.when} <= {other.name for other in space.genes[: space.genes.index(gene)]}
        values |= {gene.name: gene.domain.sample(rng)} if gene.is_active(values) else {}
    genome = space.from_values(values)
    spaces.check_member(space, genome)
    everything = {gene.name: values.get(gene.name, gene.domain.sample(rng)) for gene in space.genes}
    assert space.from_values(everything) == genome
    with pytest.raises(InputError, match="not a setting"):
        space.from_values({**values, "colour": 1})
    with pytest.raises(InputError, match="missing"):
        space.from_values({name: value for name, value in values.items() if name != space.genes[0].name})
