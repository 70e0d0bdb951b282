"""Features of hyperparameter genomes for a surrogate model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from genomes.domains import Choice, Domain, Value
from genomes.gene import Gene

__all__ = ["Features", "option_codes"]


class Features:
    """Computes features of the genomes of one space; quantities that depend only on the genes are computed once."""

    def __init__(self, genes: Sequence[Gene]) -> None:
        """Creates the function for the given genes, in their order."""
        self._columns = [
            (gene.name, gene.domain.position, _absent(gene.domain), option_codes(gene.domain))
            for gene in genes
            if not gene.domain.is_fixed
        ]
        self._conditional = list({gene.when: gene for gene in genes if gene.when}.values())

    def __call__(self, values: Mapping[str, Value]) -> NDArray[np.float64]:
        """The genome's features in [0, 1], shape `(num_features,)`; the length depends only on the space.

        For each gene that is not fixed, in order: the position of a number or a boolean in its domain, or one number
        per option of a choice among three or more names. Then, for each distinct condition, whether it holds. An absent
        gene is encoded as 0.5, or as equal values for all options.
        """
        parts: list[float] = []
        for name, position, absent, codes in self._columns:
            if name not in values:
                parts += absent
            elif codes:
                parts += codes[values[name]]
            else:
                parts.append(position(values[name]))
        parts += [float(gene.is_active(values)) for gene in self._conditional]
        return np.array(parts, np.float64)


def option_codes(domain: Domain) -> dict[Value, list[float]]:
    """The codes of the names, with one column per name, if there are three or more names; else empty."""
    if not (isinstance(domain, Choice) and isinstance(domain.options[0], str) and len(domain.options) > 2):
        return {}
    return {name: [float(name == option) for option in domain.options] for name in domain.options}


def _absent(domain: Domain) -> list[float]:
    codes = option_codes(domain)
    return [1.0 / len(codes)] * len(codes) if codes else [0.5]
