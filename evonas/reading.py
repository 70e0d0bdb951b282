"""`read_data`: whatever a search is given as data, prepared. Imports no pandas before it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    validation: Any = None,
    test: Any = None,
    seed: int = 0,
    folds: int | None = None,
    task: str | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    drop: Sequence[str] = (),
    numbers: str = "standard",
    roles: Mapping[str, str] | None = None,
    group: str = "",
    time_column: str = "",
    as_given: bool = False,
) -> tuple[PreparedData, dict[str, Any]]:
    """The data of a search, prepared, and where they came from.

    Arguments are those of `search`; `folds` is its `cv`, `as_given` whether arrays stay as they are, for own models.
    """
    common: dict[str, Any] = {"seed": seed, "folds": folds, "task": task, "class_weight": class_weight}
    if numbers not in NUMBERS:
        raise InputError(f"numbers must be one of {', '.join(NUMBERS)}, not {numbers!r}: choose one")
    source: dict[str, Any] = {}
    if isinstance(y, str) and isinstance(x, (str, Path)) and Path(x).suffix == ".npz":
        from evonas.data.shaped import read_arrays

        path, name = x, y
        x, y = read_arrays(x, y)  # first: it says what is wrong with the file
        source = {**origin_of(path), "target": name}
    if isinstance(y, str):
        from evonas.data.preparation import prepare_table

        table = _table(x, "x")  # first: it says what is wrong with the file
        if isinstance(x, (str, Path)):
            source = {**origin_of(x), "target": y}
        options: dict[str, Any] = {
            "roles": roles,
            "group": group,
            "time_column": time_column,
            "drop": drop,
            "numbers": numbers,
        }
        options |= {"validation": _table(validation, "validation"), "test": _table(test, "test")}
        return prepare_table(table, y, sample_weight=sample_weight, **options, **common), source
    for name, value in {"drop": drop, "roles": roles, "group": group, "time_column": time_column}.items():
        if value:
            raise InputError(f"{name} must be given with a target's name, not {value!r} with an array y: select x")
    from evonas.data.preparation import prepare_arrays
    from evonas.data.shaped import prepare_inputs

    as_given = as_given and not hasattr(x, "columns")
    if not as_given and getattr(x, "ndim", 2) > 2:
        x, validation, test = _flat(x), _flat_pair(validation), _flat_pair(test)
    prepare = prepare_inputs if as_given else partial(prepare_arrays, numbers=numbers)
    return prepare(x, y, validation=validation, test=test, sample_weight=sample_weight, **common), source


def _table(given: Any, what: str) -> Any:
    """A table that is given as such or as the path of a file; None stays None."""
    if isinstance(given, (str, Path)):
        from evonas.data.files import read_file

        return read_file(given)
    if given is not None and not hasattr(given, "columns"):
        raise InputError(
            f"{what} must be a table or the path of one beside a target's name, not a {type(given).__name__}: pass x "
            "and y as arrays, or a DataFrame"
        )
    return given


def _flat(x: Any) -> Any:
    """Each row of an array of any shape as one line of numbers."""
    return x.reshape(len(x), -1)


def _flat_pair(pair: Any) -> Any:
    return (_flat(pair[0]), pair[1]) if isinstance(pair, (tuple, list)) and getattr(pair[0], "ndim", 2) > 2 else pair
