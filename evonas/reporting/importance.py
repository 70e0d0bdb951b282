"""Importance of genes by PED-ANOVA.

Source: Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
Subspaces", IJCAI 2023: the Pearson divergence between a gene's density among the best and among all networks.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.reporting.rundata import RunData

__all__ = ["gene_importance", "positions_of"]

#: Share of networks that count as the best; number of bins of a numeric gene; minimum number of networks.
_BEST_SHARE, _STEPS, _FEWEST = 0.1, 20, 20


@functools.lru_cache(maxsize=1)
def gene_importance(run: RunData, best_share: float = _BEST_SHARE) -> dict[str, float]:
    """Gene -> its share of the total importance, the most important first.

    Empty for fewer than 20 networks with a score. Interactions of genes are not included. Since the networks were
    chosen by the search, the importance describes the searched region.

    Args:
        run: the search.
        best_share: share of the networks that count as the best.
    """
    scored = np.flatnonzero(np.isfinite(run.losses))
    if len(scored) < _FEWEST:
        return {}
    order = scored[np.argsort(run.losses[scored], kind="stable")]
    best = order[: max(5, round(best_share * len(order)))]
    found = {}
    for name, values in run.genes.items():
        cells = _cells(name, [values[index] for index in scored], run.space)
        if len(np.unique(cells)) < 2:
            continue
        everywhere = dict(zip(scored.tolist(), cells.tolist(), strict=True))
        among_best = np.array([everywhere[index] for index in best.tolist()])
        found[name] = _pearson_divergence(among_best, cells)
    total = sum(found.values()) or 1.0
    return dict(sorted(((name, value / total) for name, value in found.items()), key=lambda item: -item[1]))


def positions_of(name: str, values: Sequence[Any], space: Any) -> NDArray[np.float64]:
    """The position of each value on its gene's scale, in [0, 1]; NaN if the gene is not active."""
    domains = {gene.name: gene.domain for gene in getattr(space, "genes", ())}
    if name in domains:
        domain = domains[name]
        return np.array([np.nan if value is None else domain.position(value) for value in values], np.float64)
    if all(value is None or isinstance(value, int | float) for value in values):
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        low, high = np.nanmin(numbers), np.nanmax(numbers)
        return np.asarray((numbers - low) / ((high - low) or 1.0))
    options = sorted({str(value) for value in values if value is not None})
    return np.array([np.nan if v is None else options.index(str(v)) / max(len(options) - 1, 1) for v in values])


def _cells(name: str, values: list[Any], space: Any) -> NDArray[np.intp]:
    """The bin of each value: its option, or its interval of the scale; -1 if the gene is not active."""
    if any(isinstance(value, str | bool) for value in values):
        options = {value: index for index, value in enumerate(dict.fromkeys(map(str, values)))}
        return np.array([-1 if value is None else options[str(value)] for value in values])
    positions = positions_of(name, values, space)
    cells = np.minimum(np.nan_to_num(positions) * _STEPS, _STEPS - 1).astype(np.intp)
    return np.where(np.isnan(positions), -1, cells)


def _pearson_divergence(best: NDArray[np.intp], everywhere: NDArray[np.intp]) -> float:
    """The Pearson divergence of the smoothed densities: the mean over all networks of (density ratio - 1) squared."""
    cells = np.unique(everywhere)
    top = np.array([(best == cell).sum() for cell in cells], np.float64)
    rest = np.array([(everywhere == cell).sum() for cell in cells], np.float64)
    smooth = 1.0 / len(cells)
    top, rest = (top + smooth) / (len(best) + 1.0), (rest + smooth) / (len(everywhere) + 1.0)
    return float((rest * (top / rest - 1.0) ** 2).sum())
