"""A cheap screening for columns that are promising for `evonas.data.neighbours`, before any training.

Features that a network learns easily are not worth adding. Therefore the target is first fitted by a sum of functions
of single columns; then each small set of columns is judged by the share of the residual that a kernel regression on it
explains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evonas.seeds import RandomStream, stream_rng

__all__ = ["promising_columns"]

_ROWS = 1000
_BANDWIDTHS = (0.05, 0.15, 0.5)
#: Number of columns of which all pairs are judged, of pairs to which a third column is added, and of sets to keep.
_PAIRED, _GROWN, _KEPT = 12, 4, 16
#: Maximum number of targets to use: for more classes, the most frequent ones.
_MOST_TARGETS = 4
_KNOTS = (0.1, 0.3, 0.5, 0.7, 0.9)
_RIDGE = 1e-3
_NEARLY_NONE = np.float32(1e-12)

Array = NDArray[np.float32]


def promising_columns(columns: Mapping[str, Array], targets: Array) -> tuple[tuple[str, ...], ...]:
    """Sets of one to three columns, the most promising first; columns are sorted by name.

    Uses at most 1,000 rows, sampled from a separate random stream, hence always the same ones.

    Args:
        columns: standardised training rows of each eligible column, shape `(num_rows,)`.
        targets: standardised targets or class indicators, shape `(num_rows, num_targets)`.

    Returns:
        At most 16 sets that explain a part of the target; empty if there are none.
    """
    rows = stream_rng(RandomStream.NEIGHBOUR_COLUMNS, 0).permutation(len(targets))[:_ROWS]
    x = {name: np.asarray(values[rows], np.float32) for name, values in columns.items()}
    y = np.asarray(targets[rows], np.float32)
    y = y[:, np.argsort(-y.var(axis=0), kind="stable")[:_MOST_TARGETS]]
    if len(rows) < 2 or not x or not (total := float(((y - y.mean(axis=0)) ** 2).sum())):
        return ()
    if len(x) > _PAIRED:
        x = {name: x[name] for name in sorted(sorted(x), key=lambda name: -_explained_share(x[name], y))[:_PAIRED]}
    names = sorted(x)
    rest = _additive_residual(np.stack([x[name] for name in names], axis=1), y)
    share = float((rest**2).sum()) / total
    found: dict[tuple[str, ...], float] = {}
    for bandwidth in _BANDWIDTHS:
        kernels = np.stack([*(_kernel(x[name], bandwidth) for name in names), _others(len(rows))], axis=1)
        for indices, explained in _judge(kernels, rest):
            key = tuple(names[index] for index in indices)
            found[key] = max(found.get(key, 0.0), explained * share)
    ranked = sorted((-explained, len(key), key) for key, explained in found.items() if explained > 0)
    return tuple(key for *_, key in ranked[:_KEPT])


def _judge(kernels: Array, rest: Array) -> Iterator[tuple[tuple[int, ...], float]]:
    """Indices of columns, and the share of `rest` that a kernel regression on them explains.

    A kernel on several columns is the product of their kernels; the last of `kernels`, `(rows, columns + 1, rows)`, is
    the kernel on no columns.
    """
    count = kernels.shape[1] - 1
    transposed = kernels.transpose(0, 2, 1)
    below = kernels @ transposed
    above = [(kernels * target) @ transposed for target in rest.T]  # each (rows, columns + 1, columns + 1)
    found = {}
    for a, b in combinations(range(count + 1), 2):
        indices = (a,) if b == count else (a, b)
        found[indices] = _explain(rest, [each[:, a, b] for each in above], below[:, a, b])
    yield from found.items()
    pairs = sorted((indices for indices in found if len(indices) == 2), key=lambda indices: -found[indices])[:_GROWN]
    for a, b in pairs:
        both = kernels[:, a] * kernels[:, b]
        below = np.einsum("ij,ikj->ik", both, kernels)
        above = [np.einsum("ij,ikj->ik", both * target, kernels) for target in rest.T]
        for c in sorted(set(range(count)) - {a, b}):
            yield tuple(sorted((a, b, c))), _explain(rest, [each[:, c] for each in above], below[:, c])


def _explained_share(values: Array, targets: Array) -> float:
    """The share of the targets that a single column explains."""
    kernels = (_kernel(values, bandwidth) for bandwidth in _BANDWIDTHS)
    centred = targets - targets.mean(axis=0)
    return max(_explain(centred, list((kernel @ centred).T), kernel.sum(axis=1)) for kernel in kernels)


def _explain(targets: Array, above: Sequence[Array], below: Array) -> float:
    """The share of centred targets that the means `above / below` explain; 0 for a row without neighbours."""
    known = below > _NEARLY_NONE
    means = np.stack([np.divide(each, below, out=np.zeros_like(each), where=known) for each in above], axis=1)
    total = float((targets**2).sum())
    return 1.0 - float(((targets - means) ** 2).sum()) / total if total else 0.0


def _kernel(values: Array, bandwidth: float) -> Array:
    """The kernel on one column for all pairs of rows, `(rows, rows)`; 0 on the diagonal."""
    kernel: Array = values[:, None] - values
    kernel *= kernel  # in place, since allocating arrays of this size takes longer than computing them
    kernel *= np.float32(-0.5 / bandwidth**2)
    np.exp(kernel, out=kernel)
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _others(count: int) -> Array:
    """The kernel on no columns: 1 for different rows."""
    return 1.0 - np.eye(count, dtype=np.float32)


def _additive_residual(x: Array, targets: Array) -> Array:
    """The residual of the targets after fitting a sum of piecewise linear functions of single columns."""
    knots = np.quantile(x, _KNOTS, axis=0).astype(np.float32)
    bends = np.maximum(x[:, None] - knots, 0.0).reshape(len(x), -1)
    features = np.concatenate([x, bends], axis=1).astype(np.float64)
    features -= features.mean(axis=0)
    centred = (targets - targets.mean(axis=0)).astype(np.float64)
    gram = features.T @ features + _RIDGE * len(x) * np.eye(features.shape[1])
    rest: Array = (centred - features @ np.linalg.solve(gram, features.T @ centred)).astype(np.float32)
    return rest
