"""`ReductionChoice`: which data the lower rungs of a network use, learned from how well they predict the last rung.

Lower rungs of networks over images may use all data, half of the image size (by average pooling), half of the rows, or
both. The best of n networks, chosen by a score with correlation r to the final one, is on average r E(n) standard
deviations better than the mean network, where E(n) is the expected maximum of n standard normal variables. Cheaper data
allow for more networks in the same time, but may predict the final ranking less well. The correlation of each option is
estimated from the promoted networks, and the option is chosen by Thompson sampling. Costs are nominal, without
measurements, so that a seed determines the run.

References:
    Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18, 2018 (resources other
    than epochs).
    Klein et al., "Fast Bayesian Optimization of Machine Learning Hyperparameters on Large Datasets", AISTATS 2017
    (subsets of rows).
    Chrabaszcz, Loshchilov and Hutter, "A Downsampled Variant of ImageNet as an Alternative to the CIFAR datasets", 2017
    (image size).
    Thompson, "On the likelihood that one unknown probability exceeds another", Biometrika 25, 1933.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from evonas.evaluation import Reduction

__all__ = ["OPTIONS", "ReductionChoice", "expected_maximum"]

#: Reduction of height and width, and share of the rows, of each option.
OPTIONS = ((1, 1.0), (2, 1.0), (1, 0.5), (2, 0.5))
#: Share of a network's cost that does not depend on the data: building and compiling it.
_FIXED = 0.2
#: Correlation assumed for every option, and the number of networks that this assumption counts for.
_PRIOR, _PRIOR_COUNT = 0.7, 6
#: Number of latest promoted networks per option from which its correlation is estimated.
_MOST = 40


def expected_maximum(count: float) -> float:
    """Approximate expected maximum of `count` >= 1 independent standard normal variables (Blom 1958).

    >>> round(expected_maximum(1), 2), round(expected_maximum(3), 2), round(expected_maximum(20), 2)
    (0.0, 0.87, 1.87)
    """
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25))


class ReductionChoice:
    """Chooses the reduced data of new networks."""

    def __init__(self, epochs: int, population: int, first: int = 0) -> None:
        """Starts without observations.

        Args:
            epochs: epochs of the second to last rung, up to which data are reduced.
            population: number of networks that are compared at once.
            first: number of first networks that use all data, so that also a very short run has networks that count.
        """
        self._epochs, self._population, self._first, self._drawn = epochs, population, first, 0
        self._pairs: list[list[tuple[float, float]]] = [[] for _ in OPTIONS]

    def draw(self, rng: np.random.Generator, any_size: bool) -> Reduction | None:
        """The reduction for a new network; None for all data.

        Args:
            rng: source of all random numbers.
            any_size: whether the network accepts images of any size with equal weights.
        """
        self._drawn += 1
        if self._drawn <= self._first:
            return None
        values = [
            math.tanh(self._sampled(number, rng)) * expected_maximum(self._population / _cost(*option))
            for number, option in enumerate(OPTIONS)
        ]
        allowed = [number for number, (factor, _) in enumerate(OPTIONS) if factor == 1 or any_size]
        factor, rows = OPTIONS[max(allowed, key=values.__getitem__)]
        return None if (factor, rows) == (1, 1.0) else Reduction(self._epochs, factor, rows)

    def note(self, reduction: Reduction | None, lower: float, final: float) -> None:
        """Adds the losses of a promoted network: after the second to last rung, and after the last one."""
        option = (1, 1.0) if reduction is None else (reduction.factor, reduction.rows)
        pairs = self._pairs[OPTIONS.index(option)]
        pairs.append((lower, final))
        del pairs[:-_MOST]

    def correlation(self, number: int) -> float:
        """Estimated rank correlation of an option's lower rung with the last one, given its index in `OPTIONS`."""
        return math.tanh(self._estimate(number))

    def _estimate(self, number: int) -> float:
        """Fisher's z of the rank correlation, averaged with that of the prior."""
        pairs = self._pairs[number]
        count = len(pairs) if len(pairs) > 2 else 0
        measured = math.atanh(min(0.99, max(-0.99, _rank_correlation(pairs)))) if count else 0.0
        return (_PRIOR_COUNT * math.atanh(_PRIOR) + count * measured) / (_PRIOR_COUNT + count)

    def _sampled(self, number: int, rng: np.random.Generator) -> float:
        deviation = 1.0 / math.sqrt(_PRIOR_COUNT + len(self._pairs[number]) - 3)  # of Fisher's z
        return float(rng.normal(self._estimate(number), deviation))

    def to_json(self) -> dict[str, Any]:
        """Converts the number of networks and the observations to JSON values."""
        return {"drawn": self._drawn, "pairs": [[list(pair) for pair in pairs] for pairs in self._pairs]}

    def restore(self, value: Any) -> None:
        """Restores the state from JSON values."""
        self._drawn = int(value["drawn"])
        self._pairs = [[(float(lower), float(final)) for lower, final in pairs] for pairs in value["pairs"]]


def _cost(factor: int, rows: float) -> float:
    """Nominal cost of a lower rung relative to one with all data."""
    return _FIXED + (1.0 - _FIXED) * rows / factor**2


def _rank_correlation(pairs: list[tuple[float, float]]) -> float:
    """Spearman's rank correlation, without correction for ties."""
    lower, final = (np.argsort(np.argsort(side, kind="stable"), kind="stable") for side in zip(*pairs, strict=True))
    return float(np.corrcoef(lower, final)[0, 1])
