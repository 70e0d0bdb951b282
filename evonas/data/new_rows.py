"""New rows for a model, from a table, a folder of images, or a file of arrays. Imports pandas lazily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.preprocessor import Preparation
from evonas.data.encoding.series import SeriesPreparation
from evonas.data.image_folder import check_reading
from evonas.data.prepared import Problem
from evonas.data.read_options import ReadOptions
from evonas.data.readers.image_files import ENDINGS
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NewRows", "new_rows", "read_new_rows"]


@dataclass(frozen=True, eq=False)
class NewRows:
    """Rows to predict.

    Attributes:
        x: inputs of the model: a table, an array, or a list of images of several sizes.
        targets: a table with the targets, one row per sample, if known.
        names: identifiers of samples, column -> values: file names of images, ids of series.
    """

    x: Any
    targets: pd.DataFrame
    names: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.targets)


def read_new_rows(
    path: Path,
    problem: Problem,
    preparation: Preparation | None,
    shape: tuple[int | None, ...],
    options: ReadOptions | None = None,
) -> NewRows:
    """Reads rows from a path.

    Args:
        path: a folder of images, an image, a `.npz` file of arrays, or a table.
        problem: of the model.
        preparation: of the model's rows, if it is known.
        shape: shape of one raw sample, None for a dimension of any size; empty for rows of a table.
        options: format of a table.

    Raises:
        InputError: the path cannot be read, or does not fit the model.
    """
    is_image = path.is_dir() or (path.suffix.lower() in ENDINGS and path.is_file())
    if options is not None and (is_image or path.suffix == ".npz"):
        check_reading(options, "images" if is_image else "arrays")
    if is_image:
        return _images(path, shape, problem)
    if path.suffix == ".npz":
        return _arrays(path, shape, problem)
    from evonas.data.readers.files import read_any

    return new_rows(read_any(path, options).frame, problem, preparation)


def new_rows(x: Any, problem: Problem, preparation: Preparation | None, y: Any = None) -> NewRows:
    """Converts a table that contains its targets, or an array with a separate array of targets.

    Args:
        x: the rows.
        problem: of the model.
        preparation: of the model's rows, if it is known.
        y: the targets, if they are separate.

    Raises:
        InputError: there is not one target for each row.
    """
    import pandas as pd

    from evonas.data.frames import as_frame, is_table

    if not is_table(x):
        return NewRows(x, _target_table(y, len(x), problem))
    frame = as_frame(x, "x")
    if y is not None:
        frame = frame.assign(**_target_table(y, len(frame), problem))
    if not isinstance(preparation, SeriesPreparation) or not preparation.series_id:
        return NewRows(frame, frame)
    from evonas.data.arrays import check_column, named_columns

    frame = named_columns(frame)
    check_column(frame, preparation.series_id, "series id")
    known = [name for name in problem.target_names if name in frame.columns]
    values, kept = preparation.read_long(frame, [preparation.series_id, *known])
    return NewRows(values, pd.DataFrame(kept[known]), {preparation.series_id: kept[preparation.series_id].tolist()})


def _images(place: Path, shape: tuple[int | None, ...], problem: Problem) -> NewRows:
    from evonas.data.readers.images import read_new_images

    if len(shape) != 3:
        what = "a folder of images" if place.is_dir() else "an image"
        raise InputError(f"{what} must be used with a model of images, not with this one: give no {place}")
    size = None if shape[0] is None or shape[1] is None else (shape[0], shape[1])
    pixels, files, labels = read_new_images(place, size, shape[2] or 3)
    targets = _target_table(labels if all(labels) else None, len(files), problem)
    return NewRows(pixels, targets, {"file": files})


def _arrays(path: Path, shape: tuple[int | None, ...], problem: Problem) -> NewRows:
    from evonas.data.readers.csv import check_file
    from evonas.io.npz import read_compressed_arrays

    check_file(path)
    try:
        arrays = dict(read_compressed_arrays(path))
    except (OSError, ValueError) as error:
        raise InputError(f"rows must be an .npz file of arrays of numbers or text, not {path}: {error}") from None
    fitting = {name: array for name, array in arrays.items() if _fits(array, shape)}
    name = next((name for name in ("x_test", "x_new", "x") if name in fitting), next(iter(fitting), ""))
    if not name or (len(fitting) > 1 and name not in ("x_test", "x_new", "x")):
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        wanted = " x ".join("any" if size is None else str(size) for size in shape) or "columns"
        raise InputError(f"{path} must hold one array x of rows of {wanted}, not {found:.200}: name it x")
    x = fitting[name]
    labels = [f"y{name[1:]}" if name.startswith("x") else "y", *problem.target_names]
    y = next((arrays[label] for label in labels if label in arrays and len(arrays[label]) == len(x)), None)
    return NewRows(x, _target_table(y, len(x), problem))


def _fits(array: NDArray[Any], shape: tuple[int | None, ...]) -> bool:
    if not shape:
        return array.ndim == 2
    wanted = [shape, *([shape[:2]] if len(shape) == 3 and shape[2] == 1 else [])]
    return any(
        array.ndim == len(each) + 1
        and all(size in (None, given) for size, given in zip(each, array.shape[1:], strict=True))
        for each in wanted
    )


def _target_table(y: Any, count: int, problem: Problem) -> pd.DataFrame:
    """A table of the targets, without columns if there are none."""
    import pandas as pd

    if y is None:
        return pd.DataFrame(index=range(count))
    cells = np.asarray(y)
    cells = cells[:, None] if cells.ndim == 1 else cells
    names = problem.target_names or tuple(f"y{index}" for index in range(cells.shape[1]))
    if cells.shape != (count, len(names)):
        raise InputError(f"y must have a target for each of {count} rows, not the shape {cells.shape}: pass as many")
    return pd.DataFrame({name: cells[:, index] for index, name in enumerate(names)})
