"""Reasons why a well-formed genome is not a member of a dense space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from genomes.architecture.neighbours import BANDWIDTHS
from genomes.checks import format_value
from genomes.dense.genes import SETTINGS, TRAINING_GENES, gene_of
from genomes.dense.genome import DenseGenome
from genomes.dense.wiring import chain, wires_of
from genomes.domains import Value, domain_to_json

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = ["faults"]


def faults(space: DenseSpace, genome: DenseGenome) -> Iterator[tuple[str, str]]:
    """Reasons why a well-formed genome is not in a space: (location inside the genome, constraint and value)."""
    units = [layer.units for layer in genome.layers]
    activations = [layer.activation for layer in genome.layers]
    yield from _outside(space, "layers", "layers", len(units))
    for k, layer in enumerate(genome.layers):
        yield from _outside(space, f"layers[{k}].units", "units", layer.units)
        yield from _outside(space, f"layers[{k}].activation", "activation", layer.activation)
    for name in SETTINGS:
        place = f"training.{name}" if name in TRAINING_GENES else name
        yield from _outside(space, place, name, gene_of(genome, name))
    if space.shape == "uniform" and len(set(units)) > 1:
        yield "layers", f"must have equal units in a space of shape uniform, not {units}"
    if space.shape == "pyramid" and units != sorted(units, reverse=True):
        yield "layers", f"must not get wider in a space of shape pyramid, not {units}"
    if space.activation_scope == "network" and len(set(activations)) > 1:
        yield "layers", f"must have one activation in a space of scope network, not {activations}"
    if (near := genome.neighbours) is not None:
        known = space.neighbour_columns if space.neighbours else ()
        if not set(near.columns) <= set(known):
            yield (
                "neighbours.columns",
                f"must be of {format_value(known)} of the space, not {format_value(near.columns)}",
            )
        if not set(near.bandwidths) <= set(BANDWIDTHS):
            yield "neighbours.bandwidths", f"must be of {BANDWIDTHS}, not {format_value(near.bandwidths)}"
    if not space.skip_connections and wires_of(genome) != chain(len(units)):
        yield "layers", "must form a chain in a space without skip_connections"


def _outside(space: DenseSpace, place: str, gene: str, value: Value) -> Iterator[tuple[str, str]]:
    if not space.domain(gene).contains(value):
        yield (
            place,
            f"must be in {format_value(domain_to_json(space.domain(gene)))} of the space, not {format_value(value)}",
        )
