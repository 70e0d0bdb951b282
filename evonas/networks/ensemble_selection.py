"""Ensemble selection, and the predictions of ensembles. Pure numpy, no Keras.

References:
    Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble selection from libraries of models", ICML 2004.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.metrics.scores import predictions
from genomes.errors import InputError

__all__ = ["SMALLEST", "blend_outputs", "select_ensemble"]

Array = NDArray[Any]

#: Number of rounds of selection with replacement, of which the best one is used.
ROUNDS = 50
#: Lower bound of probabilities, so that logits are finite even in float32.
SMALLEST = 1e-7


def select_ensemble(
    outputs: Sequence[Array], loss: Callable[[Array], float], problem: Problem, size: int
) -> tuple[int, ...]:
    """Selects an ensemble by greedy forward selection with replacement (Caruana et al. 2004).

    Starts with the best network and repeatedly adds the one that most improves the mean prediction. The result is the
    ensemble of the best round, which is never worse than the best network on the selection rows.

    Args:
        outputs: raw outputs of each network on the validation rows, each of shape `(num_samples, num_outputs)`.
        loss: raw outputs -> loss, to be minimised; infinite if undefined.
        problem: the prediction problem.
        size: largest number of distinct networks in the ensemble, >= 1.

    Returns:
        How often each network is in the ensemble, one integer >= 0 per network.

    Raises:
        InputError: there are no networks.
    """
    if not outputs or size < 1:
        raise InputError(f"an ensemble must have at least one network, not {min(size, len(outputs))}: give more")
    given = [_predict(problem, each) for each in outputs]
    counts, total = np.zeros(len(given), int), np.zeros_like(given[0])
    best, lowest = counts, np.inf
    for chosen in range(1, ROUNDS + 1):
        full = np.count_nonzero(counts) >= size
        candidates = [k for k in range(len(given)) if not full or counts[k]]
        losses = [loss(_raw(problem, (total + given[k]) / chosen)) for k in candidates]
        added = candidates[int(np.argmin(losses))]
        counts, total = counts + (np.arange(len(given)) == added), total + given[added]
        if min(losses) < lowest:
            best, lowest = counts, min(losses)
    return tuple(best.tolist()) if best.any() else (1,) + (0,) * (len(given) - 1)


def blend_outputs(outputs: Sequence[Array], weights: Sequence[float], problem: Problem) -> Array:
    """Raw outputs of the weighted mean prediction.

    Args:
        outputs: raw outputs of each network, each of shape `(num_samples, num_outputs)`.
        weights: weight of each network, adding up to 1.
        problem: the prediction problem.
    """
    given = (weight * _predict(problem, each) for each, weight in zip(outputs, weights, strict=True))
    return _raw(problem, np.sum(list(given), axis=0))


def _predict(problem: Problem, outputs: Array) -> Array:
    """The quantities that are averaged: standardised predictions, or probabilities of each class."""
    return np.asarray(outputs, np.float64) if problem.task == "regression" else predictions(problem, outputs)


def _raw(problem: Problem, predicted: Array) -> Array:
    if problem.task == "regression":
        return predicted
    logs = np.log(np.clip(predicted, SMALLEST, 1.0))
    return np.asarray(logs[:, 1:] - logs[:, :1] if problem.task == "binary" else logs)
