"""Statistics of a column: the imputed value, mean and scale, frequent categories; in numpy, equal to scikit-learn's.

Importing scikit-learn would take longer than the first results of a small search. Each function names the scikit-learn
class whose statistics it computes; the tests compare them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["frequent_categories", "mean_and_scale", "value_for_gaps"]


def value_for_gaps(values: NDArray[np.float64], most_frequent: bool = False) -> float:
    """The median, or the most frequent value (the smallest of several); 0 if there are no values. As in
    `SimpleImputer`.

    Args:
        values: values, NaN if missing, shape `(num_samples,)`.
        most_frequent: whether to return the most frequent value.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0
    if not most_frequent:
        return float(np.median(known))
    different, counts = np.unique(known, return_counts=True)
    return float(different[counts.argmax()])


def mean_and_scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation; a deviation of 1 if the values differ only by rounding.

    As in `StandardScaler`.

    Args:
        values: at least one value, none missing, shape `(num_samples,)`.
    """
    count = len(values)
    mean = float(values.sum() / count)
    apart = values - mean
    # The second term is 0 except for rounding, and corrects the rounding error of the mean (Chan, Golub and LeVeque
    # 1983).
    variance = float(((apart**2).sum() - apart.sum() ** 2 / count) / count)
    rounding = float(np.finfo(np.float64).eps) * count
    constant = variance <= rounding * variance + (rounding * mean) ** 2
    return mean, 1.0 if constant else float(np.sqrt(variance))


def frequent_categories(cells: NDArray[np.object_], least: int, most: int) -> tuple[tuple[str, ...], bool]:
    """The categories that get a separate feature, in order, and whether there are others, which share one.

    As in `OneHotEncoder(min_frequency=least, max_categories=most)`.

    Args:
        cells: texts, shape `(num_samples,)`.
        least: minimum number of cells of a category.
        most: maximum number of features, including that of the others; at least 2.
    """
    different, counts = np.unique(cells, return_counts=True)
    rare = counts < least
    if len(different) - rare.sum() + 1 > most:
        rare[np.argsort(counts, kind="stable")[: -(most - 1)]] = True
    return tuple(str(category) for category in different[~rare]), bool(rare.any())
