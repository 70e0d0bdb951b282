"""Contract of a search space (`genomes.SearchSpace`): one check, a function of a space and a seed, for each promise."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from genomes.architecture.graph import check_graph
from genomes.space import FlatSpace, SearchSpace

__all__ = [
    "SPACE_CHECKS",
    "check_any_mutation",
    "check_crossover",
    "check_features",
    "check_flat_values",
    "check_genome_json",
    "check_member",
    "check_mutation",
    "check_sample",
    "check_space",
    "check_space_json",
    "members",
]


def check_member(space: SearchSpace, genome: Any) -> None:
    """Checks that the genome is in the space and, if the encoding is of networks, builds one."""
    assert space.contains(genome), f"the space does not contain {genome!r:.300}"
    architecture = getattr(space, "architecture", None)
    if architecture is not None:
        check_graph(architecture(genome))


def members(space: SearchSpace, seed: int, count: int = 2) -> list[Any]:
    """Unusual genomes: samples after several mutations."""
    rng = np.random.default_rng(seed)
    genomes = [space.sample(rng) for _ in range(count)]
    for _ in range(int(rng.integers(6))):
        genomes = [space.mutate(genome, rng)[0] for genome in genomes]
    return genomes


def check_sample(space: SearchSpace, seed: int) -> None:
    """Checks that a sample is a member and hashable, and that equal generators give equal samples."""
    genome = space.sample(np.random.default_rng(seed))
    check_member(space, genome)
    assert space.sample(np.random.default_rng(seed)) == genome, "equal generators give different samples"
    assert hash(genome) == hash(copy.deepcopy(genome)), "equal genomes have different hashes"


def check_mutation(space: SearchSpace, seed: int, operator: str | None = None) -> tuple[Any, Any, str]:
    """Checks that a mutation returns a member, is deterministic, and does not change its parent.

    Args:
        space: the space to check.
        seed: seed of the parent and of the mutation.
        operator: name of the mutation; any if None.

    Returns:
        The parent, the child, and the name of the mutation.
    """
    (parent,) = members(space, seed, 1)
    before = copy.deepcopy(parent)
    child, name = space.mutate(parent, np.random.default_rng(seed), operator)
    assert parent == before, "a mutation changed its parent"
    again = space.mutate(parent, np.random.default_rng(seed), operator)
    assert (child, name) == again, "equal generators give different children"
    check_member(space, child)
    return parent, child, name


def check_any_mutation(space: SearchSpace, seed: int) -> None:
    """Checks that a mutation chosen by the space changes the genome, or is named "none" if nothing can change."""
    parent, child, name = check_mutation(space, seed)
    assert (child == parent) == (name == "none"), f"mutation {name!r} of {parent!r:.200} gave {child!r:.200}"


def check_crossover(space: SearchSpace, seed: int) -> None:
    """Checks that a crossover returns a member, is deterministic, and does not change its parents."""
    a, b = members(space, seed)
    before = copy.deepcopy((a, b))
    child = space.crossover(a, b, np.random.default_rng(seed))
    assert (a, b) == before, "a crossover changed its parents"
    check_member(space, child)
    assert child == space.crossover(a, b, np.random.default_rng(seed)), "equal generators give different children"


def check_genome_json(space: SearchSpace, seed: int) -> None:
    """Checks that a genome and its digest survive JSON."""
    (genome,) = members(space, seed, 1)
    value = json.loads(json.dumps(space.genome_to_json(genome), allow_nan=False))
    assert space.genome_from_json(value) == genome, "a genome is different after JSON"
    assert space.digest(space.genome_from_json(value)) == space.digest(genome), "its digest is different after JSON"


def check_features(space: SearchSpace, seed: int) -> None:
    """Checks that features are finite numbers in [0, 1] and equally many for all genomes."""
    a, b = members(space, seed)
    first, second = space.features(a), space.features(b)
    assert first.shape == second.shape, "features of two genomes have different shapes"
    assert first.dtype == np.float64, f"features must be float64, not {first.dtype}"
    assert np.isfinite(first).all(), "features must be finite"
    assert ((first >= 0) & (first <= 1)).all(), "features must be in [0, 1]"
    assert ((second >= 0) & (second <= 1)).all(), "features must be in [0, 1]"


def check_flat_values(space: SearchSpace, seed: int) -> None:
    """Checks that a `genomes.space.FlatSpace` restores a genome from its values; other spaces are not checked."""
    if isinstance(space, FlatSpace):
        for genome in members(space, seed):
            values = space.values(genome)
            assert space.digest(space.from_values(values)) == space.digest(genome), "values build a different network"
            assert space.values(space.from_values(values)) == values, "values change in a round trip"


def check_space_json(space: SearchSpace, seed: int = 0) -> None:
    """Checks that the space's JSON is valid and stable, since `evonas.resume` compares it. Draws nothing."""
    text = json.dumps(space.to_json(), allow_nan=False)
    assert json.loads(text) == space.to_json(), "to_json must return JSON values"


#: Name -> check, called with a space and a seed.
SPACE_CHECKS: Mapping[str, Callable[[Any, int], None]] = MappingProxyType(
    {
        "sample": check_sample,
        "mutation": check_any_mutation,
        "crossover": check_crossover,
        "genome JSON": check_genome_json,
        "features": check_features,
        "flat values": check_flat_values,
        "space JSON": check_space_json,
    }
)


def check_space(space: SearchSpace, seeds: Iterable[int] = range(25)) -> None:
    """Runs all checks of `SPACE_CHECKS`, and checks each mutation of the space by name, with each seed.

    Args:
        space: the space to check.
        seeds: seeds for drawing genomes.

    Raises:
        AssertionError: a promise of `genomes.SearchSpace` is broken; the message names it.

    Example:
        >>> from genomes import HyperparameterSpace
        >>> check_space(HyperparameterSpace({"units": [8, 16, 32], "bias": [False, True]}))
    """
    for seed in seeds:
        for check in SPACE_CHECKS.values():
            check(space, seed)
        for mutation in space.mutations:
            check_mutation(space, seed, mutation)
