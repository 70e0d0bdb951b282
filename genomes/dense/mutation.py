"""Mutations of dense networks: pure functions `(genome, space, rng) -> genome`, or None if they do not apply.

A child is a member of the space and differs from its parent. Fixed genes stay fixed. One row in `MUTATIONS` registers a
mutation with the space, the strategies and the contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from genomes.dense.genes import COSTLY, EMBEDDING_GENES, MEMBER_GENES, SETTINGS, gene_of, is_active, with_gene
from genomes.dense.genome import DenseGenome, Layer, replace_fields
from genomes.dense.neighbourhood import vary_neighbours
from genomes.dense.wiring import (
    bypass,
    edges,
    insert_behind,
    insert_on_edge,
    missing_edges,
    rewire,
    spare_edges,
    wires_of,
)
from genomes.operators import scale_rate

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = ["GENES_MOVED", "MUTATIONS", "STRUCTURAL", "Mutation"]

Mutation = Callable[[DenseGenome, "DenseSpace", np.random.Generator], DenseGenome | None]

T = TypeVar("T")


def insert_layer(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Inserts a new layer on an edge; several if the space does not allow exactly one more."""
    return _grow(genome, space, rng, _insert_one)


def duplicate_layer(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Inserts a copy of a layer after it; several copies if the space does not allow exactly one more."""
    return _grow(genome, space, rng, _duplicate_one) if genome.layers else None


def remove_layer(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Removes a layer and connects its users to its sources; several layers if the space does not allow exactly one
    less.
    """
    count = space.previous_count(len(genome.layers))
    if count is None:
        return None
    while len(genome.layers) > count:
        node = int(rng.integers(1, len(genome.layers) + 1))
        layers = [*genome.layers[: node - 1], *genome.layers[node:]]
        genome = rewire(genome, layers, bypass(wires_of(genome), node))
    return genome


def resize_layer(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Changes the width of a layer, or of all layers if the space has a uniform width."""
    if not genome.layers:
        return None
    layers = genome.layers
    if space.shape == "uniform":
        units = space.units_between().vary(layers[0].units, rng)
        child = replace_fields(genome, layers=tuple(replace_fields(layer, units=units) for layer in layers))
        return child if child != genome else None
    for place in rng.permutation(len(layers)).tolist():
        following = layers[place + 1] if place + 1 < len(layers) else None
        domain = space.units_between(layers[place - 1] if place else None, following)
        if not domain.is_fixed:
            return _with_layer(genome, place, units=domain.vary(layers[place].units, rng))
    return None


def change_activation(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Changes the activation of a layer, or of all layers if the space has one activation per network."""
    domain = space.domain("activation")
    if domain.is_fixed or not genome.layers:
        return None
    place = int(rng.integers(len(genome.layers)))
    activation = domain.vary(genome.layers[place].activation, rng)
    if space.activation_scope == "layer":
        return _with_layer(genome, place, activation=activation)
    return replace_fields(genome, layers=tuple(replace_fields(layer, activation=activation) for layer in genome.layers))


def add_skip(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Adds an edge."""
    wires = wires_of(genome)
    missing = missing_edges(wires) if space.skip_connections else []
    if not missing:
        return None
    source, node = _pick(missing, rng)
    wires[node - 1].add(source)
    return rewire(genome, genome.layers, wires)


def remove_skip(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Removes an edge whose ends stay connected without it."""
    wires = wires_of(genome)
    spare = spare_edges(wires) if space.skip_connections else []
    if not spare:
        return None
    source, node = _pick(spare, rng)
    wires[node - 1].remove(source)
    return rewire(genome, genome.layers, wires)


def scale_learning_rate(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Multiplies the learning rate by a log-normal factor, within its range; picks another option of a choice."""
    domain = space.domain("learning_rate")
    if domain.is_fixed:
        return None
    return with_gene(genome, "learning_rate", scale_rate(domain, genome.training.learning_rate, rng))


def change_embedding(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Changes the numeric embedding: its kind or, equally often, one of its genes."""
    return _switch(genome, space, rng, EMBEDDING_GENES)


def change_members(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Changes the number of members or, equally often, their adapters."""
    return _switch(genome, space, rng, MEMBER_GENES)


def change_output(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Changes how predictions follow from the last layer."""
    if not space.is_free("output"):
        return None
    return with_gene(genome, "output", space.domain("output").vary(genome.output, rng))


def _switch(
    genome: DenseGenome, space: DenseSpace, rng: np.random.Generator, genes: tuple[str, ...]
) -> DenseGenome | None:
    """Varies the first gene or, if it is not off, possibly one of the others."""
    switch, *others = [name for name in genes if is_active(genome, name)] or [""]
    free = (
        [name for name in others if space.is_free(name)] if switch and getattr(genome, switch) != COSTLY[switch] else []
    )
    if switch and space.is_free(switch) and (not free or rng.random() < 0.5):
        free = [switch]
    if not free:
        return None
    name = _pick(free, rng)
    return with_gene(genome, name, space.domain(name).vary(gene_of(genome, name), rng))


def change_training_gene(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Varies one of the other active genes outside the layers."""
    genes = [name for name in GENES_MOVED["change_training_gene"] if space.is_free(name) and is_active(genome, name)]
    if not genes:
        return None
    child = genome
    for place in rng.permutation(len(genes)).tolist():
        child = with_gene(genome, genes[place], space.domain(genes[place]).vary(gene_of(genome, genes[place]), rng))
        if genes[place] != "optimizer" or space.digest(child) != space.digest(genome):
            break  # adamw without weight decay is adam
    return child


def change_neighbours(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome | None:
    """Turns neighbour features on or off, or changes their columns or bandwidths."""
    if not space.is_free("neighbours"):
        return None
    return replace_fields(genome, neighbours=vary_neighbours(genome.neighbours, space, rng))


MUTATIONS: Mapping[str, Mutation] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            insert_layer,
            remove_layer,
            resize_layer,
            duplicate_layer,
            change_activation,
            scale_learning_rate,
            add_skip,
            remove_skip,
            change_embedding,
            change_members,
            change_output,
            change_training_gene,
            change_neighbours,
        )
    }
)

#: Mutations of layers and their connections.
STRUCTURAL = frozenset(MUTATIONS) - {"scale_learning_rate", "change_training_gene", "change_neighbours"}

#: Mutation -> the genes that it changes; a space that fixes all of them lacks the mutation.
GENES_MOVED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "insert_layer": ("layers",),
        "remove_layer": ("layers",),
        "resize_layer": ("units",),
        "duplicate_layer": ("layers",),
        "change_activation": ("activation",),
        "scale_learning_rate": ("learning_rate",),
        "add_skip": ("skip_connections",),
        "remove_skip": ("skip_connections",),
        "change_embedding": EMBEDDING_GENES,
        "change_members": MEMBER_GENES,
        "change_output": ("output",),
        "change_training_gene": tuple(
            name for name in SETTINGS if name not in ("learning_rate", "output", *EMBEDDING_GENES, *MEMBER_GENES)
        ),
        "change_neighbours": ("neighbours",),
    }
)


def _grow(
    genome: DenseGenome,
    space: DenseSpace,
    rng: np.random.Generator,
    grow: Callable[[DenseGenome, DenseSpace, np.random.Generator], DenseGenome],
) -> DenseGenome | None:
    count = space.next_count(len(genome.layers))
    if count is None:
        return None
    while len(genome.layers) < count:
        genome = grow(genome, space, rng)
    return genome


def _insert_one(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome:
    source, node = _pick(edges(wires_of(genome)), rng)
    layers = genome.layers
    if space.shape == "uniform" and layers:
        units = layers[0].units
    else:
        before = layers[node - 2] if node > 1 else None
        after = layers[node - 1] if node <= len(layers) else None
        units = int(space.units_between(before, after).sample(rng))
    if space.activation_scope == "network" and layers:
        activation = layers[0].activation
    else:
        activation = str(space.domain("activation").sample(rng))
    grown = [*layers[: node - 1], Layer(units, activation, (source,)), *layers[node - 1 :]]
    return rewire(genome, grown, insert_on_edge(wires_of(genome), source, node))


def _duplicate_one(genome: DenseGenome, space: DenseSpace, rng: np.random.Generator) -> DenseGenome:
    node = int(rng.integers(1, len(genome.layers) + 1))
    layers = [*genome.layers[:node], *genome.layers[node - 1 :]]
    return rewire(genome, layers, insert_behind(wires_of(genome), node))


def _with_layer(genome: DenseGenome, place: int, **changes: object) -> DenseGenome:
    layers = list(genome.layers)
    layers[place] = replace_fields(layers[place], **changes)
    return replace_fields(genome, layers=tuple(layers))


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]
