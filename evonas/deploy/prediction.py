"""Predicting new rows and scoring labelled ones, by the best network of a run or by an exported `.keras` file.

A run of evonas's own networks needs no Keras; a file does, and is opened through the one door that checks it first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.preprocessor import ARRAY
from evonas.data.prepared import Problem, labels_of
from evonas.data.quantiles import quantile_names
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
    """What predicts.

    Attributes:
        problem: what is predicted; its classes may be unknown.
        model: a `SearchResult`, or a `keras.Model` from raw columns.
        series: of a file whose model takes series, how they are read of a table or an array; else None.
    """

    problem: Problem
    model: Any
    series: SeriesPreparation | None = None

    def outputs(self, rows: Any) -> Array:
        """In the target's units `(num_rows, num_targets)`, or probabilities of each class `(num_rows, num_classes)`."""
        if not len(rows):
            raise InputError("table to predict must have at least one row, not none: give some")
        found = np.asarray(self._of_file(rows) if hasattr(self.model, "layers") else self.model._outputs(rows))
        found = found.reshape(len(found), -1).astype(np.float64)
        if self.problem.task == "binary" and found.shape[1] == 1:
            found = np.concatenate([1.0 - found, found], axis=1)
        return found

    def _of_file(self, rows: Any) -> Any:
        inputs = _inputs_of_file(self.model, rows) if self.series is None else self.series.inputs(rows)
        outputs = self.model.predict(inputs, batch_size=_ROWS_AT_A_TIME, verbose=0)
        if not isinstance(outputs, Mapping):
            return outputs
        if self.problem.quantiles:
            return np.concatenate([np.asarray(outputs[name]) for name in quantile_names(self.problem)], axis=1)
        return outputs["probability"]


def predictor_of_file(path: Path) -> Predictor:
    """The predictor of a `.keras` file of evonas, which holds classes and columns; older files have them in their card.

    Raises:
        InputError: it is no such file.
    """
    if path.suffix != ".keras":
        raise InputError(f"model must be a run directory or a .keras file, not {path}: export one as best.keras")
    from evonas.training.export.description import description_of
    from evonas.training.export.keras_file import load_keras_file

    model, found = load_keras_file(path), description_of(path)
    series = None if found is None or not _takes(model, found.series) else found.series
    return Predictor(_problem_of_file(path, model, found), model, series)


def prediction_table(predictor: Predictor, rows: Any, names: Mapping[str, Sequence[Any]] | None = None) -> pd.DataFrame:
    """One row a row of the table, or a sample of the array, in their order.

    Args:
        predictor: what predicts.
        rows: a table, or an array.
        names: columns in front: what samples are known by.

    Returns:
        of a regression a column for each target, by its name, or for each quantile, `quantile_0.1`; of classes `label`,
        and `probability_CLASS` for each class.
    """
    import pandas as pd

    problem, outputs, known = predictor.problem, predictor.outputs(rows), dict(names or {})
    if problem.task == "regression":
        targets = quantile_names(problem) if problem.quantiles else problem.target_names
        targets = targets or tuple(f"y{place}" for place in range(outputs.shape[1]))
        return pd.DataFrame({**known, **dict(zip(targets, outputs.T, strict=True))})
    labels = labels_of(problem) if problem.classes else np.arange(outputs.shape[1])
    columns: dict[str, Any] = {**known, "label": labels[outputs.argmax(axis=1)]}
    columns |= {f"probability_{label}": outputs[:, place] for place, label in enumerate(labels)}
    return pd.DataFrame(columns)


def score_table(predictor: Predictor, rows: Any, targets: pd.DataFrame | None = None) -> dict[str, float]:
    """Every metric of the task on labelled rows.

    Args:
        predictor: what predicts.
        rows: a table with the columns that it needs, or an array.
        targets: a table with the targets; the rows themselves when None.

    Raises:
        InputError: a target is missing, or holds a label that the search did not see.
    """
    from evonas.training.metrics import compute_scores

    problem = predictor.problem
    coded = code_target(problem, rows if targets is None else targets)
    raw = raw_from_predictions(problem, predictor.outputs(rows))
    found = compute_scores(problem, coded, raw)
    if not found:
        raise InputError("predictions must be finite to be scored, but they are not: look at them with predict")
    return found


def code_target(problem: Problem, rows: pd.DataFrame) -> NDArray[Any]:
    """The targets of a table as scores take them: standardised numbers, or numbers of classes.

    Raises:
        InputError: as `score_table`.
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
    from evonas.data.readers.options import Style
    from evonas.data.written import find_written, read_written

    columns = []
    for name in names:
        column = rows[name]
        if kind_of(column) != "number" and (written := find_written(column, Style(), "numeric")) is not None:
            column = read_written(column, written)
        columns.append(numbers(column))
    values = np.stack(columns, axis=1)
    if np.isnan(values).any():
        raise InputError(f"target {names[0]!r} must have a value in every row to be scored: leave out rows without one")
    return np.asarray((values - np.array(problem.target_mean)) / np.array(problem.target_std))


def raw_from_predictions(problem: Problem, outputs: Array) -> Array:
    """Raw outputs of a network that would predict this: standardised numbers or logits, as scores take them."""
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
    places = {name: place for place, name in enumerate(problem.classes)}
    unknown = sorted({label for label in given if label not in places})
    if unknown:
        what = "no label" if unknown == [""] else f"the label {unknown[-1]!r}"
        raise InputError(
            f"target {column.name!r} must hold classes that the search saw ({', '.join(problem.classes[:5])}"
            f"{', ...' * (len(problem.classes) > 5)}), but a row has {what}: leave such rows out"
        )
    return np.array([places[label] for label in given], np.intp)


def _takes(model: Any, series: SeriesPreparation | None) -> bool:
    """Whether a file's model takes the series that its description tells of."""
    inputs = model.inputs
    return series is not None and len(inputs) == 1 and tuple(inputs[0].shape[1:]) == series.shape


def _problem_of_file(path: Path, model: Any, found: Description | None) -> Problem:
    """What a file predicts: as it tells itself, or its card, or as far as its outputs tell."""
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
    found = found or _description_of_card(path)
    if found is not None:
        task, classes, names = found.task, found.classes, found.targets
    count = {"binary": 2, "multiclass": width}.get(task, 0)
    known = Problem(task, 0, width, (0.0,) * width, (1.0,) * width, classes, (), names, quantiles=quantiles)
    if found is None or len(classes) not in (0, count):
        return replace(known, classes=())
    return replace(known, label_type=found.label_type)


def _description_of_card(path: Path) -> Description | None:
    """What the card beside a file tells, which files of older versions do not tell themselves."""
    from evonas.training.export.description import Description

    with suppress(OSError, ValueError, KeyError, TypeError):
        card = json.loads(path.with_name(path.name + ".card.json").read_text(encoding="utf-8"))["data"]
        if card["task"] in ("regression", "binary", "multiclass"):
            return Description(card["task"], tuple(map(str, card["targets"])), tuple(map(str, card["classes"])))
    return None


def _array_of_file(model: Any, rows: NDArray[Any]) -> Any:
    inputs = model.inputs
    if len(inputs) != 1 or inputs[0].name != ARRAY:
        raise InputError("rows must be a table with the columns that the model takes, not an array: pass a table")
    wanted = tuple(inputs[0].shape[1:])
    rows = rows[..., None] if rows.ndim == len(wanted) else rows
    given = rows.shape[1:]
    if len(given) != len(wanted) or any(size not in (None, each) for size, each in zip(wanted, given, strict=True)):
        raise InputError(f"rows must have the shape {wanted} that the model takes, not {given}: resize or reshape them")
    return rows.astype(np.float32)


def _quantiles_of(outputs: Any) -> tuple[float, ...]:
    """The quantiles that a file's outputs are named by; none where they are something else."""
    if not isinstance(outputs, Mapping) or "probability" in outputs:
        return ()
    try:
        return tuple(sorted(float(str(name).removeprefix("quantile_")) for name in outputs))
    except ValueError:
        return ()


def _inputs_of_file(model: Any, rows: Any) -> Any:
    """The columns that a model takes, by the names of its inputs; or one array of all columns; an array as it is."""
    if isinstance(rows, np.ndarray):
        return _array_of_file(model, rows)
    from evonas.data.cells import numbers, texts

    names = {str(name).replace("/", "_"): name for name in rows.columns}
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
        if each.name not in names:
            raise InputError(f"table must have the column {each.name!r}, which the model takes: add it")
        column = rows[names[each.name]]
        text = each.dtype == "string"
        found[each.name] = (
            np.array([cell or "" for cell in texts(column)], object) if text else numbers(column).astype(np.float32)
        )
    return found
