"""Prediction and scoring of new rows with the final model of a run or with an exported `.keras` file.

A run of evonas's own networks needs no Keras. A file does, and is checked before it is opened.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.preprocessor import ARRAY, input_name
from evonas.data.prepared import Problem, labels_of
from evonas.data.quantiles import quantile_names
from evonas.io.npz import open_plain
from genomes.codec import MAX_BYTES, parse_json
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from evonas.data.encoding.series import SeriesPreparation
    from evonas.training.export.description import Description

__all__ = [
    "Predictor",
    "code_target",
    "prediction_table",
    "predictor_of_file",
    "raw_from_predictions",
    "score_table",
]

Array = NDArray[np.float64]
_TINY = 1e-15
_ROWS_AT_A_TIME = 8192


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model for prediction.

    Attributes:
        problem: its problem; classes may be unknown.
        model: a `SearchResult`, or a `keras.Model` that takes raw columns.
        columns: input of the model -> column of the table, as far as known.
        series: how series are read from a table or an array, for a file whose model takes series; otherwise None.
    """

    problem: Problem
    model: Any
    columns: Mapping[str, str] = field(default_factory=dict)
    series: SeriesPreparation | None = None

    def outputs(self, rows: Any) -> Array:
        """Predictions in the target's units, `(rows, targets)`, or class probabilities, `(rows, classes)`."""
        if not len(rows):
            raise InputError("table to predict must have at least one row, but has none: add rows")
        found = np.asarray(self._of_file(rows) if hasattr(self.model, "layers") else self.model._outputs(rows))
        found = found.reshape(len(found), -1).astype(np.float64)
        if self.problem.task == "binary" and found.shape[1] == 1:
            found = np.concatenate([1.0 - found, found], axis=1)
        return found

    def _of_file(self, rows: Any) -> Any:
        if self.series is None and isinstance(rows, list):
            return self._of_sizes(rows)
        inputs = _inputs_of_file(self.model, rows, self.columns) if self.series is None else self.series.inputs(rows)
        outputs = self.model.predict(inputs, batch_size=_ROWS_AT_A_TIME, verbose=0)
        if not isinstance(outputs, Mapping):
            return outputs
        if self.problem.quantiles:
            return np.concatenate([np.asarray(outputs[name]) for name in quantile_names(self.problem)], axis=1)
        return outputs["probability"]

    def _of_sizes(self, images: list[NDArray[Any]]) -> Array:
        """Predictions for images of several sizes, those of one size together."""
        places: dict[tuple[int, ...], list[int]] = {}
        for row, image in enumerate(images):
            places.setdefault(image.shape, []).append(row)
        parts = [(rows, self._of_file(np.stack([images[row] for row in rows]))) for rows in places.values()]
        found = np.empty((len(images), *parts[0][1].shape[1:]))
        for rows, part in parts:
            found[rows] = part
        return found


def predictor_of_file(path: Path) -> Predictor:
    """The predictor of a `.keras` file of evonas. Classes and columns are in the file, or in the card of older files.

    Raises:
        InputError: the file is not a `.keras` file of evonas.
    """
    if not path.exists():
        raise InputError(f"model must be an existing run directory or .keras file, not {str(path)!r}: correct the path")
    if path.suffix != ".keras":
        raise InputError(f"model must be a run directory or a .keras file, not {path}: export one as best.keras")
    from evonas.training.export.description import description_of
    from evonas.training.export.keras_file import load_keras_file

    model, card = load_keras_file(path), _card_of(path)
    found = description_of(path)
    series = None if found is None or not _takes(model, found.series) else found.series
    columns = _columns_of_card(card) if found is None else found.columns
    return Predictor(_problem_of_file(found or _description_of_card(card), model), model, columns, series)


def prediction_table(predictor: Predictor, rows: Any, names: Mapping[str, Sequence[Any]] | None = None) -> pd.DataFrame:
    """Predicts one line per row of the table or sample of the array, in order.

    Args:
        predictor: the model.
        rows: a table, or an array.
        names: leading columns that identify samples; "_" is appended to a name that is taken.

    Returns:
        For a regression, a column for each target, or for each quantile, `quantile_0.1`; for classes, `label`, and
        `probability_CLASS` for each class.
    """
    import pandas as pd

    problem, outputs = predictor.problem, predictor.outputs(rows)
    columns: dict[str, Any] = {}
    if problem.task == "regression":
        targets = quantile_names(problem) if problem.quantiles else problem.target_names
        targets = targets or tuple(f"y{index}" for index in range(outputs.shape[1]))
        columns |= zip(targets, outputs.T, strict=True)
    else:
        labels = labels_of(problem) if problem.classes else np.arange(outputs.shape[1])
        columns["label"] = labels[outputs.argmax(axis=1)]
        columns |= {f"probability_{label}": outputs[:, index] for index, label in enumerate(labels)}
    front: dict[str, Any] = {}
    for name, values in (names or {}).items():
        while name in columns or name in front:  # such as series identified by a column "label"
            name += "_"
        front[name] = values
    return pd.DataFrame(front | columns)


def score_table(predictor: Predictor, rows: Any, targets: pd.DataFrame | None = None) -> dict[str, float]:
    """Every metric of the task on labelled rows.

    Args:
        predictor: the model.
        rows: a table with the required columns, or an array.
        targets: a table with the targets; the rows themselves when None.

    Raises:
        InputError: a target is missing, or holds a label that the search did not see.
    """
    from evonas.metrics.problem_scores import compute_scores

    problem = predictor.problem
    coded = code_target(problem, rows if targets is None else targets)
    raw = raw_from_predictions(problem, predictor.outputs(rows))
    found = compute_scores(problem, coded, raw)
    if not found:
        raise InputError("predictions must be finite to be scored, but they are not: inspect them with predict")
    return found


def code_target(problem: Problem, rows: pd.DataFrame) -> NDArray[Any]:
    """Encodes the targets of a table for scoring: standardised numbers or class numbers.

    Raises:
        InputError: as in `score_table`.
    """
    names = problem.target_names
    absent = [name for name in names if name not in rows.columns]
    if absent or not names:
        raise InputError(
            f"table must have the target {', '.join(map(repr, absent)) or 'of the search'} to be scored, but it has "
            f"not: add the column, or predict only"
        )
    if problem.task != "regression":
        return _code_labels(problem, rows[names[0]])
    from evonas.data.cells import kind_of, numbers
    from evonas.data.read_options import Style
    from evonas.data.written import convert_column, detect_notation

    columns = []
    for name in names:
        column = rows[name]
        if kind_of(column) != "number" and (written := detect_notation(column, Style(), "numeric")) is not None:
            column = convert_column(column, written)
        columns.append(numbers(column))
    values = np.stack(columns, axis=1)
    if np.isnan(values).any():
        raise InputError(f"target {names[0]!r} must have a value in every row to be scored: leave out rows without one")
    return np.asarray((values - np.array(problem.target_mean)) / np.array(problem.target_std))


def raw_from_predictions(problem: Problem, outputs: Array) -> Array:
    """Raw outputs that correspond to predictions: standardised numbers or logits, as used for scores."""
    if problem.task == "regression":
        return np.asarray((outputs - np.array(problem.target_mean)) / np.array(problem.target_std))
    likely = np.clip(outputs, _TINY, None)
    return np.log(likely[:, 1:] / likely[:, :1]) if problem.task == "binary" else np.log(likely)


def _code_labels(problem: Problem, column: pd.Series[Any]) -> NDArray[np.intp]:
    from evonas.data.cells import as_text, flags, numbers, texts

    if problem.label_type in ("integer", "number"):
        values = numbers(column)
        whole = problem.label_type == "integer"
        given = ["" if np.isnan(v) else str(int(v)) if whole else as_text(v) for v in values]
    elif problem.label_type == "boolean":
        given = ["" if np.isnan(v) else str(v == 1) for v in flags(column)]
    else:
        given = [cell or "" for cell in texts(column)]
    places = {name: index for index, name in enumerate(problem.classes)}
    unknown = sorted({label for label in given if label not in places})
    if unknown:
        what = "no label" if unknown == [""] else f"the label {unknown[-1]!r}"
        raise InputError(
            f"target {column.name!r} must hold classes that the search saw ({', '.join(problem.classes[:5])}"
            f"{', ...' * (len(problem.classes) > 5)}), but a row has {what}: leave such rows out"
        )
    return np.array([places[label] for label in given], np.intp)


def _card_of(path: Path) -> Any:
    """Reads the card next to a file; None if there is no valid one."""
    place = path.with_name(path.name + ".card.json")
    with suppress(OSError, ValueError), open_plain(place) as file:
        return parse_json(file.read(MAX_BYTES + 1).decode(), str(place))
    return {}


def _columns_of_card(card: Any) -> dict[str, str]:
    """Input -> column, for files of older versions that do not contain this."""
    with suppress(KeyError, TypeError):
        return {str(each["name"]): str(each["column"]) for each in card["model"]["inputs"]}
    return {}


def _takes(model: Any, series: SeriesPreparation | None) -> bool:
    """Whether a file's model takes the series in its description."""
    inputs = model.inputs
    return series is not None and len(inputs) == 1 and tuple(inputs[0].shape[1:]) == series.shape


def _problem_of_file(found: Description | None, model: Any) -> Problem:
    """The problem of a file, from its description, its card, or its outputs."""
    outputs = model.output
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    task = "regression"
    if quantiles := _quantiles_of(outputs):
        shape: Any = (None, len(quantiles))
    else:
        shape = (outputs["probability"] if isinstance(outputs, Mapping) else outputs).shape
    width = int(shape[-1]) if len(shape) > 1 else 1
    if isinstance(outputs, Mapping) and not quantiles:
        task = "binary" if width == 1 else "multiclass"
    if found is not None:
        task, classes, names = found.task, found.classes, found.targets
    count = {"binary": 2, "multiclass": width}.get(task, 0)
    known = Problem(task, 0, width, (0.0,) * width, (1.0,) * width, classes, (), names, quantiles=quantiles)
    if found is None or len(classes) not in (0, count):
        return replace(known, classes=())
    return replace(known, label_type=found.label_type)


def _description_of_card(card: Any) -> Description | None:
    """The description in the card next to a file, for files of older versions without one."""
    from evonas.training.export.description import Description

    with suppress(KeyError, TypeError):
        data = card["data"]
        if data["task"] in ("regression", "binary", "multiclass"):
            return Description(data["task"], tuple(map(str, data["targets"])), tuple(map(str, data["classes"])))
    return None


def _array_of_file(model: Any, rows: NDArray[Any]) -> Any:
    inputs = model.inputs
    if len(inputs) != 1 or inputs[0].name != ARRAY:
        raise InputError("rows must be a table with the model's columns, not an array: pass a table")
    wanted = tuple(inputs[0].shape[1:])
    rows = rows[..., None] if rows.ndim == len(wanted) else rows
    given = rows.shape[1:]
    if len(given) != len(wanted) or any(size not in (None, each) for size, each in zip(wanted, given, strict=True)):
        raise InputError(f"rows must have the shape {wanted} that the model takes, not {given}: resize or reshape them")
    return rows.astype(np.float32)


def _quantiles_of(outputs: Any) -> tuple[float, ...]:
    """The quantiles in the names of a file's outputs; empty if they are not quantiles."""
    if not isinstance(outputs, Mapping) or "probability" in outputs:
        return ()
    try:
        return tuple(sorted(float(str(name).removeprefix("quantile_")) for name in outputs))
    except ValueError:
        return ()


def _column_of(name: str, rows: pd.DataFrame, known: Mapping[str, str]) -> pd.Series[Any]:
    """The column for an input: from the card, or the one that `Preparation.input_names` maps to it.

    Raises:
        InputError: there is no such column, or it is ambiguous.
    """
    columns = {str(label): label for label in rows.columns}
    found = [known[name]] if name in known else [each for each in columns if input_name(each) == name]
    if not found:  # names that collide with other inputs or are reserved have "_" appended
        found = [each for each in columns if re.fullmatch(re.escape(each.replace("/", "_")) + "_+", name)]
    if len(found) > 1:
        raise InputError(
            f"table must have one column for the model's input {name!r}, not {', '.join(map(repr, found[:5]))}: keep "
            "the card (.card.json), which names it, next to the file, or predict with the run directory"
        )
    if not found or found[0] not in columns:
        raise InputError(f"table must have the column {(found or [name])[0]!r}, which the model takes: add it")
    return rows[columns[found[0]]]


def _inputs_of_file(model: Any, rows: Any, known: Mapping[str, str]) -> Any:
    """The columns of a model by input name; or one array of all columns; an array is unchanged."""
    if isinstance(rows, np.ndarray):
        return _array_of_file(model, rows)
    from evonas.data.cells import numbers, texts

    inputs = model.inputs
    if len(inputs) == 1 and inputs[0].name == ARRAY:
        shape = tuple(inputs[0].shape[1:])
        columns = [numbers(rows[name]) for name in rows.columns]
        if None in shape or len(columns) != math.prod(shape):
            wanted = " x ".join("any" if size is None else str(size) for size in shape)
            raise InputError(
                f"table must have a column for each number of a row of {wanted}, not {len(columns)} columns: leave out "
                "all others, or predict with the run directory"
            )
        return np.stack(columns, axis=1).astype(np.float32).reshape(len(rows), *shape)
    found = {}
    for each in inputs:
        column = _column_of(each.name, rows, known)
        text = each.dtype == "string"
        found[each.name] = (
            np.array([cell or "" for cell in texts(column)], object) if text else numbers(column).astype(np.float32)
        )
    return found
