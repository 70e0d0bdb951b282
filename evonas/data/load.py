"""`read_data`: prepares the data that are passed to a search. Imports pandas only when called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evonas.data.frames import is_table
from evonas.data.image_folder import check_folder_options, read_folders
from evonas.data.read_options import ReadOptions, Style, Table
from evonas.data.readers.datasets import is_dataset, read_dataset
from evonas.data.sample_kind import SampleOptions, chosen_architecture, kind_of_array, rank_of
from evonas.data.source import origin_of
from evonas.data.windows import overlap_note
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData

__all__ = ["read_data"]

#: Number of dimensions of an array of images.
_MOST_AXES = 4


def read_data(
    x: Any,
    y: Any = None,
    *,
    validation: Any = None,
    test: Any = None,
    seed: int = 0,
    folds: int | None = None,
    task: str | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    drop: Sequence[str] = (),
    numbers: Sequence[str] = ("standard",),
    roles: Mapping[str, str] | None = None,
    group: str = "",
    time_column: str = "",
    as_given: bool = False,
    size: Any = None,
    grayscale: bool = False,
    options: ReadOptions | None = None,
    samples: SampleOptions | None = None,
    steps: int | None = None,
) -> tuple[PreparedData, dict[str, Any]]:
    """Prepares the data of a search, and returns them with their source.

    Arguments are those of `search`, except: `folds` is its `cv`, `size` its `image_size`, `as_given` whether arrays are
    passed unchanged to user-defined models, `numbers` all numeric encodings that networks may see, `options` the format
    of files and text cells, `samples` the kind of the rows and the networks to use, `steps` the number of elements of a
    Dataset `x` to read.
    """
    options, asked = options or ReadOptions(), samples or SampleOptions()
    if as_given and asked != SampleOptions():
        raise InputError("architecture, series, series_id and split must be left out with build, whose models take x")
    y, drop, roles, group, time_column = _names(x, y, drop, roles, group, time_column)
    common: dict[str, Any] = {"seed": seed, "folds": folds, "task": task, "class_weight": class_weight}
    named: dict[str, Any] = {"drop": drop, "roles": roles, "group": group, "time_column": time_column}
    given = _SearchData(x, y, validation, test, sample_weight)
    if isinstance(x, (str, Path)) and Path(x).is_dir():
        shaped = not as_given and chosen_architecture("image", asked.architecture) != "dense"
        check_folder_options(asked, options, named)
        given = _read_folder(given, size, grayscale, as_given, shaped)
    elif size is not None or grayscale:
        raise InputError("image_size and grayscale must be given with a folder of images only: leave them out")
    elif is_dataset(x):
        given = _read_dataset(given, as_given, as_given or asked.architecture == "dense", steps)
    elif steps is not None:
        raise InputError(f"steps must be given with a Dataset only, not {steps!r}: leave it out")
    elif y is None:
        raise InputError(
            "y must be given, as an array or as the name of a column of x, unless x is a Dataset or a folder of "
            "images: name the target"
        )
    if isinstance(given.y, str) and isinstance(given.x, (str, Path)) and Path(given.x).suffix == ".npz":
        given = _read_array_file(given)
    if isinstance(given.y, str):
        data, about = _prepare_table(given, asked, options, numbers, named, common)
        return _note_absent_classes(data, given), about
    for name in ("drop", "roles", "group", "time_column"):
        if named[name]:
            raise InputError(
                f"{name} must be given with a table and a target's name, not {named[name]!r} with arrays: leave it out"
            )
    data = _prepare_arrays(given, asked, options, numbers, as_given, common)
    return _note_absent_classes(data, given), dict(given.source)


@dataclass(frozen=True)
class _SearchData:
    """The data of a search while they are being read: a table and a target's name, or arrays.

    Attributes:
        x, y, validation, test, sample_weight: as in `read_data`.
        source: source of the data.
        notes: messages for the user about how they were read.
    """

    x: Any
    y: Any
    validation: Any
    test: Any
    sample_weight: Any
    source: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _read_folder(given: _SearchData, size: Any, grayscale: bool, as_given: bool, shaped: bool) -> _SearchData:
    """Reads a folder of images and their classes."""
    folder = given.x
    if given.y is not None:
        raise InputError(f"target must not be given with a folder of images, {folder}: its subfolders are the classes")
    pair, validation, test, notes = read_folders(
        folder, given.validation, given.test, size, grayscale, as_given, shaped
    )
    source = {"path": str(folder), "absolute": str(Path(folder).absolute())}
    return _SearchData(*pair, validation, test, given.sample_weight, source, notes)


def _read_dataset(given: _SearchData, as_given: bool, in_memory: bool, steps: int | None) -> _SearchData:
    """Reads a Dataset, and those for validation and test."""
    if given.y is not None or given.sample_weight is not None:
        raise InputError("y and weights must not be given with a Dataset: its elements are (x, y[, weight])")
    x, y, sample_weight = _dataset_parts(given.x, "x", as_given, in_memory, steps)
    validation, test = (
        _dataset_parts(part, name, as_given, in_memory)[:2] if is_dataset(part) else part
        for name, part in {"validation": given.validation, "test": given.test}.items()
    )
    return replace(given, x=x, y=y, validation=validation, test=test, sample_weight=sample_weight)


def _read_array_file(given: _SearchData) -> _SearchData:
    """Reads the arrays of a .npz file; validation and test parts in it are used unless others are passed."""
    from evonas.data.prepare_inputs import named_parts, read_arrays

    x, y, inside = named_parts(*read_arrays(given.x, given.y), given.y)  # first, since it reports errors in the file
    return replace(
        given,
        x=x,
        y=y,
        validation=inside.get("validation") if given.validation is None else given.validation,
        test=inside.get("test") if given.test is None else given.test,
        source={**origin_of(given.x), "target": given.y},
    )


def _prepare_table(
    given: _SearchData,
    asked: SampleOptions,
    options: ReadOptions,
    numbers: Sequence[str],
    named: Mapping[str, Any],
    common: Mapping[str, Any],
) -> tuple[PreparedData, dict[str, Any]]:
    """Prepares a table whose target is one of its columns, and returns it with its source.

    Args:
        given: data to prepare.
        asked: options on the kind of the rows.
        options: format of files and text cells.
        numbers: numeric encodings.
        named: the arguments that name columns: "roles", "group", "time_column" and "drop".
        common: seed, folds, task and class weights.
    """
    from evonas.data.arrays import named_columns
    from evonas.data.long_series import number_columns
    from evonas.data.prepare import prepare_table
    from evonas.data.prepare_sample_table import image_path_note, sample_table

    table = _table(given.x, "x", options)  # first, since it reports errors in the file
    if table is None:
        raise InputError(f"x must be a table or its path when y names the target, {given.y!r}, not None: pass it")
    others = {
        part: _table(rows, part, options) for part, rows in {"validation": given.validation, "test": given.test}.items()
    }
    source: dict[str, Any] = {**origin_of(given.x), "target": given.y} if isinstance(given.x, (str, Path)) else {}
    tables = {"training": table} | {part: each for part, each in others.items() if each is not None}
    notes = [note for each in tables.values() for note in each.notes]
    rows = sample_table(tables, given.y, asked, **named, sample_weight=given.sample_weight)
    architecture = chosen_architecture(rows.kind, asked.architecture)
    if architecture != "dense":
        data = rows.prepare(sample_weight=given.sample_weight, **common)
        return _note_networks(data, rows.kind, architecture, notes), source
    if asked.series_id or asked.split:
        what = "series_id" if asked.series_id else "split"
        raise InputError(f"{what} must be given for networks over series, not dense ones: leave it out")
    if rows.kind == "series" and not named["time_column"] and not named["group"]:
        notes += overlap_note(number_columns(named_columns(table.frame), rows.features, table.style)[:, :, None])
    if rows.kind == "text":
        named = {**named, "roles": {rows.features[0]: "text"}}
    frames: dict[str, Any] = {part: None if other is None else other.frame for part, other in others.items()}
    how: dict[str, Any] = {"style": table.style, "absent": table.absent, "numbers": numbers}
    data = prepare_table(table.frame, given.y, sample_weight=given.sample_weight, **how, **named, **frames, **common)
    if "text" in (named["roles"] or {}).values() and len(rows.features) > 1:
        notes.append("the table has text and other columns: the text is encoded by its words, for dense networks")
    return replace(data, notes=(*notes, *image_path_note(table.frame), *data.notes)), source


def _prepare_arrays(
    given: _SearchData,
    asked: SampleOptions,
    options: ReadOptions,
    numbers: Sequence[str],
    as_given: bool,
    common: Mapping[str, Any],
) -> PreparedData:
    """Prepares arrays: rows, images, series, texts, or inputs of user-defined models."""
    from evonas.data.prepare import prepare_arrays
    from evonas.data.prepare_inputs import prepare_inputs
    from evonas.data.prepare_sample_table import text_column
    from evonas.data.series import as_series

    roles = None
    if not as_given and not asked.is_series:
        given = replace(given, x=text_column(given.x))
    if not as_given and (kind := kind_of_array(given.x, asked.is_series)) != "table":
        architecture = chosen_architecture(kind, asked.architecture)
        if architecture != "dense":
            parts = {"training": (given.x, given.y), "validation": given.validation, "test": given.test}
            samples = _prepare_sample_arrays(kind, parts, asked, sample_weight=given.sample_weight, **common)
            return _note_networks(samples, kind, architecture, given.notes)
        if kind == "series":
            given = replace(given, notes=(*given.notes, *overlap_note(as_series(given.x, "x"))))
        elif kind == "text":
            given, roles = _texts_as_tables(given)
    elif not as_given:
        chosen_architecture("table", asked.architecture)
    if asked.series_id or asked.split:
        raise InputError("series_id and split must be given for networks over series: leave them out")
    style = Style(options.decimal, options.thousands, options.date_order, options.decimal == ",")
    prepare: Any = partial(prepare_arrays, numbers=numbers, style=style, roles=roles)
    if as_given and not is_table(given.x):
        prepare = prepare_inputs
    parts = {"validation": given.validation, "test": given.test, "sample_weight": given.sample_weight}
    data: PreparedData = prepare(given.x, given.y, **parts, **common)
    flat = not as_given and rank_of(given.x) > _MOST_AXES
    about = "samples are neither images nor series: dense networks, which take each of their values as a column"
    notes = (*given.notes, *data.notes, *((about,) if flat else ()))
    return replace(data, notes=notes) if notes != data.notes else data


def _texts_as_tables(given: _SearchData) -> tuple[_SearchData, dict[str, str]]:
    """Lists of texts as the only columns of tables, for dense networks, and the column's role."""
    import pandas as pd

    from evonas.data.encoding.tokens import TEXT, as_texts

    name = str(getattr(given.x, "name", None) or TEXT)

    def table(x: Any, what: str) -> pd.DataFrame:
        return pd.DataFrame({name: as_texts(x, f"{what} x")})

    validation, test = (
        (table(pair[0], part), pair[1]) if isinstance(pair, (tuple, list)) and len(pair) == 2 else pair
        for part, pair in {"validation": given.validation, "test": given.test}.items()
    )
    return replace(given, x=table(given.x, "training"), validation=validation, test=test), {name: "text"}


def _prepare_sample_arrays(kind: str, parts: Mapping[str, Any], asked: SampleOptions, **common: Any) -> PreparedData:
    """Prepares arrays of images, series or texts."""
    from evonas.data.prepare_samples import prepare_samples, read_samples

    if asked.series_id:
        raise InputError(
            f"series_id must be given with a table and a target's name, not {asked.series_id!r} with arrays"
        )
    given: dict[str, tuple[Any, Any]] = {}
    for part, pair in parts.items():
        if pair is None:
            continue
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InputError(f"{part} must be a pair (x, y), not {type(pair).__name__}: pass both arrays")
        given[part] = (pair[0], pair[1])
    return prepare_samples(
        {part: read_samples(kind, x, f"{part} x") for part, (x, _) in given.items()},
        {part: y for part, (_, y) in given.items()},
        split=asked.split,
        few_in_folds=True,
        **common,
    )


def _note_networks(data: PreparedData, kind: str, architecture: str, notes: Sequence[str] = ()) -> PreparedData:
    """Adds a note to the data on the networks that take them, and why."""
    from evonas.data.encoding.samples import SamplePreparation

    preparation = data.preparation
    assert isinstance(preparation, SamplePreparation)
    dense = {"image": "each pixel as a column", "series": "each step as a column", "text": "the words that occur"}[kind]
    note = f"{preparation.describe()}: {architecture} networks (architecture dense takes {dense})"
    return replace(data, notes=(*notes, note, *data.notes))


def _note_absent_classes(data: PreparedData, given: _SearchData) -> PreparedData:
    """Adds a note for a validation or test part of the user that lacks classes, which its scores say nothing about."""
    notes = []
    parts = {"validation": (given.validation, data.splits[0].y_validation), "test": (given.test, data.y_test)}
    for part, (own, coded) in parts.items():
        if own is None or coded is None or not data.problem.classes:
            continue
        known = set(np.unique(coded).astype(int).tolist())
        absent = [repr(label) for index, label in enumerate(data.problem.classes) if index not in known]
        if absent:
            shown = ", ".join(absent[:3]) + ", ..." * (len(absent) > 3)
            notes.append(f"{part}: no row of the class{'es' * (len(absent) > 1)} {shown}")
    return replace(data, notes=(*data.notes, *notes)) if notes else data


def _dataset_parts(
    dataset: Any, what: str, as_given: bool, in_memory: bool, steps: int | None = None
) -> tuple[Any, Any, Any]:
    """Reads x, y and weights of a Dataset. Named columns form a table, unless a user-defined model takes numbers by
    name.
    """
    x, y, weight = read_dataset(dataset, what, steps=steps, in_memory=in_memory)
    if not isinstance(x, Mapping) or (as_given and all(array.dtype.kind in "biuf" for array in x.values())):
        return x, y, weight
    import pandas as pd

    columns = {name: array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array for name, array in x.items()}
    for name, array in columns.items():
        if array.ndim != 1:
            raise InputError(
                f"column {name!r} of {what} must hold one value per row, not values of shape {array.shape[1:]}: give "
                "each a separate name, or pass one array for all"
            )
    return pd.DataFrame(columns), y, weight


def _names(
    x: Any, y: Any, drop: Any, roles: Mapping[str, str] | None, group: str, time_column: str
) -> tuple[Any, Any, Mapping[str, str] | None, str, str]:
    """Column names as text, also if they are integers."""
    if (_is_whole(y) and (is_table(x) or isinstance(x, (str, Path)))) or _is_label_of(x, y):
        y = str(y)
    drop = [str(name) for name in ([drop] if isinstance(drop, str) or _is_whole(drop) else drop)]
    roles = None if roles is None else {str(name): role for name, role in roles.items()}
    group, time_column = ("" if name is None or name == "" else str(name) for name in (group, time_column))
    return y, drop, roles, group, time_column


def _is_whole(name: Any) -> bool:
    return isinstance(name, Integral) and not isinstance(name, bool)


def _is_label_of(x: Any, y: Any) -> bool:
    """Whether y is a column label of a pandas table, possibly a tuple or a date."""
    columns: Any = getattr(x, "columns", None)
    with suppress(TypeError):  # raised if y is an array
        return is_table(x) and hasattr(columns, "get_loc") and y in columns
    return False


def _table(given: Any, what: str, options: ReadOptions) -> Table | None:
    """Reads a table that is passed as such or as the path of a file; None stays None."""
    if isinstance(given, Table):
        return given
    if isinstance(given, (str, Path)):
        from evonas.data.readers.files import read_any

        return read_any(given, options)
    if given is not None and not is_table(given):
        raise InputError(
            f"{what} must be a table or its path when y names the target, not a {type(given).__name__}: pass x "
            "and y as arrays, or a DataFrame"
        )
    if given is None:
        return None
    from evonas.data.frames import as_frame

    style = Style(options.decimal, options.thousands, options.date_order, options.decimal == ",")
    return Table(as_frame(given, what), style=style)
