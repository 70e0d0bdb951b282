"""`KernelRegression`: kernel-weighted means of the targets of nearby training rows, as a fitted value. Pure numpy.

Distances are computed from differences, not by expanding the square, which keeps small distances accurate in float32.
No linear algebra library is called, since its results could depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.seeds import RandomStream, stream_rng

__all__ = ["MOST_CENTRES", "KernelRegression", "fit_kernel_regression"]

#: Maximum number of training rows used; if there are more, a random sample is drawn.
MOST_CENTRES = 20_000
#: Number of distances held at a time, such that they fit into the processor's cache.
_CELLS = 1 << 17
#: Minimum deviation by which targets are scaled, which keeps the indicators of rare classes moderate.
_LEAST_STD = 0.1

#: Minimum number of targets from which classes are summed before they are averaged.
_FEWEST_CLASSES = 3

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class KernelRegression:
    """The Nadaraya-Watson estimator of targets with a Gaussian kernel on a few columns.

    Attributes:
        view: view of its features, see `genomes.architecture.neighbours.neighbours_view`.
        columns: names of the standardised features that define distances.
        bandwidth: standard deviation of the kernel.
        centres: these features of the training rows, float32 `(num_centres, num_columns)`.
        values: their scaled targets, float32 `(num_centres, num_targets)`.
        rows: index of each centre's training row, `(num_centres,)`.

    References:
        Nadaraya, "On estimating regression", Theory of Probability and Its Applications 9, 1964.
        Watson, "Smooth regression analysis", Sankhya A 26, 1964.
    """

    view: str
    columns: tuple[str, ...]
    bandwidth: float
    centres: Array
    values: Array
    rows: NDArray[np.intp]

    def __call__(self, points: Array) -> Array:
        """The estimates for new rows, `(num_points, num_targets)`; `points` is `(num_points, num_columns)`."""
        return self._estimates(points, np.full(len(points), -1))

    def leave_one_out(self, points: Array) -> Array:
        """The leave-one-out estimates for all training rows, in order."""
        own = np.full(len(points), -1)
        own[self.rows] = np.arange(len(self.rows))
        return self._estimates(points, own)

    def _estimates(self, points: Array, own: NDArray[np.intp]) -> Array:
        """Estimates that leave out the centre `own` (-1 for none); far from all centres, the nearest one determines
        them.
        """
        points = np.asarray(points, np.float32)
        order, means = _means_of_classes(self.values) or (None, _means_of_targets(self.values))
        if order is not None:
            place = np.empty(len(order) + 1, np.intp)
            place[order], place[-1] = np.arange(len(order)), -1
            own = place[own]
        centres = np.ascontiguousarray(self.centres.T if order is None else self.centres[order].T)
        factor = np.float32(-0.5 / self.bandwidth**2)
        count = len(self.centres)
        block = max(1, _CELLS // count)
        found = np.empty((len(points), self.values.shape[1]), np.float32)
        one, two = np.empty((block, count), np.float32), np.empty((block, count), np.float32)
        for start in range(0, len(points), block):
            some = points[start : start + block]
            squares, more = one[: len(some)], two[: len(some)]
            for index, centre in enumerate(centres):
                out = more if index else squares
                np.subtract(some[:, index : index + 1], centre, out=out)
                np.multiply(out, out, out=out)
                if index:
                    np.add(squares, more, out=squares)
            left_out = own[start : start + block]
            known = np.flatnonzero(left_out >= 0)
            squares[known, left_out[known]] = np.inf
            np.subtract(squares, squares.min(axis=1, keepdims=True), out=squares)
            kernel = np.exp(np.multiply(squares, factor, out=squares), out=squares)
            found[start : start + block] = means(kernel)
        return found


def _means_of_targets(values: Array) -> Callable[[Array], Array]:
    """The function kernel `(num_points, num_centres)` -> weighted means of the targets `(num_points, num_targets)`."""
    columns = np.ascontiguousarray(values.T)

    def means(kernel: Array) -> Array:
        total = kernel.sum(axis=1)
        return np.stack([np.einsum("ij,j->i", kernel, column) / total for column in columns], axis=1)

    return means


def _means_of_classes(values: Array) -> tuple[NDArray[np.intp], Callable[[Array], Array]] | None:
    """The same for classes, whose number hardly matters for the time, and the order of centres that it needs.

    None unless there are at least `_FEWEST_CLASSES` targets, and no more distinct rows of them.
    """
    targets = values.shape[1]
    if targets < _FEWEST_CLASSES:
        return None
    kinds, kind = np.unique(values, axis=0, return_inverse=True)
    if len(kinds) > targets:
        return None
    order = np.argsort(kind.ravel(), kind="stable")
    starts = np.searchsorted(kind.ravel()[order], np.arange(len(kinds)))

    def means(kernel: Array) -> Array:
        shares = np.add.reduceat(kernel, starts, axis=1)
        shares /= shares.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("ik,kt->it", shares, kinds))

    return order, means


def fit_kernel_regression(
    view: str, columns: tuple[str, ...], bandwidth: float, points: Array, targets: Array, weights: Any = None
) -> KernelRegression:
    """Fits the regression on all training rows, or on a fixed random sample of `MOST_CENTRES` if there are more.

    Args:
        view, columns, bandwidth: as in `KernelRegression`.
        points: features of the training rows, float32 `(num_rows, num_columns)`.
        targets: their targets, float32 `(num_rows, num_targets)`.
        weights: their weights, `(num_rows,)`; rows with weight 0 are not neighbours, all others count equally.
    """
    rows = np.arange(len(points)) if weights is None else np.flatnonzero(np.asarray(weights) > 0)
    if len(rows) > MOST_CENTRES:
        drawn = stream_rng(RandomStream.NEIGHBOUR_ROWS, 0).permutation(len(rows))[:MOST_CENTRES]
        rows = rows[np.sort(drawn)]
    values = np.asarray(targets[rows], np.float32)
    centre = values.mean(axis=0, dtype=np.float64)
    scale = np.maximum(values.std(axis=0, dtype=np.float64), _LEAST_STD)
    scaled = ((values - centre) / scale).astype(np.float32)
    return KernelRegression(view, columns, bandwidth, np.asarray(points[rows], np.float32), scaled, rows)
