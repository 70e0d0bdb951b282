"""Exploration during stagnation by shrinking the surrogate's length scales.

Length scales fitted within one basin may make the surrogate overconfident elsewhere. As long as a search stagnates,
they are therefore shrunk step by step, which increases the uncertainty between evaluations. After the shortest length
scales, the fitted ones are used again.

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

#: Evaluations without improvement per step, and the largest number of steps.
_PATIENCE, _MOST = 10, 4
#: Change of the log squared inverse length scale per step, which multiplies length scales by 0.7.
_SHORTER = -2.0 * math.log(0.7)
#: Smallest improvement that counts, relative to the difference between the typical and the best loss.
_LEAST_IMPROVEMENT = 0.01


class LengthScaleShrinkage:
    """Counts evaluations without improvement and derives the shrinkage of length scales from it.

    Attributes:
        waited: number of evaluations since the last improvement.
    """

    def __init__(self) -> None:
        self._best = UNRANKED
        self.waited = 0

    def note(self, rank: Rank, typical: float) -> None:
        """Records the rank of an evaluation. Before the first feasible evaluation, smaller violations are improvements.

        Args:
            rank: rank of the evaluation.
            typical: loss of a random genome, infinite if unknown.
        """
        span = typical - self._best[1] if is_feasible(rank) else self._best[1]
        required = _LEAST_IMPROVEMENT * max(span, 0.0) if math.isfinite(span) else 0.0
        if rank[0] < self._best[0] or rank < (self._best[0], self._best[1] - required):
            self._best, self.waited = rank, 0
        else:
            self.waited += 1

    @property
    def steps(self) -> int:
        """Current number of shrinkage steps."""
        return self.waited // _PATIENCE % (_MOST + 1)

    def with_shorter_length_scales(self, hyperparameters: Sequence[float]) -> list[float]:
        """The hyperparameters with shorter length scales."""
        return [*(weight + self.steps * _SHORTER for weight in hyperparameters[:-2]), *hyperparameters[-2:]]

    def to_json(self) -> dict[str, Any]:
        """Converts the state to JSON values."""
        return {"best": list(self._best), "waited": self.waited}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LengthScaleShrinkage:
        """Restores the state from JSON values."""
        found = cls()
        found._best = rank_from_json(value["best"])
        found.waited = int(value["waited"])
        return found
