"""Windows that were cut from one series, one after the other: found, and split without one looking into another.

Dealt at random, a validation window shares most of its steps with training windows on both sides, and scores promise
what no later window keeps. Imports numpy only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evonas.data.splits import RowSplit
from genomes.errors import InputError

__all__ = ["SPLITS", "check_split", "overlap_of", "without_overlap"]

#: How samples may be dealt: as the data are, at random, or the last ones for testing.
SPLITS = ("", "random", "time")

#: Neighbouring windows that are compared, and the share of them that has to overlap.
_PAIRS, _SHARE = 100, 0.9
#: The longest step between two windows that is looked for.
_LONGEST_STRIDE = 512


def check_split(split: str) -> str:
    """Raises InputError if there is no such way of splitting."""
    if split not in SPLITS:
        raise InputError(f"split must be random or time, not {split!r}: time takes the last samples for testing")
    return split


def overlap_of(series: NDArray[np.floating]) -> int:
    """How many windows behind a window share steps with it; 0 if samples are not windows of one series in order.

    Args:
        series: shape `(num_samples, steps, channels)`.
    """
    count, steps = map(int, series.shape[:2])
    if count < 3 or steps < 2:
        return 0
    firsts = np.unique(np.linspace(0, count - 2, min(_PAIRS, count - 1)).round().astype(np.intp))
    varied = [first for first in firsts if _varies(series[first])]
    if not varied:
        return 0
    for stride in range(1, min(steps - 1, _LONGEST_STRIDE) + 1):
        if not _overlap(series, varied[0], stride) or not _overlap(series, varied[-1], stride):
            continue
        if sum(_overlap(series, first, stride) for first in varied) >= _SHARE * len(varied):
            return -(-steps // stride) - 1
    return 0


def without_overlap(rows: RowSplit, reach: int, given: tuple[str, ...] = ()) -> RowSplit:
    """Rows that were dealt in their order, without those that share steps with rows of a later part.

    Args:
        rows: one split.
        reach: of `overlap_of`.
        given: names of the parts that were not dealt, "validation" or "test".

    Raises:
        InputError: nothing is left of a part.
    """
    ((train, validation),) = rows.splits
    tested = "test" not in given and rows.test.size > 0
    if "validation" not in given:
        train = train[train < validation.min() - reach]
        validation = validation[validation < rows.test.min() - reach] if tested else validation
    elif tested:
        train = train[train < rows.test.min() - reach]
    if not train.size or not validation.size:
        raise InputError(
            f"windows must be many more than the {reach} behind each that overlap with it, not {len(rows.known())}: "
            "cut shorter windows or further apart, or split them at random (split random)"
        )
    return replace(rows, splits=((train, validation),))


def _overlap(series: NDArray[np.floating], first: int, stride: int) -> bool:
    return np.array_equal(series[first, stride:], series[first + 1, :-stride], equal_nan=True)


def _varies(sample: NDArray[np.floating]) -> bool:
    """Whether the sample has many different values: a constant one overlaps with itself at any distance."""
    return len(np.unique(sample[~np.isnan(sample)])) > max(2, len(sample) // 4)
