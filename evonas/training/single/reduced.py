"""Reduced data for the first epochs of a training run: smaller images, and a share of the training rows. Pure numpy.

Images are reduced by average pooling, and validation images with them, since a network that is trained on small images
is scored on images of the same size (Touvron et al. 2019, arXiv 1906.06423). Networks with global pooling accept images
of any size, so that training continues with the same weights and the optimizer's state on the whole data. The rows are
stratified, and those of a smaller share are among those of a larger one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.memo import Memo
from evonas.data.prepared import Problem, Split
from evonas.evaluation import Reduction
from evonas.io.disk_arrays import take_rows
from evonas.networks.initial import rows_of_epoch
from evonas.seeds import RandomStream, stream_rng
from genomes.errors import InputError

__all__ = ["ReducedData", "pool_images", "reduced_problem", "reduced_rows", "reduced_split", "stratified_order"]
__all__ += ["training_steps"]

#: Maximum size of the reduced data that are cached.
_MOST_BYTES = 1 << 30
#: Number of strata of a regression target.
_STRATA = 10


def pool_images(x: NDArray[Any], shape: Sequence[int], factor: int) -> NDArray[np.float32]:
    """Average-pools flat images; windows at the lower and right edges are smaller if the size is not a multiple.

    >>> pool_images(np.array([[1.0, 3.0, 5.0]]), (1, 3, 1), 2)
    array([[2., 5.]], dtype=float32)

    Args:
        x: images, shape `(num_samples, height * width * channels)`.
        shape: (height, width, channels).
        factor: height and width of a window.

    Returns:
        Images, float32, shape `(num_samples, ceil(height / factor) * ceil(width / factor) * channels)`.
    """
    pooled: NDArray[np.float32] = np.asarray(x, np.float32).reshape(len(x), *shape)
    for axis, size in enumerate(shape[:2], 1):
        starts = np.arange(0, size, factor)
        counts = np.diff(np.append(starts, size)).astype(np.float32)
        sums: NDArray[np.float32] = np.add.reduceat(pooled, starts, axis=axis)
        sums /= counts[:, None] if axis == 2 else counts[:, None, None]
        pooled = sums
    return pooled.reshape(len(x), -1)


def stratified_order(y: NDArray[Any]) -> NDArray[np.intp]:
    """An order of the rows of which every beginning has about the classes, or the quantiles, of all rows.

    Args:
        y: targets as in `Split`, shape `(num_samples,)` or `(num_samples, num_outputs)`.
    """
    target = y if y.ndim == 1 else y[:, 0]
    strata = target
    if y.ndim > 1 and len(np.unique(target)) > 2:
        strata = np.searchsorted(np.quantile(target, np.linspace(0, 1, _STRATA + 1)[1:-1]), target)
    positions = np.empty(len(target))
    for number, stratum in enumerate(np.unique(strata)):
        rows = np.flatnonzero(strata == stratum)
        order = stream_rng(RandomStream.ROW_SUBSET, 0, number).permutation(len(rows))
        positions[rows] = (order + 0.5) / len(rows)
    return np.argsort(positions, kind="stable")


def reduced_problem(problem: Problem, factor: int) -> Problem:
    """The problem with reduced images.

    Raises:
        InputError: its samples are not images.
    """
    if factor == 1:
        return problem
    if len(problem.sample_shape) != 3:
        raise InputError(f"reduced data must be images, not samples of shape {problem.sample_shape}: use factor 1")
    height, width, channels = problem.sample_shape
    shape = -(-height // factor), -(-width // factor), channels
    return replace(problem, num_features=math.prod(shape), sample_shape=shape)


def reduced_split(split: Split, problem: Problem, reduction: Reduction) -> Split:
    """The split with reduced images and a share of the training rows; all validation rows are kept."""
    shape, factor = problem.sample_shape, reduction.factor
    x, y, weight = np.asarray(split.x_train), split.y_train, split.weight_train
    if reduction.rows < 1:
        rows = np.sort(stratified_order(y)[: max(1, math.ceil(reduction.rows * len(y)))])
        y, weight = y[rows], None if weight is None else weight[rows]
    else:
        rows = np.arange(len(y))

    def pooled(some: NDArray[Any]) -> NDArray[Any]:
        return pool_images(some, shape, factor) if factor > 1 else some

    x_validation = np.asarray(split.x_validation)
    held = np.arange(len(x_validation))
    return Split(
        take_rows(x, rows, pooled), y, take_rows(x_validation, held, pooled), split.y_validation, weight_train=weight
    )


def reduced_rows(epoch_rows: int | None, share: float) -> int | None:
    """Rows per epoch with a share of the rows, see `TrainingSettings.epoch_rows`."""
    return None if epoch_rows is None else max(1, math.ceil(epoch_rows * share))


def training_steps(rows: int, epoch_rows: int | None, batch_size: int, epochs: int, reduction: Reduction | None) -> int:
    """Number of steps of a whole training run, over which the learning-rate schedule spans.

    >>> training_steps(100, None, 10, 4, Reduction(epochs=2, rows=0.5))
    30

    Args:
        rows: number of training rows.
        epoch_rows: see `TrainingSettings.epoch_rows`.
        batch_size: rows per step.
        epochs: epochs of the whole run.
        reduction: reduced data of its first epochs, if any.
    """
    steps = -(-rows_of_epoch(rows, epoch_rows) // batch_size)
    if reduction is None:
        return epochs * steps
    some = max(1, math.ceil(reduction.rows * rows))
    first = -(-rows_of_epoch(some, reduced_rows(epoch_rows, reduction.rows)) // batch_size)
    return min(epochs, reduction.epochs) * first + max(0, epochs - reduction.epochs) * steps


@dataclass(frozen=True)
class _Key:
    """Identifies reduced data."""

    factor: int
    rows: float
    fold: int
    problem: Problem = field(compare=False)
    split: Split = field(compare=False)


class ReducedData:
    """Computes the reduced data of folds, and caches the latest."""

    def __init__(self) -> None:
        self._held = Memo[_Key, Split](_reduced, _size, _MOST_BYTES)

    def reduce(self, reduction: Reduction, problem: Problem, split: Split, fold: int) -> Split:
        """The reduced data of a fold, whose number identifies them."""
        return self._held(_Key(reduction.factor, reduction.rows, fold, problem, split))


def _reduced(key: _Key) -> Split:
    return reduced_split(key.split, key.problem, Reduction(1, key.factor, key.rows))


def _size(split: Split) -> int:
    return sum(np.asarray(each).nbytes for each in (split.x_train, split.x_validation))
