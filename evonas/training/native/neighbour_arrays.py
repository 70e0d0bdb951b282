"""Arrays that the kernels need for networks which predict from learned neighbours. No numba."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.evaluation import Weights
from evonas.networks.neighbours import (
    CLASSES,
    FLOOR,
    LEAST_SHARE,
    MAX_EPOCH_REFERENCES,
    REFERENCES,
    TARGETS,
    reference_rows,
    target_columns,
)
from evonas.training.native.kernels.instructions import BLOCK_COLUMNS, BLOCK_ROWS, LOSSES
from genomes.architecture.options import MAX_REFERENCES

__all__ = ["SMOOTHING", "References", "arrays_of", "given_references", "references_of"]

#: The constants of `evonas.networks.neighbours` that kernels use.
SMOOTHING = np.array([FLOOR, LEAST_SHARE], np.float32)


@dataclass(frozen=True, eq=False)
class References:
    """The training rows that predictions refer to.

    Attributes:
        targets: of all training rows, shape `(num_rows, num_columns)`; see `evonas.networks.neighbours.mean_columns`.
        rows: numbers of the reference rows of the validation after each epoch, ascending, int32.
        kept: numbers of those of the trained network.
        classes: whether targets are class shares.
    """

    targets: NDArray[np.float32]
    rows: NDArray[np.int32]
    kept: NDArray[np.int32]
    classes: bool


def references_of(y: NDArray[Any], problem: Problem, seed: int) -> References:
    """The references of a training run.

    Args:
        y: targets of the training rows.
        problem: the prediction problem.
        seed: seed of the training run.
    """
    rows, kept = (reference_rows(seed, len(y), most) for most in (MAX_EPOCH_REFERENCES, MAX_REFERENCES))
    targets = target_columns(y, problem.task, problem.num_outputs)
    return References(targets, rows, kept, problem.task != "regression")


def given_references(weights: Weights, units: int) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
    """Arrays and control values to predict from the reference rows in a network's weights.

    Args:
        weights: weights by name; without reference rows, nothing is returned.
        units: width of the representations.
    """
    if REFERENCES not in weights:
        return {}, {}
    classes = CLASSES in weights
    targets = np.ascontiguousarray(weights[CLASSES if classes else TARGETS], np.float32)
    every, columns = np.arange(len(targets), dtype=np.int32), targets.shape[1]
    arrays = arrays_of(References(targets, every, every, classes), units, 1)
    arrays["representations"][:] = weights[REFERENCES]
    arrays["squares"][:] = (arrays["representations"] ** 2).sum(axis=1)
    loss = "mse" if not classes else "binary" if columns == 2 else "multiclass"
    control = {"units": units, "columns": columns, "references": len(targets), "loss": LOSSES.index(loss)}
    return arrays, control


def arrays_of(references: References, units: int, batch_size: int) -> dict[str, NDArray[Any]]:
    """Arrays by the names in `frame.ARRAYS`.

    Args:
        references: the reference rows.
        units: width of the representations.
        batch_size: rows of a batch.
    """
    columns, count = references.targets.shape[1], len(references.rows)
    training = batch_size * (2 + columns + 3 * BLOCK_ROWS)
    prediction = BLOCK_COLUMNS * (BLOCK_ROWS + columns)
    return {
        "known": references.targets,
        "reference_rows": references.rows,
        "representations": np.zeros((count, units), np.float32),
        "squares": np.zeros(count, np.float32),
        "pairs": np.zeros(max(training, prediction) + (BLOCK_ROWS + 1) * (2 * columns + 3), np.float32),
    }
