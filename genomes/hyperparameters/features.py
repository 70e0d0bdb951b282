"""Hyperparameter genomes as numbers for a surrogate model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from genomes.domains import Choice, Value
from genomes.gene import Gene

__all__ = ["features"]


def features(genes: Sequence[Gene], values: Mapping[str, Value]) -> NDArray[np.float64]:
    """The genome's place in the space, shape `(num_features,)`, each in [0, 1]; the length depends on the space alone.

    In order of the genes, fixed ones left out: the position in the domain of a number or a truth value; one number an
    option of a choice among three names or more. Then, for each different condition, whether it holds. A gene that is
    absent lies in the middle: 0.5, or the same for each option.
    """
    parts: list[float] = []
    for gene in genes:
        domain = gene.domain
        if domain.is_fixed:
            continue
        there = gene.name in values
        if isinstance(domain, Choice) and isinstance(domain.options[0], str) and len(domain.options) > 2:
            share = 1.0 / len(domain.options)
            parts += [float(values[gene.name] == option) if there else share for option in domain.options]
        else:
            parts.append(domain.position(values[gene.name]) if there else 0.5)
    conditions = {gene.when: gene.is_active(values) for gene in genes if gene.when}
    return np.clip(np.array([*parts, *map(float, conditions.values())], np.float64), 0.0, 1.0)
