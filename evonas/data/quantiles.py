"""Conversion of prepared data for a regression whose outputs are quantiles of its single target.

The target is repeated for each quantile, so that outputs and targets always have the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData, Problem, Split
from genomes.errors import InputError

__all__ = ["point_prediction", "quantile_names", "with_quantiles"]


def quantile_names(problem: Problem) -> tuple[str, ...]:
    """Names of the outputs: `quantile_0.1`, ..."""
    return tuple(f"quantile_{each:g}" for each in problem.quantiles)


def point_prediction(quantiles: Sequence[float], predicted: NDArray[Any]) -> NDArray[Any]:
    """The median of each row, linearly interpolated between the two quantiles around it unless it is one of them.

    If all quantiles are on one side of the median, it is the nearest one.

    >>> point_prediction((0.1, 0.9), np.array([[1.0, 3.0]])).tolist()
    [2.0]

    Args:
        quantiles: the quantiles, ascending.
        predicted: predicted quantiles, shape `(num_rows, num_quantiles)`.

    Returns:
        Shape `(num_rows,)`.
    """
    upper = next((index for index, each in enumerate(quantiles) if each >= 0.5), len(quantiles) - 1)
    lower = max(upper - 1, 0)
    if upper == lower or quantiles[upper] <= 0.5:
        return predicted[:, upper]
    share = (0.5 - quantiles[lower]) / (quantiles[upper] - quantiles[lower])
    return (1 - share) * predicted[:, lower] + share * predicted[:, upper]


def with_quantiles(data: PreparedData, quantiles: Sequence[float]) -> PreparedData:
    """The same data for predicting quantiles.

    Args:
        data: data of a regression with one target.
        quantiles: quantiles between 0 and 1, ascending.

    Raises:
        InputError: the task is not a regression, or has several targets.
    """
    problem = data.problem
    if problem.quantiles:
        return data
    if problem.task != "regression" or problem.num_outputs != 1:
        what = f"{problem.num_outputs} targets" if problem.task == "regression" else f"a {problem.task} target"
        raise InputError(f"quantiles must be of one number, not of {what}: choose one numeric column")
    count = len(quantiles)
    changed = replace(
        problem,
        num_outputs=count,
        target_mean=problem.target_mean * count,
        target_std=problem.target_std * count,
        quantiles=tuple(quantiles),
    )

    def wide(y: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(np.repeat(y.reshape(len(y), 1), count, axis=1))

    def widen(split: Split) -> Split:
        return replace(split, y_train=wide(split.y_train), y_validation=wide(split.y_validation))

    y_test = None if data.y_test is None else wide(data.y_test)
    return replace(data, problem=changed, splits=tuple(map(widen, data.splits)), y_test=y_test)
