"""The acquisition function: log expected improvement of a Gaussian process given the evaluations so far.

Losses are transformed so that outliers do not hide differences near the best. If evaluations have failed, a second
Gaussian process models the probability of success. Independent of spaces and genomes, and deterministic.

References:
    Jones, Schonlau and Welch, "Efficient Global Optimization of Expensive Black-Box Functions", J. Glob. Opt. 13, 1998.
    Ginsbourger, Le Riche and Carraro, "Kriging Is Well-Suited to Parallelize Optimization", 2010.
    Box and Cox, "An Analysis of Transformations", Journal of the Royal Statistical Society B 26, 1964.
    Cowen-Rivers et al., "HEBO: Pushing the Limits of Sample-Efficient Hyperparameter Optimisation", JAIR 74, 2022.
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

#: Share of the best evaluations among the observations; the others are spread evenly over the remaining ranks.
_BEST_SHARE = 0.6
#: Largest number of failures among the observations.
MOST_FAILURES = 100
#: Powers from which the most likely transformation of positive losses is chosen, in addition to the logarithm.
_POWERS = np.arange(1, 9) / 8.0
#: Number of evaluations up to which fits start from the prior as well as from the last hyperparameters.
_FEW_EVALUATIONS = 40
#: Success model: log of the factor on squared inverse length scales, log of the noise, and the variance of a label.
_WEIGHT_FACTOR, _LABEL_NOISE = 2.0 * math.log(2.0), math.log(1e-2)
_LABEL_VARIANCE = 0.01


@dataclass(frozen=True)
class Observations:
    """The data that a surrogate is conditioned on.

    Attributes:
        features: features of evaluations with a loss, shape `(count, num_features)`.
        losses: their finite losses, shape `(count,)`.
        failures: features of failed evaluations, shape `(num_failures, num_features)`.
        typical: loss of a random genome, which sets the scale.
    """

    features: Array
    losses: Array
    failures: Array
    typical: float


def spread_ranks(count: int, most: int) -> list[int]:
    """The most informative of `count` ranks: the best ones, and an even spread over the rest."""
    if count <= most:
        return list(range(count))
    num_best = int(most * _BEST_SHARE)
    spread = np.linspace(num_best, count - 1, most - num_best).astype(np.intp)
    return [*range(num_best), *spread.tolist()]


def warp(losses: Array, typical: float) -> Array:
    """Transforms losses `(count,)` monotonically to zero mean and unit variance.

    Positive losses get the most likely Box-Cox power between the logarithm and the identity, as in Cowen-Rivers et al.,
    so that losses that span orders of magnitude also differ near the best. Other losses become logarithmic above the
    typical loss.
    """
    y = _power(losses) if losses.min() > 0 else _logarithmic_above(losses, typical)
    centred: Array = (y - y.mean()) / (float(y.std()) or 1.0)
    return centred


def _power(losses: Array) -> Array:
    """The most likely power transformation (Box and Cox 1964) of losses divided by their geometric mean."""
    logs = np.log(losses)
    logs -= logs.mean()
    powers = _POWERS[:, None]
    y = np.concatenate([logs[None], np.expm1(powers * logs) / powers])
    found: Array = y[int(np.argmin(y.var(axis=1)))]  # the Jacobian is 1 for multiples of the geometric mean
    return found


def _logarithmic_above(losses: Array, typical: float) -> Array:
    scale = typical - losses.min()
    if scale <= 0:
        scale = float(losses.std()) or 1.0
    y = (losses - typical) / scale
    found: Array = np.where(y > 0, np.log1p(np.maximum(y, 0.0)), y)
    return found


def fit_to_observations(observations: Observations, last: Sequence[float]) -> list[float]:
    """Fits the hyperparameters to the observations (maximum a posteriori), starting from the last ones, if any."""
    prior = prior_hyperparameters(observations.features.shape[1])
    starts = [last, prior] if last and len(observations.losses) < _FEW_EVALUATIONS else [last or prior]
    iterations = 10 if last else 30
    return fit_hyperparameters(
        observations.features, warp(observations.losses, observations.typical), starts, iterations
    )


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process of the loss, another one of success, and their acquisition function.

    Attributes:
        process: Gaussian process of the warped loss.
        best: lowest posterior mean among the observations.
        success: Gaussian process of success, 1 for evaluations with a loss and 0 for failed ones; None without
            failures.
        num_conditioned: number of posterior means that the process is conditioned on as if they were observed.
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
            points = np.vstack([observations.features, observations.failures])
            labels = np.repeat([1.0, 0.0], [len(observations.features), len(observations.failures)])
            success = GaussianProcess.fit(
                points, labels, [*(w + _WEIGHT_FACTOR for w in prior[:-2]), 0.0, _LABEL_NOISE]
            )
        return cls(process, process.best_mean(), success)

    def acquisition(self, features: Array) -> Array:
        """Log expected improvement plus the log probability of success, at features `(count, num_features)`.

        Returns:
            Values of shape `(count,)`. Without failures, the probability of success is 1.
        """
        mean, deviation = self.process.predict(features)
        gain = log_expected_improvement(mean, deviation, self.best)
        if self.success is not None:
            label, label_std = self.success.predict(features)
            gain += deferred.log_ndtr((label - 0.5) / np.sqrt(label_std**2 + _LABEL_VARIANCE))
        return gain

    def acquisition_and_gradient(self, features: Array) -> tuple[Array, Array]:
        """The acquisition function at features `(count, num_features)`, and its gradients, of the same shape."""
        mean, deviation, mean_gradient, deviation_gradient = self.process.predict_with_gradients(features)
        gain, by_mean, by_deviation = log_expected_improvement_gradient(mean, deviation, self.best)
        gradient = by_mean[:, None] * mean_gradient + by_deviation[:, None] * deviation_gradient
        if self.success is not None:
            label, label_std, label_gradient, std_gradient = self.success.predict_with_gradients(features)
            spread = np.sqrt(label_std**2 + _LABEL_VARIANCE)
            z = (label - 0.5) / spread
            chance = deferred.log_ndtr(z)
            gain = gain + chance
            odds = np.exp(-0.5 * z * z - 0.5 * math.log(2 * math.pi) - chance) / spread
            by_std = (z * label_std / spread)[:, None]
            gradient = gradient + odds[:, None] * (label_gradient - by_std * std_gradient)
        return gain, gradient

    def condition_on_mean(self, features: Array) -> Surrogate:
        """The surrogate conditioned on its own posterior mean at features `(num_features,)` (kriging believer)."""
        process = self.process.condition_on_mean(features)
        best = min(self.best, float(process.targets[-1]))
        return replace(self, process=process, best=best, num_conditioned=self.num_conditioned + 1)
