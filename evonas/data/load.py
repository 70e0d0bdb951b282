"""`read_data`: whatever a search is given as data, prepared. Imports no pandas before it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.data.frames import is_table
from evonas.data.readers.datasets import is_dataset, read_dataset
from evonas.data.readers.options import ReadOptions, Style, Table
from evonas.data.sample_kind import SampleOptions, chosen_architecture, kind_of_array
from evonas.data.source import origin_of
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData

__all__ = ["read_data"]


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
    """The data of a search, prepared, and where they came from.

    Arguments are those of `search`; `folds` is its `cv`, `size` its `image_size`, `as_given` whether arrays stay as
    they are, for own models, `numbers` all forms of numbers that networks may see, `options` how files and text cells
    are written, `samples` what rows are, and which networks are to take them, `steps` how many elements of a
    Dataset `x` are read.
    """
    options, asked = options or ReadOptions(), samples or SampleOptions()
    if as_given and asked != SampleOptions():
        raise InputError("architecture, series, series_id and split must be left out with build, whose models take x")
    y, drop, roles, group, time_column = _names(x, y, drop, roles, group, time_column)
    common: dict[str, Any] = {"seed": seed, "folds": folds, "task": task, "class_weight": class_weight}
    source: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    folder = isinstance(x, (str, Path)) and Path(x).is_dir()
    if folder and y is not None:
        raise InputError(f"target must not be given with a folder of images, {x}: its sub-folders are the classes")
    if (size is not None or grayscale) and not folder:
        raise InputError("image_size and grayscale must be given with a folder of images only: leave them out")
    if folder:
        source = {"path": str(x), "absolute": str(Path(x).absolute())}
        shaped = not as_given and chosen_architecture("image", asked.architecture) != "dense"
        (x, y), validation, test, notes = _images(x, validation, test, size, grayscale, as_given, shaped)
    elif is_dataset(x):
        if y is not None or sample_weight is not None:
            raise InputError("y and weights must not be given with a Dataset: its elements are (x, y[, weight])")
        in_memory = as_given or asked.architecture == "dense"
        x, y, sample_weight = _rows_of(x, "x", as_given, in_memory, steps)
        validation, test = (
            _rows_of(given, part, as_given, in_memory)[:2] if is_dataset(given) else given
            for part, given in {"validation": validation, "test": test}.items()
        )
    elif steps is not None:
        raise InputError(f"steps must be given with a Dataset only, not {steps!r}: leave it out")
    elif y is None:
        raise InputError(
            "y must be given, as an array or as the name of a column of x, unless x is a Dataset or a folder of "
            "images: name the target"
        )
    if isinstance(y, str) and isinstance(x, (str, Path)) and Path(x).suffix == ".npz":
        from evonas.data.prepare_inputs import named_parts, read_arrays

        path, name = x, y
        x, y, inside = named_parts(*read_arrays(x, y), y)  # first: it says what is wrong with the file
        validation = inside.get("validation") if validation is None else validation
        test = inside.get("test") if test is None else test
        source = {**origin_of(path), "target": name}
    if isinstance(y, str):
        from evonas.data.prepare import prepare_table
        from evonas.data.prepare_sample_table import image_path_note, sample_table

        table = _table(x, "x", options)  # first: it says what is wrong with the file
        if table is None:
            raise InputError(f"x must be a table or its path when y names the target, {y!r}, not None: pass it")
        others = {
            part: _table(given, part, options) for part, given in {"validation": validation, "test": test}.items()
        }
        if isinstance(x, (str, Path)):
            source = {**origin_of(x), "target": y}
        given: dict[str, Any] = {"roles": roles, "group": group, "time_column": time_column, "drop": drop}
        read = [note for each in (table, *others.values()) if each is not None for note in each.notes]
        tables = {"training": table} | {part: each for part, each in others.items() if each is not None}
        rows = sample_table(tables, y, asked, **given, sample_weight=sample_weight)
        architecture = chosen_architecture(rows.kind, asked.architecture)
        if architecture != "dense":
            data = rows.prepare(sample_weight=sample_weight, **common)
            return _said(data, rows.kind, architecture, read), source
        if asked.series_id or asked.split:
            what = "series_id" if asked.series_id else "split"
            raise InputError(f"{what} must be given for networks over series, not dense ones: leave it out")
        given |= {part: None if other is None else other.frame for part, other in others.items()} | {"numbers": numbers}
        data = prepare_table(
            table.frame, y, sample_weight=sample_weight, style=table.style, absent=table.absent, **given, **common
        )
        if "text" in (roles or {}).values() and len(rows.features) > 1:
            read.append("the table has text and other columns: the text is encoded by its words, for dense networks")
        return replace(data, notes=(*read, *image_path_note(table.frame), *data.notes)), source
    for name, value in {"drop": drop, "roles": roles, "group": group, "time_column": time_column}.items():
        if value:
            raise InputError(f"{name} must be given with a target's name, not {value!r} with an array y: select x")
    from evonas.data.prepare import prepare_arrays
    from evonas.data.prepare_inputs import prepare_inputs

    if not as_given and (kind := kind_of_array(x, asked.is_series)) != "table":
        architecture = chosen_architecture(kind, asked.architecture)
        if architecture != "dense":
            parts = {"training": (x, y), "validation": validation, "test": test}
            data = _of_samples(kind, parts, asked, sample_weight=sample_weight, **common)
            return _said(data, kind, architecture, notes), source
        if kind == "text":
            raise InputError("texts for dense networks must be a column of a table, by its name in roles: pass a table")
    elif not as_given:
        chosen_architecture("table", asked.architecture)
    if asked.series_id or asked.split:
        raise InputError("series_id and split must be given for networks over series: leave them out")
    as_given = as_given and not is_table(x)
    style = Style(options.decimal, options.thousands, options.date_order, options.decimal == ",")
    prepare = prepare_inputs if as_given else partial(prepare_arrays, numbers=numbers, style=style)
    data = prepare(x, y, validation=validation, test=test, sample_weight=sample_weight, **common)
    return replace(data, notes=(*notes, *data.notes)) if notes else data, source


def _of_samples(kind: str, parts: Mapping[str, Any], asked: SampleOptions, **common: Any) -> PreparedData:
    """Arrays of images, series or texts, prepared."""
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


def _said(data: PreparedData, kind: str, architecture: str, notes: Sequence[str] = ()) -> PreparedData:
    """The data, with a note on which networks take them and why."""
    from evonas.data.encoding.samples import SamplePreparation

    preparation = data.preparation
    assert isinstance(preparation, SamplePreparation)
    dense = {"image": "each pixel as a column", "series": "each step as a column", "text": "the words that occur"}[kind]
    note = f"{preparation.describe()}: {architecture} networks (architecture dense takes {dense})"
    return replace(data, notes=(*notes, note, *data.notes))


def _images(
    folder: str | Path, validation: Any, test: Any, size: Any, grayscale: bool, as_given: bool, shaped: bool
) -> tuple[tuple[Any, Any], Any, Any, tuple[str, ...]]:
    """Pixels and classes of the training images, and of the others in the same size; and what is said of them."""
    from evonas.data.readers.images import image_size, read_image_folder, read_images

    found = read_image_folder(folder, image_size(size), grayscale, as_given, shaped=shaped)
    shape = found.pixels.shape[1:]

    def part(given: Any) -> Any:
        if not isinstance(given, (str, Path)):
            return given
        return read_images(given, (shape[0], shape[1]), channels=shape[2])

    return (found.pixels, found.classes), part(validation), part(test), found.notes


def _rows_of(
    dataset: Any, what: str, as_given: bool, in_memory: bool, steps: int | None = None
) -> tuple[Any, Any, Any]:
    """x, y and weights of a Dataset. Columns by name are a table, unless a model of one's own takes numbers by name."""
    x, y, weight = read_dataset(dataset, what, steps=steps, in_memory=in_memory)
    if not isinstance(x, Mapping) or (as_given and all(array.dtype.kind in "biuf" for array in x.values())):
        return x, y, weight
    import pandas as pd

    columns = {name: array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array for name, array in x.items()}
    for name, array in columns.items():
        if array.ndim != 1:
            raise InputError(
                f"column {name!r} of {what} must hold one value a row, not values of shape {array.shape[1:]}: give "
                "each a name of its own, or one array for all"
            )
    return pd.DataFrame(columns), y, weight


def _names(
    x: Any, y: Any, drop: Any, roles: Mapping[str, str] | None, group: str, time_column: str
) -> tuple[Any, Any, Mapping[str, str] | None, str, str]:
    """Names of columns as text, also where they are whole numbers."""
    if (_is_whole(y) and (is_table(x) or isinstance(x, (str, Path)))) or _is_label_of(x, y):
        y = str(y)
    drop = [str(name) for name in ([drop] if isinstance(drop, str) or _is_whole(drop) else drop)]
    roles = None if roles is None else {str(name): role for name, role in roles.items()}
    group, time_column = ("" if name is None or name == "" else str(name) for name in (group, time_column))
    return y, drop, roles, group, time_column


def _is_whole(name: Any) -> bool:
    return isinstance(name, Integral) and not isinstance(name, bool)


def _is_label_of(x: Any, y: Any) -> bool:
    """Whether y is what a pandas table calls one of its columns, be it a tuple or a date."""
    columns: Any = getattr(x, "columns", None)
    with suppress(TypeError):  # an array cannot be a label
        return is_table(x) and hasattr(columns, "get_loc") and y in columns
    return False


def _table(given: Any, what: str, options: ReadOptions) -> Table | None:
    """A table that is given as such or as the path of a file; None stays None."""
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
