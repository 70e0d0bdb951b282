"""Predictions from learned neighbours: mean targets of reference rows, weighted by distances between representations.

The output layer maps a row to a representation z. With the representations z_i of reference rows and their targets y_i,

    w_i = exp(-d_i) / sum_j exp(-d_j),    d_i = sqrt(|z - z_i|**2 + FLOOR),    prediction = sum_i w_i y_i

Targets of classifiers are one column per class, so that predictions are class shares; raw outputs are their logarithms.
In training, the reference rows of a row are the other rows of its batch. Afterwards they are training rows, at most
`MAX_REFERENCES`, drawn from the seed of the training run. They are stored as weights of the output layer, which follow
from its other weights and are never trained or inherited. Pure numpy.

References:
    Goldberger, Roweis, Hinton and Salakhutdinov, "Neighbourhood components analysis", NeurIPS 2004.
    Ye, Yin, Zhan and Chao, "Revisiting nearest neighbor for tabular data" (ModernNCA), 2024, arXiv 2407.03257.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.evaluation import Weights
from evonas.seeds import RandomStream, stream_rng
from genomes.architecture.options import MAX_REFERENCES, REPRESENTATION_UNITS
from genomes.errors import InputError

__all__ = ["CLASSES", "FLOOR", "LEAST_SHARE", "MAX_EPOCH_REFERENCES", "REFERENCES", "TARGETS", "blank_references"]
__all__ += ["check_supported", "neighbour_outputs", "reference_rows", "reference_weights", "target_columns"]
__all__ += ["without_references"]

Array = NDArray[Any]

#: Maximum number of reference rows of the validation after each epoch, which would otherwise take longer than training.
#: Scores and later predictions refer to `MAX_REFERENCES` rows.
MAX_EPOCH_REFERENCES = 1024
#: Added to squared distances, so that the root has a bounded slope and rounding hardly affects equal rows.
FLOOR = 1e-2
#: Added to class shares before their logarithm.
LEAST_SHARE = 1e-6

#: Maximum number of distances computed at a time, which limits memory.
_MOST_PAIRS = 1 << 22

#: Names of the weights with the representations of the reference rows, and with their targets or class shares.
REFERENCES, TARGETS, CLASSES = "output/references", "output/targets", "output/classes"


def check_supported(problem: Problem, weight: NDArray[Any] | None) -> None:
    """Raises InputError if predictions cannot be means of these training rows.

    Args:
        problem: the prediction problem.
        weight: weights of the training rows; None if all are equal.
    """
    if problem.quantiles or weight is not None:
        what = "quantiles" if problem.quantiles else "weighted rows"
        raise InputError(f"output must be dense for {what}, not neighbours: change the gene or leave these out")


def target_columns(y: NDArray[Any], task: str, num_outputs: int) -> NDArray[np.float32]:
    """The targets that are averaged, shape `(num_rows, num_columns)`: numbers, or 1 in the column of each row's class.

    >>> target_columns(np.array([1, 0]), "binary", 1).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    given = np.asarray(y, np.float32).reshape(len(y), -1)
    if task == "regression":
        return np.ascontiguousarray(given)
    return np.eye(max(2, num_outputs), dtype=np.float32)[given[:, 0].astype(np.intp)]


def reference_rows(seed: int, num_rows: int, most: int = MAX_REFERENCES) -> NDArray[np.int32]:
    """Numbers of the training rows that are references, ascending: all, or as many as allowed, drawn at random.

    Args:
        seed: seed of the training run.
        num_rows: number of training rows.
        most: largest number of references: `MAX_EPOCH_REFERENCES` for the validation after each epoch.

    Example:
        >>> reference_rows(0, 3).tolist(), len(reference_rows(0, 9, most=5))
        ([0, 1, 2], 5)
    """
    if num_rows <= most:
        return np.arange(num_rows, dtype=np.int32)
    return np.sort(stream_rng(RandomStream.REFERENCES, seed).permutation(num_rows)[:most]).astype(np.int32)


def reference_weights(representations: Array, targets: NDArray[np.float32], classes: bool) -> dict[str, Array]:
    """The weights of reference rows, by name, from the columns of `target_columns`; `classes` for classifiers."""
    name = CLASSES if classes else TARGETS
    return {REFERENCES: np.asarray(representations, np.float32), name: np.asarray(targets, np.float32)}


def blank_references(problem: Problem, num_rows: int) -> dict[str, Array]:
    """Reference weights of as many zeros as those of a network trained on this many rows, to measure its speed."""
    rows = min(num_rows, MAX_REFERENCES)
    targets = target_columns(np.zeros((rows, problem.num_outputs)), problem.task, problem.num_outputs)
    return reference_weights(np.zeros((rows, REPRESENTATION_UNITS)), targets, problem.task != "regression")


def without_references(weights: Weights) -> Weights:
    """The trained weights and statistics."""
    return {name: value for name, value in weights.items() if name not in (REFERENCES, TARGETS, CLASSES)}


def neighbour_outputs(representations: Array, parts: Mapping[str, Array]) -> Array:
    """Raw outputs of rows, in the precision of their representations, shape `(num_rows, num_outputs)`.

    Args:
        representations: of the rows, shape `(num_rows, num_units)`.
        parts: the output layer's weights by the last part of their names.

    Example:
        >>> parts = {"references": np.zeros((2, 3)), "targets": np.array([[1.0], [2.0]])}
        >>> neighbour_outputs(np.ones((1, 3)), parts).tolist()
        [[1.5]]
    """
    size = max(1, _MOST_PAIRS // len(parts["references"]))
    starts = range(0, max(len(representations), 1), size)
    return np.concatenate([_outputs_of_some(representations[start : start + size], parts) for start in starts])


def _outputs_of_some(representations: Array, parts: Mapping[str, Array]) -> Array:
    others = parts["references"]
    squares = (representations**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2.0 * representations @ others.T
    distances = np.sqrt(np.maximum(squares, 0.0) + FLOOR)
    weights = np.exp(distances.min(axis=1, keepdims=True) - distances)
    weights /= weights.sum(axis=1, keepdims=True)
    if "targets" in parts:
        return np.asarray(weights @ parts["targets"])
    logs = np.log(weights @ parts["classes"] + LEAST_SHARE)
    return np.asarray(logs if logs.shape[1] > 2 else logs[:, 1:] - logs[:, :1])
