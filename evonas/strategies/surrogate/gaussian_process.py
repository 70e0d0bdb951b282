"""Gaussian process regression on features in [0, 1].

It uses a Matérn 5/2 kernel with one length scale per feature, a constant mean, homoscedastic noise, and maximum a
posteriori hyperparameters fitted with analytic gradients. Imports only numpy and scipy; stateless and deterministic.

References:
    Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2 and 5.
    Hvarfner, Hellsten and Nardi, "Vanilla Bayesian Optimization Performs Great in High Dimensions", ICML 2024 (length
    scales that grow with the number of features).
    Ament et al., "Unexpected Improvements to Expected Improvement for Bayesian Optimization", NeurIPS 2023
    (logarithm, whose gradient does not vanish).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evonas.strategies import deferred

__all__ = [
    "GaussianProcess",
    "fit_hyperparameters",
    "log_expected_improvement",
    "log_expected_improvement_gradient",
    "prior_hyperparameters",
]

Array = NDArray[np.float64]

_SQRT5 = math.sqrt(5.0)
#: Log-normal priors of length scales, signal variance and noise variance: medians, and standard deviations of logs.
_LENGTH, _LENGTH_SPREAD = 0.16, 1.2
_SIGNAL_SPREAD = 1.0
_NOISE, _NOISE_SPREAD = 1e-4, 2.0
_LEAST_NOISE = 1e-7
#: Bounds of the log hyperparameters, as a distance from their prior means.
_BOUND = 14.0
#: Number of standard deviations from which an improvement is considered certain.
_CERTAIN = 25.0


def _prior(num_features: int) -> tuple[Array, Array]:
    """Prior means and standard deviations of the log hyperparameters, shape `(num_features + 2,)` each."""
    weight = -2.0 * math.log(_LENGTH * math.sqrt(num_features))
    mean = np.array([weight] * num_features + [0.0, math.log(_NOISE)])
    spread = np.array([2.0 * _LENGTH_SPREAD] * num_features + [_SIGNAL_SPREAD, _NOISE_SPREAD])
    return mean, spread


def prior_hyperparameters(num_features: int) -> list[float]:
    """The prior mode of the hyperparameters."""
    return [float(value) for value in _prior(num_features)[0]]


def _matern(squared: Array) -> tuple[Array, Array]:
    """The Matérn 5/2 kernel of squared distances, and its derivative with respect to them."""
    root = _SQRT5 * np.sqrt(squared)
    decay = np.exp(-root)
    derivative = (1.0 + root) * decay
    return derivative + (5.0 / 3.0) * squared * decay, (-5.0 / 6.0) * derivative


def _squared_distances(a: Array, b: Array) -> Array:
    """Squared distances between the rows of `a` and `b`, which are scaled by the length scales."""
    squared: Array = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * (a @ b.T)
    return np.maximum(squared, 0.0, out=squared)


def _loss_and_gradient(theta: Array, x: Array, y: Array, mean: Array, spread: Array) -> tuple[float, Array]:
    """Negative log posterior of the hyperparameters (up to a constant), and its gradient."""
    count = len(x)
    weights, signal, noise = np.exp(theta[:-2]), math.exp(theta[-2]), math.exp(theta[-1]) + _LEAST_NOISE
    scaled = x * np.sqrt(weights)
    shape, derivative = _matern(_squared_distances(scaled, scaled))
    covariance = signal * shape
    covariance.flat[:: count + 1] += noise
    factor, failed = deferred.lapack.dpotrf(covariance, lower=1, clean=1)
    if failed:
        return 1e25, np.zeros_like(theta)
    root = deferred.lapack.dtrtri(factor, lower=1)[0]
    inverse = root.T @ root
    ones = inverse.sum(axis=1)
    alpha = inverse @ y
    alpha = alpha - ones * (alpha.sum() / ones.sum())  # subtract the maximum-likelihood mean
    off = (theta - mean) / spread
    loss = 0.5 * (alpha @ y) + np.log(factor.diagonal()).sum() + 0.5 * (off @ off)
    by_covariance = 0.5 * (inverse - np.outer(alpha, alpha))
    by_distance = by_covariance * (signal * derivative)
    rows = by_distance.sum(axis=1)
    gradient = np.empty_like(theta)
    gradient[:-2] = 2.0 * ((scaled * scaled).T @ rows - (scaled * (by_distance @ scaled)).sum(axis=0))
    gradient[-2] = (by_covariance * shape).sum() * signal
    gradient[-1] = by_covariance.trace() * math.exp(theta[-1])
    return float(loss), gradient + off / spread


def fit_hyperparameters(x: Array, y: Array, starts: Sequence[Sequence[float]], iterations: int = 30) -> list[float]:
    """Maximum a posteriori hyperparameters: logs of the squared inverse length scales, and of signal and noise
    variance.

    Args:
        x: features, shape `(count, num_features)`.
        y: targets with roughly zero mean and unit variance, shape `(count,)`.
        starts: initial hyperparameters, at least one vector; the best result is returned.
        iterations: maximum number of L-BFGS iterations per start.
    """
    mean, spread = _prior(x.shape[1])
    bounds = [(m - _BOUND, m + _BOUND) for m in mean]
    ends = []
    for start in starts:
        found = deferred.minimize(
            _loss_and_gradient,
            np.asarray(start, np.float64),
            (x, y, mean, spread),
            method="L-BFGS-B",
            jac=True,
            bounds=bounds,
            options={"maxiter": iterations},
        )
        ends.append((float(found.fun), [float(value) for value in found.x]))
    return min(ends)[1]


@dataclass(frozen=True)
class GaussianProcess:
    """A Gaussian process conditioned on observations.

    Attributes:
        root_weights: inverse length scale of each feature, shape `(num_features,)`.
        signal, noise: signal and noise variance.
        scaled: features divided by their length scales, shape `(count, num_features)`.
        targets: observed targets, shape `(count,)`.
        factor: lower Cholesky factor of the covariance, shape `(count, count)`.
        alpha: inverse covariance times centred targets, shape `(count,)`.
        mean: prior mean.
    """

    root_weights: Array
    signal: float
    noise: float
    scaled: Array
    targets: Array
    factor: Array
    alpha: Array
    mean: float

    @classmethod
    def fit(cls, x: Array, y: Array, theta: Sequence[float]) -> GaussianProcess:
        """Conditions a process with hyperparameters `theta` on features `x` and targets `y`.

        Args:
            x: features, shape `(count, num_features)`.
            y: targets, shape `(count,)`.
            theta: hyperparameters, see `fit_hyperparameters`.
        """
        root_weights: Array = np.exp(0.5 * np.asarray(theta[:-2], np.float64))
        signal, noise = math.exp(theta[-2]), math.exp(theta[-1]) + _LEAST_NOISE
        scaled = x * root_weights
        covariance = signal * _matern(_squared_distances(scaled, scaled))[0]
        failed = 1
        while failed:  # nearly identical points need more noise for a stable factorisation
            jittered = covariance.copy()
            jittered.flat[:: len(x) + 1] += noise
            factor, failed = deferred.lapack.dpotrf(jittered, lower=1, clean=1)
            noise *= 10.0 if failed else 1.0
        ones = deferred.lapack.dpotrs(factor, np.ones(len(x)), lower=1)[0]
        inverse_y = deferred.lapack.dpotrs(factor, y, lower=1)[0]
        mean = float(inverse_y.sum() / ones.sum())
        return cls(root_weights, signal, noise, scaled, y, factor, inverse_y - mean * ones, mean)

    def best_mean(self) -> float:
        """The lowest posterior mean at the observations."""
        return float((self.targets - self.noise * self.alpha).min())

    @cached_property
    def _inverse_factor(self) -> Array:
        """Inverse of the lower Cholesky factor, shape `(count, count)`; products with it are faster than solves."""
        inverse: Array = deferred.lapack.dtrtri(self.factor, lower=1)[0]
        return inverse

    @cached_property
    def _squared_norms(self) -> Array:
        """Squared norms of the scaled features, shape `(count,)`."""
        norms: Array = np.vecdot(self.scaled, self.scaled)
        return norms

    @cached_property
    def _scaled_and_one(self) -> Array:
        """Scaled features and a column of ones, for weighted sums of rows and sums of weights in one product."""
        return np.column_stack([self.scaled, np.ones(len(self.scaled))])

    def _cross_kernel(self, x: Array) -> tuple[Array, Array, Array]:
        """The scaled rows, and their kernel with the observations and its derivative, `(num_rows, count)` each."""
        rows = x * self.root_weights
        squared = np.vecdot(rows, rows)[:, None] + self._squared_norms
        squared -= 2.0 * (rows @ self.scaled.T)
        shape, derivative = _matern(np.maximum(squared, 0.0, out=squared))
        shape *= self.signal
        return rows, shape, derivative

    def _deviation(self, half: Array) -> Array:
        """Posterior standard deviation, given the product of the cross kernel and the inverse factor."""
        variance = self.signal - np.vecdot(half, half)
        deviation: Array = np.sqrt(np.maximum(variance, 1e-12 * self.signal))
        return deviation

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Posterior mean and standard deviation of the noise-free function at features `(count, num_features)`."""
        _, cross, _ = self._cross_kernel(x)
        return self.mean + cross @ self.alpha, self._deviation(cross @ self._inverse_factor.T)

    def predict_with_gradients(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """Posterior mean and standard deviation at features `(count, num_features)`, and their gradients.

        Returns:
            Mean and standard deviation, shape `(count,)` each; their gradients, shape `(count, num_features)` each.
        """
        rows, cross, derivative = self._cross_kernel(x)
        half = cross @ self._inverse_factor.T
        deviation = self._deviation(half)
        derivative *= 2.0 * self.signal
        by_row = np.concatenate([derivative * self.alpha, derivative * (half @ self._inverse_factor)])
        pulled = by_row @ self._scaled_and_one
        of_mean, of_deviation = pulled[: len(rows)], pulled[len(rows) :]
        return (
            self.mean + cross @ self.alpha,
            deviation,
            (of_mean[:, -1:] * rows - of_mean[:, :-1]) * self.root_weights,
            (of_deviation[:, :-1] - of_deviation[:, -1:] * rows) * (self.root_weights / deviation[:, None]),
        )

    def condition_on_mean(self, x: Array) -> GaussianProcess:
        """Conditions the process on its posterior mean at `(num_features,)`, which leaves the mean unchanged."""
        row = x[None] * self.root_weights
        cross = self.signal * _matern(_squared_distances(self.scaled, row))[0]
        half = deferred.lapack.dtrtrs(self.factor, cross, lower=1)[0][:, 0]
        pivot = math.sqrt(max(self.signal + self.noise - half @ half, self.noise))
        count = len(self.scaled)
        factor = np.zeros((count + 1, count + 1), order="F")
        factor[:count, :count], factor[count, :count], factor[count, count] = self.factor, half, pivot
        return GaussianProcess(
            self.root_weights,
            self.signal,
            self.noise,
            np.vstack([self.scaled, row]),
            np.append(self.targets, self.mean + self.alpha @ cross[:, 0]),
            factor,
            np.append(self.alpha, 0.0),
            self.mean,
        )


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Log expected improvement below `best`, numerically stable for tiny improvements.

    Source: Ament et al. 2023, equation 9.
    """
    return _log_gain((best - mean) / deviation)[0] + np.log(deviation)


def log_expected_improvement_gradient(mean: Array, deviation: Array, best: float) -> tuple[Array, Array, Array]:
    """Log expected improvement and its derivatives with respect to mean and deviation, shape `(count,)` each."""
    z = (best - mean) / deviation
    gain, slope = _log_gain(z)
    return gain + np.log(deviation), -slope / deviation, (1.0 - z * slope) / deviation


def _log_gain(z: Array) -> tuple[Array, Array]:
    """log(phi(z) + z Phi(z)) and its derivative, from the ratio Phi(z) / phi(z) for numerical stability."""
    w = np.minimum(z, _CERTAIN)
    mills = math.sqrt(math.pi / 2) * deferred.erfcx(w / -math.sqrt(2))
    ratio = 1.0 + w * mills
    if w.min(initial=0.0) < -1e3:
        ratio = np.where(w < -1e3, 1.0 / np.maximum(w * w, 1.0), ratio)  # asymptote, since the difference cancels
    ratio = np.maximum(ratio, 1e-300)
    gain, slope = np.log(ratio) - 0.5 * w * w - 0.5 * math.log(2 * math.pi), mills / ratio
    certain = z > _CERTAIN
    if certain.any():
        gain = np.where(certain, np.log(np.maximum(z, 1.0)), gain)
        slope = np.where(certain, 1.0 / np.maximum(z, 1.0), slope)
    return gain, slope
