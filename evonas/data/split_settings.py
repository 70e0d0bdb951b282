"""`SplitSettings`: how rows are split into parts, and `deal_rows`, which splits them. Used for tables, samples and
arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.sample_weights import ClassWeight
from evonas.data.splits import RowSplit, split_by_time, split_groups, split_rows
from evonas.data.target import Target
from genomes.errors import InputError

__all__ = ["SplitSettings", "check_rows", "deal_rows", "settings_json"]


@dataclass(frozen=True)
class SplitSettings:
    """How rows are split and weighted: the arguments of `prepare_arrays`."""

    seed: int
    test_share: float
    validation_share: float
    folds: int | None
    task: str | None
    class_weight: ClassWeight
    numbers: tuple[str, ...] = ("standard",)
    group: str = ""
    time_column: str = ""


def deal_rows(
    target: Target, settings: SplitSettings, sizes: Mapping[str, int], keys: NDArray[Any] | None = None
) -> RowSplit:
    """The rows of each part: given parts unchanged, the others split off the training rows.

    Args:
        target: target of all rows.
        settings: settings of the split.
        sizes: number of rows of each given part, in order.
        keys: group indices or times of the training rows, if they are split by these.
    """
    classes = np.zeros(len(target.values), dtype=np.intp) if target.task == "regression" else target.values
    ends = np.cumsum(list(sizes.values()))
    given = {part: np.arange(end - size, end) for (part, size), end in zip(sizes.items(), ends, strict=True)}
    training = given["training"]
    test = given.get("test", np.empty(0, dtype=np.intp))
    test_share = 0.0 if "test" in given else settings.test_share

    def dealt(validation_share: float, folds: int | None) -> RowSplit:
        shares: dict[str, Any] = {"test_share": test_share, "validation_share": validation_share}
        if keys is not None and settings.time_column:
            return split_by_time(keys, **shares)
        shares |= {"seed": settings.seed, "folds": folds}
        return split_rows(classes[training], **shares) if keys is None else split_groups(keys, **shares)

    if "validation" not in given:
        found = dealt(settings.validation_share, settings.folds)
        rows = RowSplit(found.splits, test if "test" in given else found.test)
    elif test_share:
        # A part that was split off but is given: its rows become training rows again.
        found = dealt((1 - test_share) / 2, None)
        rows = RowSplit(((found.known(), given["validation"]),), found.test)
    else:
        rows = RowSplit(((training, given["validation"]),), test)
    for train, _ in rows.splits:
        unseen = np.setdiff1d(classes, classes[train])
        if unseen.size:
            raise InputError(
                f"every class must have a training row, but {target.classes[unseen[0]]!r} has none: add rows to the "
                "training part, or leave out the class"
            )
    return rows


def settings_json(settings: SplitSettings, task: str, sizes: Mapping[str, int]) -> dict[str, Any]:
    """All settings that affect the encoding and the splits, as JSON values for the fingerprint."""
    about = asdict(settings) | {"task": task, "sizes": dict(sizes)}
    for name, usual in {"numbers": ("standard",), "group": "", "time_column": ""}.items():
        if about[name] == usual:
            del about[name]  # keeps the fingerprint of data prepared before the option existed
    if isinstance(settings.class_weight, Mapping):
        about["class_weight"] = {str(label): float(weight) for label, weight in settings.class_weight.items()}
    return about


def check_rows(count: int) -> None:
    """Raises InputError if there are too few rows to split."""
    if count < 2:
        raise InputError(
            f"data must have at least 3 rows, for training, validation and test, not {count}: add rows (a search is "
            "worth its time from some hundred on)"
        )
