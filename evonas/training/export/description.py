"""The description stored in a `.keras` file in addition to its layers: labels, targets, and how to read series.

It is a value in the file's `metadata.json`, which Keras ignores, so that the file can predict a table by column names
without its model card. Imports no Keras.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evonas.data.encoding.preprocessor import Preparation
from evonas.data.encoding.read import preparation_from_json
from evonas.data.encoding.series import SeriesPreparation
from evonas.data.prepared import Problem, check_labels
from evonas.io.npz import open_plain
from genomes.codec import parse_json

__all__ = ["Description", "description_of", "with_description"]

_METADATA = "metadata.json"
_KEY = "evonas"
_MOST_BYTES = 16 << 20
_TASKS = ("regression", "binary", "multiclass")


@dataclass(frozen=True)
class Description:
    """Description of a file.

    Attributes:
        task: "regression", "binary" or "multiclass".
        targets: names of the targets; empty if they were given as an array.
        classes: labels as text, in the order of the outputs.
        label_type: type of the labels, as `Problem.label_type`.
        series: how series are read from a table or an array; None for other samples.
        columns: input of the model -> column of the table.
    """

    task: str
    targets: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    label_type: str = ""
    series: SeriesPreparation | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def with_description(content: bytes, problem: Problem, preparation: Preparation | None) -> bytes:
    """Adds a description to the bytes of a `.keras` file.

    Args:
        content: as written by Keras.
        problem: the model's problem.
        preparation: preparation of the raw rows that the model takes; None if it takes something else.
    """
    about: dict[str, Any] = {"task": problem.task, "targets": list(problem.target_names)}
    about |= {"classes": list(problem.classes), "label_type": problem.label_type}
    if isinstance(preparation, SeriesPreparation):
        about["series"] = preparation.to_json()
    elif preparation is not None and not preparation.array:
        about["columns"] = {name: column for column, name in preparation.input_names().items()}
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(written, "w") as described:
        for entry in archive.infolist():
            part = archive.read(entry)
            if entry.filename == _METADATA:
                part = json.dumps({**json.loads(part), _KEY: about}).encode()
            described.writestr(entry, part)
    return written.getvalue()


def description_of(path: Path) -> Description | None:
    """Reads the description of a file; None if there is none or it is not valid."""
    try:
        with open_plain(path.resolve()) as file, zipfile.ZipFile(file) as archive:
            entry = archive.getinfo(_METADATA)
            if entry.file_size > _MOST_BYTES or entry.compress_type != zipfile.ZIP_STORED:
                return None
            return _read(parse_json(archive.read(entry).decode(), _METADATA)[_KEY])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile):
        return None


def _read(about: Mapping[str, Any]) -> Description | None:
    if about["task"] not in _TASKS:
        return None
    series = None if about.get("series") is None else preparation_from_json(about["series"])
    targets, classes = (tuple(map(str, about[name])) for name in ("targets", "classes"))
    check_labels(classes, str(about["label_type"]))
    found = series if isinstance(series, SeriesPreparation) else None
    columns = {str(name): str(column) for name, column in about.get("columns", {}).items()}
    return Description(
        about["task"], targets, classes, label_type=str(about["label_type"]), series=found, columns=columns
    )
