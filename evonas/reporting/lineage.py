"""The ancestry of the best network, and success rates of operators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evonas.reporting.rundata import RunData

__all__ = ["Operator", "ancestors", "operator_rates"]

_MOST_ANCESTORS = 60


@dataclass(frozen=True)
class Operator:
    """Statistics of an operator.

    Attributes:
        name: operator as recorded for candidates: a mutation, "crossover", "sample", "seed", ...
        children: number of networks that it produced and that have a score.
        better: number of these that are better than the best of their parents.
        median_gain: median over its children of the parent's loss minus the child's, in units of the score; NaN if
            there are none.
        failed: number of networks that it produced and that have no score.
    """

    name: str
    children: int
    better: int
    median_gain: float
    failed: int

    @property
    def success_rate(self) -> float:
        """The share of the children that are better than their parents; NaN if there are none."""
        return self.better / self.children if self.children else float("nan")


def ancestors(run: RunData, most: int = _MOST_ANCESTORS) -> list[int]:
    """Indices of the champion and its ancestors: the champion first, then the nearest ancestors."""
    if run.champion is None:
        return []
    start = run.places[run.champion.digest]
    found, waiting = [start], [start]
    while waiting and len(found) < most:
        for parent in _parents(run, waiting.pop(0)):
            if parent not in found and len(found) < most:
                found.append(parent)
                waiting.append(parent)
    return found


def gain(run: RunData, index: int) -> float:
    """The improvement of a network over the best of its parents, in units of the score; NaN without parents."""
    parents = [run.losses[parent] for parent in _parents(run, index)]
    known = [loss for loss in parents if np.isfinite(loss)]
    return float(min(known) - run.losses[index]) if known else float("nan")


def operator_rates(run: RunData) -> list[Operator]:
    """The statistics of every operator, the most frequent first."""
    gains: dict[str, list[float]] = {}
    failed: dict[str, int] = {}
    for index, record in enumerate(run.records):
        gains.setdefault(record.operator, [])
        failed.setdefault(record.operator, 0)
        if np.isfinite(run.losses[index]):
            gains[record.operator].append(gain(run, index))
        else:
            failed[record.operator] += 1
    rates = []
    for name, values in gains.items():
        known = [value for value in values if np.isfinite(value)]
        middle = float(np.median(known)) if known else float("nan")
        rates.append(Operator(name, len(values), sum(value > 0 for value in known), middle, failed[name]))
    return sorted(rates, key=lambda each: (-each.children - each.failed, each.name))


def _parents(run: RunData, index: int) -> Iterator[int]:
    """Yields indices of the parents in the run; a parent whose best evaluation followed the child's is not counted."""
    for digest in run.records[index].parents:
        parent = run.places.get(digest)
        if parent is not None and parent != index and parent < index:
            yield parent
