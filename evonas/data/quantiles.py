"""A regression whose outputs are quantiles of its one target: what changes of prepared data.

The target is there once for each quantile, so that outputs and targets have one shape everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData, Problem, Split
from genomes.errors import InputError

__all__ = ["point_place", "quantile_names", "with_quantiles"]


def quantile_names(problem: Problem) -> tuple[str, ...]:
    """Names of the outputs: `quantile_0.1`, ..."""
    return tuple(f"quantile_{each:g}" for each in problem.quantiles)


def point_place(problem: Problem) -> int:
    """The output that is the point prediction: the median, or the quantile that is the nearest to it."""
    return int(np.argmin(np.abs(np.array(problem.quantiles) - 0.5)))


def with_quantiles(data: PreparedData, quantiles: Sequence[float]) -> PreparedData:
    """The data of the same rows, to predict quantiles.

    Args:
        data: of a regression of one target.
        quantiles: between 0 and 1, rising.

    Raises:
        InputError: it is another task, or has several targets.
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
