"""`tree_cuts`: the cuts of a decision tree on one column that predicts the targets.

Quantiles have no knots in sparse regions; a tree cuts where the target changes, also at the spikes of a column.

Sources: Gorishniy, Rubachev and Babenko 2022, On embeddings for numerical features in tabular deep learning, section
3.2.2 (arXiv 2203.05556): target-aware bins. Breiman, Friedman, Olshen and Stone 1984, Classification and Regression
Trees; here grown best first.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_ROWS", "impurity_columns", "tree_cuts"]

#: Maximum number of rows that a tree is grown on; if there are more, an evenly spaced subset is used.
MOST_ROWS = 32_768
#: Maximum number of classes with a separate column: the most frequent ones.
_MOST_CLASSES = 20
#: A cut must explain at least this share of the variance.
_LEAST_GAIN = 1e-7

Numbers = NDArray[np.float64]


def impurity_columns(values: NDArray[np.generic], task: str) -> Numbers:
    """The target as columns whose squared error a tree reduces, shape `(num_samples, num_columns)`.

    The sum of the squared errors of one indicator column per class is the Gini impurity.

    Args:
        values: targets `(num_samples, num_targets)` for regression, else class indices `(num_samples,)`.
        task: as in `Problem`.
    """
    if task == "regression":
        columns = np.asarray(values, np.float64).reshape(len(values), -1)
        spread = columns.std(axis=0)
        return np.asarray((columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
    classes = np.asarray(values).ravel().astype(np.intp)
    frequent = np.argsort(-np.bincount(classes), kind="stable")[:_MOST_CLASSES]
    if len(frequent) == 2:
        frequent = frequent[:1]  # the other one is redundant
    return np.asarray(classes[:, None] == frequent, np.float64)


def tree_cuts(values: Numbers, targets: Numbers, most: int, least_rows: int) -> Numbers:
    """The cuts between the values of a column, ascending: at most `most`, and fewer if further cuts do not help.

    Args:
        values: finite values, shape `(num_samples,)`.
        targets: result of `impurity_columns`, shape `(num_samples, num_columns)`.
        most: maximum number of cuts.
        least_rows: minimum number of rows on either side of a cut, within its interval.

    Example:
        >>> values = np.arange(100.0)
        >>> tree_cuts(values, np.float64(values >= 70)[:, None], most=3, least_rows=5).tolist()
        [69.5]
    """
    if len(values) > MOST_ROWS:
        kept = np.linspace(0, len(values) - 1, MOST_ROWS).astype(np.intp)
        values, targets = values[kept], targets[kept]
    order = np.argsort(values, kind="stable")
    values = values[order]
    sums = np.concatenate([np.zeros((1, targets.shape[1])), np.cumsum(targets[order], axis=0)])
    #: Indices at which a new value begins.
    steps = np.flatnonzero(np.diff(values) > 0) + 1
    least = _LEAST_GAIN * float(((targets - targets.mean(axis=0)) ** 2).sum())
    waiting: list[tuple[float, int, int, int]] = []

    def consider(first: int, end: int) -> None:
        gain, index = _best_cut(sums, steps, first, end, least_rows)
        if gain > least:
            heapq.heappush(waiting, (-gain, index, first, end))

    consider(0, len(values))
    found: list[int] = []
    while waiting and len(found) < most:
        _, index, first, end = heapq.heappop(waiting)
        found.append(index)
        consider(first, index)
        consider(index, end)
    indices = np.sort(np.array(found, np.intp))
    return np.asarray((values[indices - 1] + values[indices]) / 2)


def _best_cut(sums: Numbers, steps: NDArray[np.intp], first: int, end: int, least_rows: int) -> tuple[float, int]:
    """The reduction of the squared error by the best cut within rows `first` to `end`, and the row after the cut."""
    low, high = np.searchsorted(steps, [first + least_rows, end - least_rows + 1])
    indices = steps[low:high]
    if not indices.size:
        return 0.0, 0
    total, left = sums[end] - sums[first], sums[indices] - sums[first]
    counts = (indices - first)[:, None]
    gains = (left**2 / counts + (total - left) ** 2 / (end - first - counts)).sum(axis=1)
    best = int(gains.argmax())
    return float(gains[best] - (total**2).sum() / (end - first)), int(indices[best])
