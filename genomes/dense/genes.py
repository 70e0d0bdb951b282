"""The genes of a dense network that are not its layers' own: one name each, wherever the genome keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from genomes.architecture.layers import INPUT_KINDS, LAYER_KINDS, MAX_LAYERS, TRAINING_KINDS
from genomes.checks import Kind, Whole
from genomes.dense.genome import DenseGenome, Training, changed
from genomes.domains import Value

__all__ = [
    "NETWORK_GENES",
    "OPTIMIZERS_OF",
    "SETTINGS",
    "TRAINING_GENES",
    "gene_of",
    "is_active",
    "with_gene",
    "with_genes",
]

#: Genes of the [network] table of a space, and what they may hold.
NETWORK_GENES: Mapping[str, Kind] = MappingProxyType(
    {"layers": Whole(0, MAX_LAYERS)}
    | {name: LAYER_KINDS[name] for name in ("units", "activation", "dropout", "normalization", "initializer")}
    | dict(INPUT_KINDS)
)

#: Genes of the [training] table: the fields of `Training`.
TRAINING_GENES: Mapping[str, Kind] = MappingProxyType(
    {field.name: {**TRAINING_KINDS, "l2": LAYER_KINDS["l2"]}[field.name] for field in fields(Training)}
)

#: Genes that a network has once, each held by a field of the genome or of its training.
SETTINGS = ("dropout", "normalization", "initializer", *TRAINING_GENES, "numbers", "scaling")

#: Genes that do something with some optimizers only.
OPTIMIZERS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"weight_decay": ("adamw",), "beta2": ("adam", "adamw", "nadam")}
)


def gene_of(genome: DenseGenome, name: str) -> Value:
    """Value of one of `SETTINGS`."""
    value: Value = getattr(genome.training if name in TRAINING_GENES else genome, name)
    return value


def with_gene(genome: DenseGenome, name: str, value: Value) -> DenseGenome:
    """The genome with another value of one of `SETTINGS`."""
    if name in TRAINING_GENES:
        return changed(genome, training=changed(genome.training, **{name: value}))
    return changed(genome, **{name: value})


def with_genes(genome: DenseGenome, values: Mapping[str, Value]) -> DenseGenome:
    """The genome with other values of some of `SETTINGS`, at the cost of one copy."""
    inner = {name: value for name, value in values.items() if name in TRAINING_GENES}
    outer = {name: value for name, value in values.items() if name not in TRAINING_GENES}
    return changed(genome, training=changed(genome.training, **inner), **outer)


def is_active(genome: DenseGenome, name: str) -> bool:
    """Whether one of `SETTINGS` changes anything in this genome."""
    if name in ("dropout", "normalization"):
        return bool(genome.layers)
    return name not in OPTIMIZERS_OF or genome.training.optimizer in OPTIMIZERS_OF[name]
