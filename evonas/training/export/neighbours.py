"""Layers that compute neighbour features (`evonas.data.neighbours`) in an exported model: Dense, Softmax, Dense.

Training rows are stored as weights: a layer subtracts every centre from a column, with kernels of ones and the centres
as biases, so that small differences keep their precision in float32, as in `evonas.data.kernel_regression`; squares are
summed, scaled and passed through a softmax; the kernel of the last layer contains the targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers, ops

from evonas.data.encoding.preprocessor import Preparation
from evonas.data.kernel_regression import KernelRegression
from evonas.data.neighbours import NeighbourPreparation
from genomes.architecture.options import MAX_REFERENCES

__all__ = ["rows_at_a_time", "with_neighbours"]

#: Maximum number of distances per tensor that a model holds at a time.
_MOST_CELLS = 1 << 24


def with_neighbours(features: Any, preparation: NeighbourPreparation) -> Any:
    """The features of the preparation's steps, followed by those of its regressions."""
    groups: dict[tuple[str, ...], list[KernelRegression]] = {}
    for regression in preparation.regressions:
        groups.setdefault(regression.columns, []).append(regression)
    found: dict[str, Any] = {}
    for number, regressions in enumerate(groups.values(), start=1):
        places = preparation.column_indices(regressions[0])
        squares = _squared_distances(features, places, regressions[0], number)
        for each in regressions:
            name = f"neighbours_{number}_{regressions.index(each) + 1}"
            found[each.view] = _estimates(squares, each, name)
    parts = [found[regression.view] for regression in preparation.regressions]
    return layers.Concatenate()([features, *parts]) if parts else features


def rows_at_a_time(preparation: Preparation | None, most: int) -> int:
    """Number of rows to predict at a time, limited by the memory of distances, also to learned neighbours."""
    regressions: Sequence[KernelRegression] = getattr(preparation, "regressions", ())
    counts = [len(each.centres) for each in regressions]
    return min([most, *(max(1, _MOST_CELLS // count) for count in (MAX_REFERENCES, *counts))])


def _squared_distances(features: Any, columns: Sequence[int], regression: KernelRegression, number: int) -> Any:
    """Squared distances of each row to each centre, `(num_rows, num_centres)`."""
    total = None
    for k, index in enumerate(columns):
        # Explicit shapes let the check of a file count the weights of its layers.
        column = layers.Reshape((1,))(ops.take(features, [index], axis=1))
        centre = regression.centres[:, k]
        away = _dense(column, np.ones((1, len(centre)), np.float32), f"distances_{number}_{k + 1}", -centre)
        square = ops.multiply(away, away)
        total = square if total is None else ops.add(total, square)
    return layers.Reshape((len(regression.centres),))(total)


def _estimates(squares: Any, regression: KernelRegression, name: str) -> Any:
    kernel = layers.Activation("softmax")(layers.Rescaling(float(np.float32(-0.5 / regression.bandwidth**2)))(squares))
    return _dense(kernel, regression.values, name)


def _dense(x: Any, kernel: Any, name: str, bias: Any = None) -> Any:
    layer = layers.Dense(kernel.shape[1], use_bias=bias is not None, name=name, trainable=False)
    found = layer(x)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return found
