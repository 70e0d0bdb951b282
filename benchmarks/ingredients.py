"""The ingredients of networks for tables that `ablation.py` removes one at a time, as pairs of genomes.

An ingredient has a test for its presence, a function that removes it, and one that adds it with a usual value. A
network that has the ingredient is compared with the one without it; a network that lacks it is compared with the one
that has it in addition. Either way, the change is that of the error when the ingredient is removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from genomes.dense import DenseGenome, DenseSpace
from genomes.dense.genes import gene_of, is_active, with_genes
from genomes.dense.genome import Neighbours

__all__ = ["INGREDIENTS", "Ingredient", "pair_of"]

#: Bandwidths of added neighbour features, those of the known defaults.
_BANDWIDTHS = (0.01, 0.03, 0.1)
#: The usual learning rate is for the standard parametrisation, in which a step has another effect.
_RATE_OF_NTK = 8.0


@dataclass(frozen=True)
class Ingredient:
    """One ingredient.

    Attributes:
        name: name in the printed table.
        is_present: whether a network has it.
        remove: the network without it.
        add: the network with it, or None if it does not apply to the network or to the table.
        in_default_space: whether the default space has it as a gene.
        for_classes: whether it applies to classification only, where it is judged by the share of errors.
    """

    name: str
    is_present: Callable[[DenseGenome], bool]
    remove: Callable[[DenseGenome], DenseGenome]
    add: Callable[[DenseGenome, DenseSpace], DenseGenome | None]
    in_default_space: bool = True
    for_classes: bool = False


def _gene(
    name: str,
    gene: str,
    off: Any,
    usual: Any,
    in_default_space: bool = True,
    also: dict[str, Any] | None = None,
    any_value: bool = False,
    for_classes: bool = False,
) -> Ingredient:
    """An ingredient that is the value of one gene.

    Args:
        off: value without the ingredient.
        usual: value with which it is added.
        also: other genes that are set when it is added.
        any_value: whether each value other than `off` counts as the ingredient, or only `usual`.
    """

    def is_present(genome: DenseGenome) -> bool:
        value = gene_of(genome, gene)
        return bool(value != off if any_value else value == usual)

    def add(genome: DenseGenome, space: DenseSpace) -> DenseGenome | None:
        if not is_active(genome, gene):
            return None
        return with_genes(genome, {gene: usual, **(also or {})})

    return Ingredient(
        name, is_present, lambda genome: with_genes(genome, {gene: off}), add, in_default_space, for_classes
    )


_PLAIN_NUMBERS = {"embedding": "none", "numbers": "standard"}


def _numbers(form: str) -> Ingredient:
    """A fixed encoding of numeric columns, against standardised numbers."""
    return Ingredient(
        f"numbers {form}",
        lambda genome: genome.embedding == "none" and genome.numbers == form,
        lambda genome: with_genes(genome, _PLAIN_NUMBERS),
        lambda genome, space: with_genes(genome, {"embedding": "none", "numbers": form}),
    )


def _embedding(kind: str, units: int) -> Ingredient:
    """A trained embedding of numeric columns, against standardised numbers."""
    return Ingredient(
        f"embedding {kind}",
        lambda genome: genome.embedding == kind,
        lambda genome: with_genes(genome, _PLAIN_NUMBERS),
        lambda genome, space: with_genes(genome, {"embedding": kind, "embedding_units": units, "embedding_sigma": 0.1}),
    )


def _with_neighbours(genome: DenseGenome, space: DenseSpace) -> DenseGenome | None:
    if not space.neighbour_sets:
        return None
    return replace(genome, neighbours=Neighbours(tuple(sorted(space.neighbour_sets[0])), _BANDWIDTHS))


def _with_activation(activation: str, genome: DenseGenome, space: DenseSpace | None = None) -> DenseGenome:
    return replace(genome, layers=tuple(replace(layer, activation=activation) for layer in genome.layers))


def _activation(name: str) -> Ingredient:
    """An activation, against relu."""
    return Ingredient(
        f"activation {name}",
        lambda genome: any(layer.activation == name for layer in genome.layers),
        partial(_with_activation, "relu"),
        partial(_with_activation, name),
    )


def _with_ntk(genome: DenseGenome, space: DenseSpace) -> DenseGenome:
    rate = min(_RATE_OF_NTK * genome.training.learning_rate, 1.0)
    return with_genes(genome, {"parametrization": "ntk", "initializer": "lecun_normal", "learning_rate": rate})


def _without_ntk(genome: DenseGenome) -> DenseGenome:
    rate = genome.training.learning_rate / _RATE_OF_NTK
    return with_genes(genome, {"parametrization": "standard", "learning_rate": rate})


INGREDIENTS: tuple[Ingredient, ...] = (
    Ingredient(
        "neighbours", lambda g: g.neighbours is not None, lambda g: replace(g, neighbours=None), _with_neighbours
    ),
    _gene("members (TabM)", "members", 1, 8, also={"adapters": "full"}, any_value=True),
    _gene("learned neighbours", "output", "dense", "neighbours"),
    _embedding("linear", 16),
    _embedding("tree", 16),
    _embedding("periodic", 8),
    *(_numbers(form) for form in ("quantile", "log", "piecewise", "tree", "periodic", "robust")),
    Ingredient(
        "scaling layer",
        lambda genome: genome.embedding == "none" and genome.scaling,
        lambda genome: with_genes(genome, {"scaling": False}),
        lambda genome, space: with_genes(genome, {"embedding": "none", "scaling": True}),  # no effect with an embedding
    ),
    _gene("beta2 0.95", "beta2", 0.999, 0.95),
    _gene("schedule cosine", "schedule", "constant", "cosine"),
    _gene("schedule flat_cosine", "schedule", "constant", "flat_cosine"),
    _gene("schedule exponential", "schedule", "constant", "exponential"),
    _gene("warmup", "warmup", 0.0, 0.05, any_value=True),
    _gene("weight decay", "weight_decay", 0.0, 0.02, any_value=True),
    _gene("l2", "l2", 0.0, 1e-5, any_value=True),
    _gene("dropout", "dropout", 0.0, 0.1, any_value=True),
    _gene("batch normalisation", "normalization", "none", "batch"),
    _gene("layer normalisation", "normalization", "none", "layer"),
    _activation("mish"),
    _activation("silu"),
    _gene("initializer he_normal", "initializer", "glorot_uniform", "he_normal"),
    _gene("label smoothing", "label_smoothing", 0.0, 0.1, any_value=True, for_classes=True),
    _gene("schedule coslog4", "schedule", "constant", "coslog4", False),
    _gene("category embeddings", "category_units", 0, 8, False),
    _gene("parametric activation", "parametric_activation", False, True, False),
    _gene("biases at 0.1 of the rate", "bias_rate", 1.0, 0.1, False),
    *(
        _gene(f"{name} at {rate:g} of the rate", f"{name}_rate", 1.0, rate, False)
        for name in ("embedding", "output")
        for rate in (0.1, 0.3, 3.0)
    ),
    Ingredient(
        "NTK parametrisation",
        lambda genome: genome.training.parametrization == "ntk",
        _without_ntk,
        _with_ntk,
        False,
    ),
    _gene("decay schedule", "decay_schedule", "constant", "flat_cosine", False),
    _gene("biases from rows", "bias_initializer", "zeros", "rows", False),
)


def pair_of(ingredient: Ingredient, genome: DenseGenome, space: DenseSpace) -> tuple[DenseGenome, DenseGenome] | None:
    """The network with the ingredient and the one without it; None if it does not apply.

    Args:
        genome: a network, with or without the ingredient.
        space: space of the run that found it.
    """
    present = genome if ingredient.is_present(genome) else ingredient.add(genome, space)
    return None if present is None else (present, ingredient.remove(present))
