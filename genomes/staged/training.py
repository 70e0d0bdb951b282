"""Rows of the genes common to staged encodings: those of training, of all layers and of the head."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from genomes.architecture.options import ACTIVATIONS, INITIALIZERS, MAX_UNITS, NORMALIZATIONS
from genomes.checks import Real, Whole, Word
from genomes.domains import Choice, Range
from genomes.gene import Condition
from genomes.staged.rows import GeneRow
from genomes.training import OPTIMIZERS_OF, AugmentedTraining, Training, training_kinds

__all__ = ["AT_LEAST_ONE", "head_rows", "network_rows", "training_rows"]

#: The positive values of a count.
AT_LEAST_ONE = Range(1, 1_000_000)

#: For each augmentation, the share of random networks that train without it.
_USUALLY_OFF = 0.6


def training_rows(augmentation: Iterable[str], when: Condition = ()) -> Mapping[str, GeneRow]:
    """Rows of the training genes, including augmentation.

    Args:
        augmentation: fields of `AugmentedTraining`.
        when: condition under which samples can be augmented.
    """
    kinds, idle = training_kinds(AugmentedTraining), AugmentedTraining()
    rows = {}
    for name in training_kinds(Training):
        optimizers = OPTIMIZERS_OF.get(name)
        condition = () if optimizers is None else (("optimizer", Choice(optimizers)),)
        rows[name] = GeneRow(kinds[name], getattr(idle, name), condition, subtle=name == "optimizer")
    for name in augmentation:
        rows[name] = GeneRow(kinds[name], getattr(idle, name), when, subtle=True, usually_off=_USUALLY_OFF)
    return MappingProxyType(rows)


def network_rows() -> Mapping[str, GeneRow]:
    """Rows of the genes common to all layers. One may affect no layer of a network, hence mutations check."""
    return {
        "activation": GeneRow(Word(ACTIVATIONS), "relu", subtle=True),
        "normalization": GeneRow(Word(NORMALIZATIONS), "none", subtle=True),
        "dropout": GeneRow(Real(0.0, 0.9), 0.0, subtle=True),
        "initializer": GeneRow(Word(INITIALIZERS), "he_normal"),
    }


def head_rows(poolings: tuple[str, ...]) -> Mapping[str, GeneRow]:
    """Rows of the genes of the layers between the last stage and the output."""
    there = (("head_layers", AT_LEAST_ONE),)
    return {
        "head_pooling": GeneRow(Word(poolings), "average", subtle=True),
        "head_layers": GeneRow(Whole(0, 3), 0),
        "head_units": GeneRow(Whole(1, MAX_UNITS), 1, there),
        "head_dropout": GeneRow(Real(0.0, 0.9), 0.0, there),
    }
