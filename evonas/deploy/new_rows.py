"""Reading of new rows for the model of a run or a file. Imports pandas lazily."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.data import new_rows as reading
from evonas.data.encoding.preprocessor import ARRAY, Preparation
from evonas.data.new_rows import NewRows
from evonas.data.read_options import ReadOptions

if TYPE_CHECKING:
    from evonas.deploy.prediction import Predictor

__all__ = ["NewRows", "new_rows", "read_new_rows"]


def read_new_rows(path: Path, predictor: Predictor, options: ReadOptions | None = None) -> NewRows:
    """Reads rows from a path.

    Args:
        path: a folder of images, an image, a `.npz` file of arrays, or a table.
        predictor: the model, which determines their shape.
        options: format of a table.

    Raises:
        InputError: the path cannot be read, or does not fit the model.
    """
    preparation = preparation_of(predictor)
    return reading.read_new_rows(path, predictor.problem, preparation, _shape_of(predictor, preparation), options)


def new_rows(x: Any, predictor: Predictor, y: Any = None) -> NewRows:
    """Converts a table that contains its targets, or an array with a separate array of targets.

    Raises:
        InputError: there is not one target for each row.
    """
    return reading.new_rows(x, predictor.problem, preparation_of(predictor), y)


def preparation_of(predictor: Predictor) -> Preparation | None:
    """The preparation of a run's rows or of a file's series; None for other files, which contain it."""
    if predictor.series is not None:
        return predictor.series
    data = getattr(predictor.model, "_data", None)
    return None if data is None else data.preparation


def _shape_of(predictor: Predictor, preparation: Preparation | None) -> tuple[int | None, ...]:
    """Shape of one raw sample, None for a dimension of any size; empty for rows of a table."""
    if preparation is not None:
        return preparation.shape
    inputs: Any = getattr(predictor.model, "inputs", None) or ()
    return tuple(inputs[0].shape[1:]) if len(inputs) == 1 and inputs[0].name == ARRAY else ()
