"""Detection of overlapping windows of one series, and splits without leakage between them.

With a random split, a validation window shares most of its steps with training windows on both sides, and scores are
too optimistic for later windows. Imports numpy only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evonas.data.splits import RowSplit
from genomes.errors import InputError

__all__ = ["SPLITS", "check_split", "overlap_note", "overlap_of", "without_overlap"]

#: How samples can be split: depending on the data, at random, or with the last ones for testing.
SPLITS = ("", "random", "time")

#: Number of adjacent windows that are compared, and the share of them that must overlap.
_PAIRS, _SHARE = 100, 0.9
#: Maximum stride between two windows that is tried.
_LONGEST_STRIDE = 512


def check_split(split: str) -> str:
    """Raises InputError if the name of the split is unknown."""
    if split not in SPLITS:
        raise InputError(f"split must be random or time, not {split!r}: time takes the last samples for testing")
    return split


def overlap_of(series: NDArray[np.floating]) -> int:
    """The number of following windows that share steps with a window; 0 if samples are not consecutive windows of one
    series.

    Args:
        series: series of shape `(num_samples, steps, channels)`.
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


def overlap_note(series: NDArray[np.floating]) -> tuple[str, ...]:
    """A message for overlapping windows that are split at random, as for dense networks; see `overlap_of`."""
    if not overlap_of(series):
        return ()
    return (
        "samples are overlapping windows of one series and split at random, so that scores are too optimistic: use "
        "sequence networks, or name a column of times (--time-column, in Python time_column)",
    )


def without_overlap(rows: RowSplit, reach: int, given: tuple[str, ...] = ()) -> RowSplit:
    """Removes rows that share steps with rows of a later part from a split in order.

    Args:
        rows: split of the rows in order.
        reach: result of `overlap_of`.
        given: names of the given parts, "validation" or "test".

    Raises:
        InputError: a part would be empty.
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
    """Whether the sample has many distinct values; a constant one would match at any stride."""
    return len(np.unique(sample[~np.isnan(sample)])) > max(2, len(sample) // 4)
