"""`check_split`, `check_target`: validation of splits that are read from an untrusted file.

Compiled kernels index targets and weights without bounds checks: an invalid class index would write to memory outside
the network's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.inputs import named_arrays, shapes_of

if TYPE_CHECKING:
    from evonas.data.prepared import Problem, Split

__all__ = ["check_outputs", "check_split", "check_target"]


def check_outputs(problem: Problem) -> None:
    """Raises ValueError if the number of outputs does not match the classes or the scales of the targets."""
    if problem.task not in ("regression", "binary", "multiclass"):
        raise ValueError(f"{problem.task!r:.40} is not a task")
    outputs = problem.num_outputs
    if problem.task == "regression":
        counts = {len(problem.target_mean), len(problem.target_std)}
        if outputs < 1 or problem.classes or counts not in ({0}, {outputs}) or not all(_scales(problem)):
            raise ValueError(f"means and deviations of targets are not those of {outputs} outputs")
    elif len(problem.classes) not in (0, outputs if problem.task == "multiclass" else 2) or outputs < 1:
        raise ValueError(f"{len(problem.classes)} classes are not those of {outputs} outputs")
    elif problem.task == "binary" and outputs != 1:
        raise ValueError(f"a binary problem has 1 output, not {outputs}")


def _scales(problem: Problem) -> list[bool]:
    return [math.isfinite(value) for value in (*problem.target_mean, *problem.target_std)] + [
        value > 0 for value in problem.target_std
    ]


def check_split(split: Split, problem: Problem) -> Split:
    """Returns the split after checking that its arrays match each other and the problem.

    Raises:
        ValueError: they do not match; the message names the array.
    """
    wanted = problem.input_shapes or ((problem.num_features,),)
    for x, y in ((split.x_train, split.y_train), (split.x_validation, split.y_validation)):
        parts = list(named_arrays(x).values())
        if shapes_of(x) != wanted or any(len(part) != len(y) for part in parts):
            raise ValueError(f"arrays of shapes {[part.shape for part in parts]} are not {len(y)} rows of {wanted}")
        check_target(y, problem)
    weight = split.weight_train
    if weight is not None and (weight.dtype.kind != "f" or weight.shape != (len(split.y_train),)):
        raise ValueError(f"{weight.dtype} weights of shape {weight.shape} do not match {len(split.y_train)} rows")
    if weight is not None and not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError("weights are negative or not finite")
    return split


def check_target(y: NDArray[Any], problem: Problem) -> None:
    """Raises ValueError for targets that do not match the problem's task and encoding."""
    if problem.task == "multiclass":
        if y.dtype.kind not in "iu" or y.ndim != 1:
            raise ValueError(f"{y.dtype} targets of shape {y.shape} are not class numbers")
        if len(y) and not 0 <= y.min() <= y.max() < problem.num_outputs:
            raise ValueError(f"classes {y.min()} to {y.max()} are not those of {problem.num_outputs} outputs")
        return
    if y.dtype.kind != "f" or y.ndim != 2 or y.shape[1] != problem.num_outputs:
        raise ValueError(f"{y.dtype} targets of shape {y.shape} are not for {problem.num_outputs} outputs")
    if not np.isfinite(y).all() or (problem.task == "binary" and ((y < 0) | (y > 1)).any()):
        raise ValueError("targets are not finite, or not 0 or 1")
