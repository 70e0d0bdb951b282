"""What is fitted to a column: the value for gaps, mean and scale, frequent categories. In numpy, as in scikit-learn.

Importing scikit-learn takes longer than a small search needs to its first result. Each function names the class whose
statistics it computes, and the tests compare them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["frequent_categories", "mean_and_scale", "value_for_gaps"]


def value_for_gaps(values: NDArray[np.float64], most_frequent: bool = False) -> float:
    """The median, or the most frequent value (the least of several); 0 if there is none. As `SimpleImputer`.

    Args:
        values: NaN if missing, shape `(num_samples,)`.
        most_frequent: whether not the median is wanted.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0
    if not most_frequent:
        return float(np.median(known))
    different, counts = np.unique(known, return_counts=True)
    return float(different[counts.argmax()])


def mean_and_scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation; a deviation of 1 if the values differ by no more than they are rounded.

    As `StandardScaler`.

    Args:
        values: none missing, shape `(num_samples,)`, at least one.
    """
    count = len(values)
    mean = float(values.sum() / count)
    apart = values - mean
    # The second term is 0 but for rounding, and takes back what the mean lost to it (Chan, Golub and LeVeque 1983).
    variance = float(((apart**2).sum() - apart.sum() ** 2 / count) / count)
    rounding = float(np.finfo(np.float64).eps) * count
    constant = variance <= rounding * variance + (rounding * mean) ** 2
    return mean, 1.0 if constant else float(np.sqrt(variance))


def frequent_categories(cells: NDArray[np.object_], least: int, most: int) -> tuple[tuple[str, ...], bool]:
    """Categories that get a feature of their own, in order, and whether there are others, which share one.

    As `OneHotEncoder(min_frequency=least, max_categories=most)`.

    Args:
        cells: texts, shape `(num_samples,)`.
        least: cells that a category must have.
        most: features in all, that of the others included; at least 2.
    """
    different, counts = np.unique(cells, return_counts=True)
    rare = counts < least
    if len(different) - rare.sum() + 1 > most:
        rare[np.argsort(counts, kind="stable")[: -(most - 1)]] = True
    return tuple(str(category) for category in different[~rare]), bool(rare.any())
