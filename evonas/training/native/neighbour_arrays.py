"""Arrays that the kernels need for networks which predict from learned neighbours. No numba."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.networks.neighbours import FLOOR, LEAST_SHARE, target_columns
from evonas.training.native.kernels.instructions import BLOCK_COLUMNS, BLOCK_ROWS

__all__ = ["SMOOTHING", "References", "arrays_of", "references_of"]

#: The constants of `evonas.networks.neighbours` that kernels use.
SMOOTHING = np.array([FLOOR, LEAST_SHARE], np.float32)


@dataclass(frozen=True, eq=False)
class References:
    """The training rows that predictions refer to.

    Attributes:
        targets: of all training rows, shape `(num_rows, num_columns)`; see `evonas.networks.neighbours.mean_columns`.
        rows: numbers of the reference rows, ascending, int32.
        classes: whether targets are class shares.
    """

    targets: NDArray[np.float32]
    rows: NDArray[np.int32]
    classes: bool


def references_of(y: NDArray[Any], problem: Problem, rows: NDArray[np.int32]) -> References:
    """The references of a training run.

    Args:
        y: targets of the training rows.
        problem: the prediction problem.
        rows: numbers of the reference rows.
    """
    return References(target_columns(y, problem.task, problem.num_outputs), rows, problem.task != "regression")


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
