"""Maximising the acquisition function from many starts: evonas's batched BFGS against scipy's L-BFGS-B.

    python benchmarks/minimization.py [--starts 16] [--evaluations 30] [--seeds 3]

A Gaussian process is fitted to 100 observations of a smooth function with several minima, and its acquisition function
is maximised from the same random starts: by `evonas.strategies.surrogate.minimization`, by L-BFGS-B from each start
alone, and by L-BFGS-B on the sum over all starts, as BoTorch does. Every method may evaluate each start equally often.
Prints, for each number of dimensions, the processor time of a maximisation relative to ours, and the differences of the
best and the mean maximum from ours (acquisition values are logarithms).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evonas.strategies.surrogate.acquisition import Observations, Surrogate, fit_to_observations
from evonas.strategies.surrogate.minimization import minimize_all

Array = NDArray[np.float64]
Method = Callable[[Surrogate, Array, int], Array]


def main() -> None:
    """Compares the methods and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--evaluations", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    methods: dict[str, Method] = {"each start": _each_start, "sum of starts": _sum_of_starts}
    for dimensions in (4, 8, 16, 32):
        rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in methods}
        for seed in range(given.seeds):
            rng = np.random.default_rng((seed, dimensions))
            surrogate = _surrogate(dimensions, rng)
            starts = rng.random((given.starts, dimensions))
            seconds, found = _timed(partial(_ours, surrogate, starts, given.evaluations))
            for name, method in methods.items():
                other_seconds, other = _timed(partial(method, surrogate, starts, given.evaluations))
                rows[name].append((other_seconds / seconds, other.max() - found.max(), other.mean() - found.mean()))
        for name, values in rows.items():
            ratio, best, mean = np.mean(values, axis=0)
            print(f"{dimensions:2} dimensions, {name}: time {ratio:.2f}x, best {best:+.3f}, mean {mean:+.3f}")


def _surrogate(dimensions: int, rng: np.random.Generator) -> Surrogate:
    """A surrogate of a function with several minima."""
    features = rng.random((100, dimensions))
    weights = rng.random(dimensions)
    losses = ((features - 0.4) ** 2 @ weights) + 0.1 * np.sin(9.0 * features).mean(axis=1)
    observations = Observations(features, losses, np.zeros((0, dimensions)), float(np.median(losses)))
    return Surrogate.from_observations(observations, fit_to_observations(observations, []))


def _timed(search: Callable[[], Array], repetitions: int = 3) -> tuple[float, Array]:
    """The lowest processor time of several repetitions, and the result."""
    seconds = []
    for _ in range(repetitions):
        began = time.process_time()
        found = search()
        seconds.append(time.process_time() - began)
    return min(seconds), found


def _ours(surrogate: Surrogate, starts: Array, evaluations: int) -> Array:
    def loss(points: Array, of: NDArray[np.intp]) -> tuple[Array, Array]:
        value, gradient = surrogate.acquisition_and_gradient(points)
        return -value, -gradient

    metric = 1.0 / surrogate.process.root_weights**2
    return -minimize_all(loss, starts, np.zeros_like(starts), np.ones_like(starts), evaluations, metric)[1]


def _each_start(surrogate: Surrogate, starts: Array, evaluations: int) -> Array:
    def loss(point: Array) -> tuple[float, Array]:
        value, gradient = surrogate.acquisition_and_gradient(point[None])
        return -float(value[0]), -gradient[0]

    return np.array([-_l_bfgs_b(loss, start, evaluations) for start in starts])


def _sum_of_starts(surrogate: Surrogate, starts: Array, evaluations: int) -> Array:
    best = np.full(len(starts), -np.inf)

    def loss(point: Array) -> tuple[float, Array]:
        value, gradient = surrogate.acquisition_and_gradient(point.reshape(starts.shape))
        np.maximum(best, value, out=best)
        return -float(value.sum()), -gradient.ravel()

    _l_bfgs_b(loss, starts.ravel(), evaluations)
    return best


def _l_bfgs_b(loss: Callable[[Array], tuple[float, Array]], start: Array, evaluations: int) -> float:
    bounds = [(0.0, 1.0)] * len(start)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxfun": evaluations})
    return float(found.fun)


if __name__ == "__main__":
    main()
