"""Splitting of rows into training, validation and test parts. Imports numpy only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evonas.data.inputs import map_arrays
from evonas.data.prepared import FEW_SERIES, Split
from evonas.io.disk_arrays import join_rows
from evonas.seeds import RandomStream, stream_rng
from genomes.errors import InputError

__all__ = [
    "RowSplit",
    "folds_of_few",
    "join_split",
    "share_for_validation",
    "split_by_time",
    "split_groups",
    "split_rows",
]

Positions = NDArray[np.intp]

#: Number of folds for few series.
_FOLDS_OF_FEW = 5
#: Number of validation rows that suffice to compare networks: with more rows, the part is smaller than a fifth.
_ENOUGH = 2_000


@dataclass(frozen=True, eq=False)
class RowSplit:
    """Indices of the rows of each part, ascending.

    Attributes:
        splits: (training, validation) pairs: one, or one per fold.
        test: rows that no search sees; may be empty.
    """

    splits: tuple[tuple[Positions, Positions], ...]
    test: Positions

    def known(self) -> Positions:
        """All rows outside the test part."""
        return np.union1d(*self.splits[0]).astype(np.intp)


def share_for_validation(asked: float | None, count: int) -> float:
    """The share of the validation rows: by default a fifth, or a tenth of many rows.

    It is 2,000 rows from 10,000 rows on, and a tenth from 20,000 on, where more rows are worth more for training than
    for validation.
    """
    return min(0.2, max(0.1, _ENOUGH / max(count, 1))) if asked is None else asked


def folds_of_few(classes: NDArray[np.intp]) -> int | None:
    """The number of folds in which few series are validated; None if a class has a single one, or there are not few.

    Args:
        classes: class index of each row; all zeros for regression.

    Example:
        >>> folds_of_few(np.array([0] * 20 + [1] * 3)), folds_of_few(np.zeros(1000, dtype=np.intp))
        (3, None)
    """
    least = int(np.unique(classes, return_counts=True)[1].min())
    return min(_FOLDS_OF_FEW, least) if len(classes) <= FEW_SERIES and least > 1 else None


def split_groups(
    groups: NDArray[np.intp],
    *,
    seed: int,
    test_share: float = 0.2,
    validation_share: float = 0.2,
    folds: int | None = None,
) -> RowSplit:
    """Splits whole groups at random: no group has rows in two parts.

    Args:
        groups: group index of each row, shape `(num_samples,)`.
        seed, test_share, validation_share, folds: as for `split_rows`; shares are met as closely as groups allow.

    Raises:
        InputError: see `split_rows`, or there are fewer groups than parts.
    """
    _check_shares(seed, test_share, validation_share, folds)
    rng = stream_rng(RandomStream.SPLIT, seed)
    names, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    parts = (folds or 2) + (test_share > 0)
    if len(names) < parts:
        raise InputError(f"there must be at least {parts} groups to be split, not {len(names)}: add rows of others")
    order = rng.permutation(len(names))
    tested = _first_groups(order, sizes, test_share * len(groups), len(names) - parts + 1) if test_share else 0
    test, known = order[:tested], order[tested:]
    if folds is not None:
        # Assign the largest groups first, each to the fold with the fewest rows.
        held = [np.empty(0, dtype=np.intp)] * folds
        for group in known[np.argsort(-sizes[known], kind="stable")]:
            least = min(range(folds), key=lambda fold: (int(sizes[held[fold]].sum()), fold))
            held[least] = np.append(held[least], group)
        splits = tuple((_rows_of(codes, np.setdiff1d(known, part)), _rows_of(codes, part)) for part in held)
        return RowSplit(splits, _rows_of(codes, test))
    count = _first_groups(known, sizes, validation_share * len(groups), len(known) - 1)
    split = (_rows_of(codes, known[count:]), _rows_of(codes, known[:count]))
    return RowSplit((split,), _rows_of(codes, test))


def split_by_time(stamps: NDArray[np.float64], *, test_share: float = 0.2, validation_share: float = 0.2) -> RowSplit:
    """Splits by time: the latest rows are the test part, those before them validation; rows with equal times stay
    together.

    Args:
        stamps: time of each row, in any unit, shape `(num_samples,)`.
        test_share, validation_share: as for `split_rows`.

    Raises:
        InputError: see `split_rows`; a time is missing, or there are fewer distinct times than parts.
    """
    _check_shares(0, test_share, validation_share, None)
    if np.isnan(stamps).any():
        raise InputError(
            f"the time column must have a value in every row, but data row {np.isnan(stamps).argmax() + 1} has none: "
            "leave such rows out"
        )
    instants = np.unique(stamps)
    parts = 2 + (test_share > 0)
    if len(instants) < parts:
        raise InputError(f"the time column must have at least {parts} different values, not {len(instants)}: add rows")
    ordered = np.sort(stamps)
    # Each part begins at a new time, and leaves at least one to each earlier part.
    cuts = [test_share + validation_share, test_share] if test_share else [validation_share]
    bounds: list[float] = []
    for number, share in enumerate(cuts, start=1):
        at = ordered[min(len(ordered) - 1, round(len(ordered) * (1 - share)))]
        index = int(np.searchsorted(instants, at))
        index = max(index, number if not bounds else int(np.searchsorted(instants, bounds[-1])) + 1)
        bounds.append(float(instants[min(index, len(instants) - 1 - (len(cuts) - number))]))
    part = np.searchsorted(np.array(bounds), stamps, side="right")
    rows = [np.flatnonzero(part == number).astype(np.intp) for number in range(3)]
    return RowSplit(((rows[0], rows[1]),), rows[2])


def _first_groups(order: Positions, sizes: NDArray[np.intp], wanted: float, most: int) -> int:
    """The number of leading groups, at least one, whose number of rows is closest to the wanted one."""
    behind = np.abs(np.cumsum(sizes[order])[:most] - wanted)
    return int(behind.argmin()) + 1


def _rows_of(codes: NDArray[np.intp], groups: Positions) -> Positions:
    return np.flatnonzero(np.isin(codes, groups)).astype(np.intp)


def split_rows(
    classes: NDArray[np.intp],
    *,
    seed: int,
    test_share: float = 0.2,
    validation_share: float = 0.2,
    folds: int | None = None,
) -> RowSplit:
    """Splits rows at random, stratified by class; every class occurs in every training part.

    Args:
        classes: class index of each row, shape `(num_samples,)`; all zeros for regression.
        seed: seed of the split.
        test_share, validation_share: shares of all rows, in [0, 1) and (0, 1); a part with a positive share gets at
            least one row.
        folds: number of cross-validation folds, at least 2, into which the rows outside the test part are split;
            `validation_share` is then ignored.

    Raises:
        InputError: a share or the number of folds is out of range, or there are too few rows.
    """
    _check_shares(seed, test_share, validation_share, folds)
    count = len(classes)
    parts = (folds or 2) + (test_share > 0)
    if count < parts:
        raise InputError(f"data must have at least {parts} rows to be split, not {count}: add rows")
    rng = stream_rng(RandomStream.SPLIT, seed)
    rows = np.arange(count, dtype=np.intp)
    test_size = _size(count, test_share, count - parts + 1) if test_share else 0
    test = _select_rows(rng, rows, classes, test_size, spared=1 if folds is None else 2)
    known = np.setdiff1d(rows, test)
    if folds is not None:
        return RowSplit(_deal_into_folds(rng, known, classes, folds), test)
    validation_size = _size(count, validation_share, len(known) - 1)
    validation = _select_rows(rng, known, classes, validation_size, spared=1)
    return RowSplit(((np.setdiff1d(known, validation), validation),), test)


def _check_shares(seed: int, test_share: float, validation_share: float, folds: int | None) -> None:
    if seed < 0:
        raise InputError(f"seed must be 0 or more, not {seed}: choose another")
    if not 0 <= test_share < 1:
        raise InputError(f"test share must be in [0, 1), not {test_share}: 0.2 is usual")
    if folds is None and not (0 < validation_share < 1 and test_share + validation_share < 1):
        raise InputError(
            f"validation share must be positive and leave rows for training with the test share {test_share}, not "
            f"{validation_share}: 0.2 is usual"
        )


def _size(count: int, share: float, most: int) -> int:
    return max(1, min(round(count * share), most))


def _sort(rng: np.random.Generator, rows: Positions, classes: NDArray[np.intp]) -> tuple[Positions, NDArray[np.intp]]:
    """The rows sorted by class, in random order within a class, and the rank of each row in its class."""
    shuffled = rng.permutation(rows)
    ordered = shuffled[np.argsort(classes[shuffled], kind="stable")]
    _, first, counts = np.unique(classes[ordered], return_index=True, return_counts=True)
    return ordered, np.arange(len(ordered)) - np.repeat(first, counts)


def _select_rows(
    rng: np.random.Generator, rows: Positions, classes: NDArray[np.intp], size: int, spared: int
) -> Positions:
    """Selects `size` of the rows, evenly spaced through the classes; `spared` rows of each class are never selected.

    Fewer than `size` only if the spared rows leave fewer.
    """
    ordered, rank = _sort(rng, rows, classes)
    eligible = ordered[rank >= spared]
    size = min(size, len(eligible))
    if not size:
        return np.empty(0, dtype=np.intp)
    steps = np.floor(np.arange(len(eligible) + 1) * (size / len(eligible)) + rng.random())
    return np.sort(eligible[np.diff(steps) > 0])


def _deal_into_folds(
    rng: np.random.Generator, rows: Positions, classes: NDArray[np.intp], folds: int
) -> tuple[tuple[Positions, Positions], ...]:
    """Deals rows like cards: neighbours in class order go to different folds, so that a class with two rows occurs in
    every training part.
    """
    if not 2 <= folds <= len(rows):
        raise InputError(f"folds must be from 2 to the {len(rows)} rows outside the test part, not {folds}: 5 is usual")
    ordered, _ = _sort(rng, rows, classes)
    parts = [np.sort(ordered[start::folds]) for start in range(folds)]
    return tuple((np.setdiff1d(rows, part), part) for part in parts)


def join_split(split: Split) -> Split:
    """A split whose training rows are all rows; the validation rows have weight 1."""
    weight = split.weight_train
    if weight is not None:
        weight = np.concatenate([weight, np.ones(len(split.y_validation), np.float32)])
    return replace(
        split,
        x_train=map_arrays(lambda *parts: join_rows(parts), split.x_train, split.x_validation),
        y_train=np.concatenate([split.y_train, split.y_validation]),
        weight_train=weight,
    )
