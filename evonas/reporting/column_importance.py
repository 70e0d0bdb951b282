"""Permutation importance of the columns for the final model of a run. Does not import Keras.

Source: Breiman, "Random Forests", Machine Learning 2001.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from evonas.data.neighbours import NeighbourFeatures, marks_of, with_estimates
from evonas.data.prepared import PreparedData, Problem
from evonas.reporting.predictions import Predictions, spread_rows
from evonas.reporting.rundata import RunData
from evonas.seeds import RandomStream, stream_rng

__all__ = ["permutation_importance"]

#: Maximum and minimum number of permuted rows, and maximum of rows times columns times networks.
_MOST_ROWS, _FEWEST_ROWS, _MOST_PREDICTED = 2_000, 250, 64_000


def permutation_importance(
    run: RunData, data: PreparedData, found: Predictions, repeats: int = 3, seconds: float = 2.0
) -> dict[str, tuple[float, float]]:
    """Raw column -> deterioration of the objective if the column is shuffled: mean and spread over repeats.

    All features of a column are shuffled together. The most important column comes first.

    Args:
        run: the search.
        data: prepared data of the run.
        found: predictions without shuffling; at most 2,000 of its rows are used, fewer if there are many columns.
        repeats: number of shuffles per column.
        seconds: time after which no further repeat starts.
    """
    columns = _features_of_columns(data, found.problem)
    predictions_each = len(found.network.graphs) * max(1, len(columns))
    rows = min(_MOST_ROWS, max(_FEWEST_ROWS, _MOST_PREDICTED // predictions_each))
    chosen = spread_rows(len(found.features), rows)
    part = replace(found, features=found.features[chosen], coded=found.coded[chosen], raw=found.raw[chosen])
    name, loss = run.objective.name, run.objective.loss
    whole, rng, began = loss(part.scores().get(name)), stream_rng(RandomStream.PERMUTED_COLUMNS, 0), time.monotonic()
    marks, features = marks_of(found.problem.views), NeighbourFeatures(data)
    regressions, count = [features.regression(mark) for mark in marks], found.problem.num_features
    count -= len(marks) * found.problem.num_outputs
    worse: dict[str, list[float]] = {column: [] for column in columns}
    for _ in range(repeats):
        for column, positions in columns.items():
            shuffled = part.features.copy()
            shuffled[:, positions] = part.features[rng.permutation(len(part.features))][:, positions]
            if any(column in each.columns for each in regressions):
                shuffled = with_estimates(shuffled[:, :count], shuffled, found.problem, regressions)
            worse[column].append(loss(part.scores(shuffled).get(name)) - whole)
        if time.monotonic() - began > seconds:
            break
    means = {column: (float(np.mean(each)), float(np.std(each))) for column, each in worse.items()}
    return dict(sorted(means.items(), key=lambda item: -item[1][0]))


def _features_of_columns(data: PreparedData, problem: Problem) -> dict[str, list[int]]:
    """Raw column -> indices of its features in the network's input."""
    if data.preparation is None:
        names = problem.feature_names or tuple(f"feature {index}" for index in range(problem.num_features))
        return {name: [index] for index, name in enumerate(names)}
    return data.preparation.features_of_columns({view for view in problem.views if view != "standard"})
