"""What the evaluations so far say of genomes that were not evaluated: which are worth it.

A Gaussian process on the losses, those worse than typical on a logarithmic scale, so that a few disasters do not hide
what happens near the best; and, where evaluations have failed, the chance that another one does not. Free of spaces,
genomes and randomness.

References:
    Jones, Schonlau and Welch, "Efficient Global Optimization of Expensive Black-Box Functions", J. Glob. Opt. 13, 1998.
    Ginsbourger, Le Riche and Carraro, "Kriging Is Well-Suited to Parallelize Optimization", 2010.
    Gelbart, Snoek and Adams, "Bayesian Optimization with Unknown Constraints", UAI 2014.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evonas.strategies import deferred
from evonas.strategies.surrogate.gaussian_process import (
    GaussianProcess,
    fit_hyperparameters,
    log_expected_improvement,
    log_expected_improvement_gradient,
    prior_hyperparameters,
)

__all__ = ["MOST_FAILURES", "Observations", "Surrogate", "fit_to_observations", "spread_ranks", "warp"]

Array = NDArray[np.float64]

#: Of the evaluations that a process is conditioned on, the share that is the best; the others are spread evenly over
#: the ranks below.
_BEST_SHARE = 0.6
#: Failures that are remembered, at most.
MOST_FAILURES = 100
#: Evaluations up to which hyperparameters are also sought from the prior, not from the last ones alone.
_UNSETTLED = 40
#: Of whether evaluations fail: logarithm of how much nearer than for losses the neighbours are that tell, and of the
#: noise; and the variance of a label without any certainty.
_NEARER, _LABEL_NOISE = 2.0 * math.log(2.0), math.log(1e-2)
_LABEL_SPREAD = 0.01


@dataclass(frozen=True)
class Observations:
    """What a surrogate is conditioned on.

    Attributes:
        features: of what has a loss, shape `(count, num_features)`.
        losses: shape `(count,)`, finite.
        failures: features of what has none, shape `(num_failures, num_features)`.
        typical: loss of a random genome, the scale of all others.
    """

    features: Array
    losses: Array
    failures: Array
    typical: float


def spread_ranks(count: int, most: int) -> list[int]:
    """Of `count` ranks, best first, the most informative ones: the best, and some of all below."""
    if count <= most:
        return list(range(count))
    num_best = int(most * _BEST_SHARE)
    spread = np.linspace(num_best, count - 1, most - num_best).astype(np.intp)
    return [*range(num_best), *spread.tolist()]


def warp(losses: Array, typical: float) -> Array:
    """The losses in the same order, with zero mean and unit variance; logarithmic above what is typical."""
    scale = typical - losses.min()
    if scale <= 0:
        scale = float(losses.std()) or 1.0
    y = (losses - typical) / scale
    y = np.where(y > 0, np.log1p(np.maximum(y, 0.0)), y)
    centred: Array = (y - y.mean()) / (float(y.std()) or 1.0)
    return centred


def fit_to_observations(observations: Observations, last: Sequence[float]) -> list[float]:
    """The most probable hyperparameters given the observations, near the last ones unless there are none."""
    prior = prior_hyperparameters(observations.features.shape[1])
    starts = [last, prior] if last and len(observations.losses) < _UNSETTLED else [last or prior]
    iterations = 10 if last else 30
    return fit_hyperparameters(
        observations.features, warp(observations.losses, observations.typical), starts, iterations
    )


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process on losses, another one on failures, and the acquisition function that follows from them.

    Attributes:
        process: of the warped losses.
        best: the lowest posterior mean among the observations.
        success: of 1 if an evaluation had a loss and 0 if it failed; None while nothing failed.
        num_conditioned: number of its own posterior means that it is conditioned on, as if they were observed.
    """

    process: GaussianProcess
    best: float
    success: GaussianProcess | None
    num_conditioned: int = 0

    @classmethod
    def from_observations(cls, observations: Observations, hyperparameters: Sequence[float]) -> Surrogate:
        """The surrogate conditioned on the observations."""
        targets = warp(observations.losses, observations.typical)
        process = GaussianProcess.fit(observations.features, targets, hyperparameters)
        success = None
        if len(observations.failures):
            prior = prior_hyperparameters(observations.features.shape[1])
            places = np.vstack([observations.features, observations.failures])
            labels = np.repeat([1.0, 0.0], [len(observations.features), len(observations.failures)])
            success = GaussianProcess.fit(places, labels, [*(w + _NEARER for w in prior[:-2]), 0.0, _LABEL_NOISE])
        return cls(process, process.best_mean(), success)

    def acquisition(self, features: Array) -> Array:
        """Log expected improvement at features `(count, num_features)`, shape `(count,)`.

        Less the logarithm of the odds against an evaluation at all, where some have failed.
        """
        mean, deviation = self.process.predict(features)
        gain = log_expected_improvement(mean, deviation, self.best)
        if self.success is not None:
            label, unsure = self.success.predict(features)
            gain += deferred.log_ndtr((label - 0.5) / np.sqrt(unsure**2 + _LABEL_SPREAD))
        return gain

    def acquisition_and_gradient(self, features: Array) -> tuple[Array, Array]:
        """The acquisition at features `(count, num_features)` and its gradient there, of the same shape."""
        mean, deviation, mean_gradient, deviation_gradient = self.process.predict_with_gradients(features)
        gain, by_mean, by_deviation = log_expected_improvement_gradient(mean, deviation, self.best)
        gradient = by_mean[:, None] * mean_gradient + by_deviation[:, None] * deviation_gradient
        if self.success is not None:
            label, unsure, label_gradient, unsure_gradient = self.success.predict_with_gradients(features)
            spread = np.sqrt(unsure**2 + _LABEL_SPREAD)
            z = (label - 0.5) / spread
            chance = deferred.log_ndtr(z)
            gain = gain + chance
            odds = np.exp(-0.5 * z * z - 0.5 * math.log(2 * math.pi) - chance) / spread
            by_unsure = (z * unsure / spread)[:, None]
            gradient = gradient + odds[:, None] * (label_gradient - by_unsure * unsure_gradient)
        return gain, gradient

    def condition_on_mean(self, features: Array) -> Surrogate:
        """The surrogate conditioned on its own posterior mean at features `(num_features,)` (kriging believer)."""
        process = self.process.condition_on_mean(features)
        best = min(self.best, float(process.targets[-1]))
        return replace(self, process=process, best=best, num_conditioned=self.num_conditioned + 1)
