"""`prepare_inputs`: conversion of arrays of any shape to `PreparedData`, for user-defined models. Imports pandas
lazily.

Target, splits and weights are handled as for tables; the inputs are unchanged.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.arrays import target_columns
from evonas.data.fingerprint import fingerprint
from evonas.data.inputs import Inputs, as_inputs, inputs_digest, join_inputs, map_arrays, shapes_of
from evonas.data.prepare import code_target
from evonas.data.prepared import PreparedData, Split
from evonas.data.readers.csv import check_file
from evonas.data.sample_weights import ClassWeight, sample_weights, training_weights
from evonas.data.split_settings import SplitSettings, check_rows, deal_rows, settings_json
from evonas.data.splits import share_for_validation
from evonas.data.target import infer_target
from evonas.io.npz import read_compressed_arrays
from genomes.errors import InputError

__all__ = ["named_parts", "prepare_inputs", "read_arrays"]

#: Suffixes of the arrays of other parts beside "x_train" and "y_train", as in the files of `keras.datasets`.
_PARTS = {"validation": ("val", "valid", "validation"), "test": ("test",)}


def prepare_inputs(
    x: Any,
    y: Any,
    *,
    seed: int,
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    test_share: float = 0.2,
    validation_share: float | None = None,
    folds: int | None = None,
    task: str | None = None,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
) -> PreparedData:
    """Prepares arrays of any shape. All arguments except `x` are as for `evonas.data.prepare.prepare_arrays`.

    Args:
        x: an array of any rank, `(num_samples, ...)`, or several in a mapping, a tuple or a list.

    Raises:
        InputError: an argument or a cell is invalid; the message names the constraint, the value and the fix.
    """
    import pandas as pd

    if folds is not None and validation is not None:
        raise InputError(f"folds must not be given with validation rows, not {folds}: leave one of the two out")
    inputs: dict[str, Inputs] = {}
    targets: dict[str, pd.DataFrame] = {}
    for part, pair in {"training": (x, y), "validation": validation, "test": test}.items():
        if pair is not None:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise InputError(f"{part} must be a pair (x, y), not {type(pair).__name__}: pass both")
            targets[part] = target_columns(pair[1], f"{part} y")
            inputs[part] = as_inputs(pair[0], f"{part} x", len(targets[part]))
    sizes = {part: len(target) for part, target in targets.items()}
    check_rows(sizes["training"])
    weights = sample_weights(sample_weight, sizes["training"])
    share = share_for_validation(validation_share, sizes["training"])
    settings = SplitSettings(seed, test_share, share, folds, task, class_weight)
    joined, columns = join_inputs(inputs), pd.concat(list(targets.values()), ignore_index=True)
    target = infer_target(columns, task)
    rows = deal_rows(target, settings, sizes)
    problem, coded = code_target(target, rows.known() if len(rows.splits) > 1 else rows.splits[0][0], ())
    shapes = shapes_of(joined)
    decisive = fingerprint(columns[[]], columns, settings_json(settings, target.task, sizes), weights)

    def part_of(indices: NDArray[np.intp]) -> Inputs:
        return map_arrays(lambda array: array[indices], joined)

    return PreparedData(
        problem=replace(problem, num_features=sum(math.prod(shape) for shape in shapes), input_shapes=shapes),
        splits=tuple(
            Split(
                x_train=part_of(train),
                y_train=coded[train],
                x_validation=part_of(held_out),
                y_validation=coded[held_out],
                weight_train=training_weights(target, train, weights, class_weight),
            )
            for train, held_out in rows.splits
        ),
        x_test=part_of(rows.test) if rows.test.size else None,
        y_test=coded[rows.test] if rows.test.size else None,
        notes=target.notes,
        fingerprint=hashlib.sha256((decisive + inputs_digest(joined)).encode()).hexdigest(),
    )


def read_arrays(path: str | Path, target: str) -> tuple[Inputs, NDArray[Any]]:
    """Reads inputs and target from an `.npz` file: one input, or several by the names of their arrays.

    Raises:
        InputError: the file cannot be read, holds objects, has no array with the target's name, or has no other array.
    """
    path = Path(path)
    check_file(path)
    arrays: dict[str, Any]
    try:
        arrays = dict(read_compressed_arrays(path))
    except (OSError, ValueError) as error:
        raise InputError(f"data must be an .npz file of arrays of numbers or text, not {path}: {error}") from None
    if target not in arrays or len(arrays) < 2:
        shown = ", ".join(map(repr, list(arrays)[:20])) + (", ..." if len(arrays) > 20 else "")
        raise InputError(
            f"data must hold the target {target!r} and at least one other array, but {path} holds {shown or 'none'}: "
            "name the target as one of them"
        )
    y = arrays.pop(target)
    return (arrays if len(arrays) > 1 else next(iter(arrays.values()))), y


def named_parts(x: Inputs, y: NDArray[Any], target: str) -> tuple[Inputs, NDArray[Any], dict[str, tuple[Any, Any]]]:
    """The training arrays, and the "validation" and "test" pairs that a file holds under the usual names.

    Args:
        x, y: result of `read_arrays`.
        target: name of y; "x_train", "x_test", "y_test", "x_val" and so on are used only if it is "y_train".
    """
    if target != "y_train" or not isinstance(x, Mapping) or "x_train" not in x:
        return x, y, {}
    pairs: dict[str, tuple[Any, Any]] = {}
    for part, names in _PARTS.items():
        for name in names:
            if f"x_{name}" in x and f"y_{name}" in x:
                pairs.setdefault(part, (x[f"x_{name}"], x[f"y_{name}"]))
    known = {"x_train", *(f"{axis}_{name}" for names in _PARTS.values() for name in names for axis in "xy")}
    return (x, y, {}) if set(x) - known else (x["x_train"], y, pairs)
