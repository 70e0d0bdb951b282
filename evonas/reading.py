"""`read_data`: whatever a search is given as data, prepared. Imports no pandas before it is called."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.data.pieces import NUMBERS
from evonas.runs.origin import origin_of
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData

__all__ = ["read_data"]


def read_data(
    x: Any,
    y: Any,
    *,
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    seed: int = 0,
    folds: int | None = None,
    task: str | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    drop: Sequence[str] = (),
    numbers: str = "standard",
    as_given: bool = False,
) -> tuple[PreparedData, dict[str, Any]]:
    """The data of a search, prepared, and where they came from.

    Arguments are those of `search`; `folds` is its `cv`, `as_given` whether arrays stay as they are, for own models.
    """
    common: dict[str, Any] = {"seed": seed, "folds": folds, "task": task, "class_weight": class_weight}
    if numbers not in NUMBERS:
        raise InputError(f"numbers must be one of {', '.join(NUMBERS)}, not {numbers!r}: choose one")
    source: dict[str, Any] = {}
    if as_given and isinstance(y, str) and isinstance(x, (str, Path)) and Path(x).suffix == ".npz":
        from evonas.data.shaped import read_arrays

        source = {**origin_of(x), "target": y}
        x, y = read_arrays(x, y)
    if isinstance(y, str):
        from evonas.data.preparation import prepare_table
        from evonas.data.table import read_table

        if validation is not None or test is not None:
            raise InputError(
                "validation and test must be given with arrays x and y, not with a target's name: split y off"
            )
        if isinstance(x, (str, Path)):
            path, x = x, read_table(Path(x))
            source = {**origin_of(path), "target": y}
        return prepare_table(x, y, sample_weight=sample_weight, drop=drop, numbers=numbers, **common), source
    if drop:
        raise InputError(f"drop must be given with a target's name, not {list(drop)!r} with an array y: select x")
    from evonas.data.preparation import prepare_arrays
    from evonas.data.shaped import prepare_inputs

    as_given = as_given and not hasattr(x, "columns")
    prepare = prepare_inputs if as_given else partial(prepare_arrays, numbers=numbers)
    return prepare(x, y, validation=validation, test=test, sample_weight=sample_weight, **common), source
