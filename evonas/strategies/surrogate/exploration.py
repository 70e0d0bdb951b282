"""Exploration of a search that is stuck, by shorter length scales of its surrogate; nothing that was seen is forgotten.

A search that has settled in a basin is sure of its surroundings and, by length scales fitted there, of all else. Each
time nothing better was found for a while, length scales are taken for shorter, so that what lies between the
evaluations is uncertain again and worth one. After the shortest ones come the fitted ones again.

References:
    Wang and de Freitas, "Theoretical Analysis of Bayesian Optimisation with Unknown Gaussian Process
    Hyper-Parameters", arXiv:1406.7758, 2014 (length scales that shrink).
    Eriksson et al., "Scalable Global Optimization via Local Bayesian Optimization", NeurIPS 2019 (restarts by counts).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from evonas.strategies.ranking import UNRANKED, Rank, is_feasible, rank_from_json

__all__ = ["LengthScaleShrinkage"]

#: Evaluations without an improvement after which length scales shrink by one step, and the most steps.
_PATIENCE, _MOST = 10, 4
#: What a step does to the logarithm of a squared inverse length scale: lengths by 0.7.
_SHORTER = -2.0 * math.log(0.7)
#: Smallest improvement, as a share of what the best is below the typical.
_LEAST_IMPROVEMENT = 0.01


class LengthScaleShrinkage:
    """Steps by which length scales are shortened, while nothing better is found.

    Attributes:
        waited: evaluations since the last improvement.
    """

    def __init__(self) -> None:
        self._best = UNRANKED
        self.waited = 0

    def note(self, rank: Rank, typical: float) -> None:
        """An evaluation has this rank; `typical` is the loss of a random genome, infinite while it is not known.

        What breaks the limits less is better too, while nothing is within them.
        """
        span = typical - self._best[1] if is_feasible(rank) else self._best[1]
        worth = _LEAST_IMPROVEMENT * max(span, 0.0) if math.isfinite(span) else 0.0
        if rank[0] < self._best[0] or rank < (self._best[0], self._best[1] - worth):
            self._best, self.waited = rank, 0
        else:
            self.waited += 1

    @property
    def steps(self) -> int:
        """Steps by which length scales are shortened now; 0 for none."""
        return self.waited // _PATIENCE % (_MOST + 1)

    def with_shorter_length_scales(self, hyperparameters: Sequence[float]) -> list[float]:
        """The hyperparameters with length scales shortened by `steps`."""
        return [*(weight + self.steps * _SHORTER for weight in hyperparameters[:-2]), *hyperparameters[-2:]]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"best": list(self._best), "waited": self.waited}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LengthScaleShrinkage:
        """Back from JSON values."""
        found = cls()
        found._best = rank_from_json(value["best"])
        found.waited = int(value["waited"])
        return found
