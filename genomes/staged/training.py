"""Rows of the genes that encodings of stages of blocks have alike: those of training, and of the head."""

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

#: The values of a count at which there is something.
AT_LEAST_ONE = Range(1, 1_000_000)

#: The share of random networks that train on samples as they are, of each way to change them.
_USUALLY_OFF = 0.6


def training_rows(augmentation: Iterable[str], when: Condition = ()) -> Mapping[str, GeneRow]:
    """Rows of training, and of some ways to change samples in it.

    Args:
        augmentation: fields of `AugmentedTraining`.
        when: which samples can be changed in this way.
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
    """Rows of what all layers of a network have alike. A layer may have no use for one, hence mutations look."""
    return {
        "activation": GeneRow(Word(ACTIVATIONS), "relu", subtle=True),
        "normalization": GeneRow(Word(NORMALIZATIONS), "none", subtle=True),
        "dropout": GeneRow(Real(0.0, 0.9), 0.0, subtle=True),
        "initializer": GeneRow(Word(INITIALIZERS), "he_normal"),
    }


def head_rows(poolings: tuple[str, ...]) -> Mapping[str, GeneRow]:
    """Rows of the layers between the last stage and the output."""
    there = (("head_layers", AT_LEAST_ONE),)
    return {
        "head_pooling": GeneRow(Word(poolings), "average", subtle=True),
        "head_layers": GeneRow(Whole(0, 3), 0),
        "head_units": GeneRow(Whole(1, MAX_UNITS), 1, there),
        "head_dropout": GeneRow(Real(0.0, 0.9), 0.0, there),
    }
