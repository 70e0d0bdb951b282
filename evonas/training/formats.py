"""An exported model in other formats than Keras's, each compared with the Keras model after it is written.

ONNX and TFLite hold numbers only: a model with columns of text is refused, and a classifier gives its probabilities,
with the names of the classes in a JSON file beside. Needs TensorFlow; ONNX also tf2onnx and onnxruntime.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from evonas.data.inputs import Inputs, mapped
from evonas.data.prepared import Problem
from evonas.runs.files import write_atomically
from genomes.errors import InputError

__all__ = ["write_format"]

_ROWS = 100
#: Largest difference from the Keras model's outputs, relative to their size.
_TOLERANCE = 1e-4


def write_format(model: keras.Model, kind: str, path: Path, folder: Path, problem: Problem, rows: Inputs) -> str:
    """Writes the model and opens it again.

    Args:
        model: as the `.keras` file holds it.
        kind: "savedmodel", "onnx" or "tflite".
        path: where to write.
        folder: an empty one to work in.
        problem: what is predicted.
        rows: some, as the model takes them; the first 100 are compared.

    Returns:
        For a person: how far it is from the Keras model, and what was written beside it.

    Raises:
        InputError: the format cannot hold the model, what writes it is not installed, or there is something at `path`.
        RuntimeError: what was written predicts something else; nothing is left at the path.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"{kind} must be written with KERAS_BACKEND=tensorflow, not {keras.backend.backend()}")
    text = [given.name for given in model.inputs if given.dtype == "string"]
    if text and kind != "savedmodel":
        raise InputError(
            f"{kind} must be given models of numbers, but {', '.join(map(repr, text[:5]))} are text, which it cannot "
            "look up: export a SavedModel, or search without these columns (--drop)"
        )
    if kind == "onnx":
        for package in ("tf2onnx", "onnxruntime"):
            if importlib.util.find_spec(package) is None:
                raise InputError(f"{package} must be installed to write ONNX: pip install 'evonas[onnx]'")
    if kind != "savedmodel" and isinstance(model.output, Mapping):
        model = keras.Model(model.input, model.output["probability"])
    some = mapped(lambda array: array[:_ROWS], rows)
    wanted = model.predict(some, verbose=0)
    draft = folder / path.name
    given = {"savedmodel": _saved_model, "onnx": _onnx, "tflite": _tflite}[kind](model, draft, some)
    key = "probability" if isinstance(wanted, Mapping) else None
    difference = _difference(given if key is None else given[key], wanted if key is None else wanted[key])
    if not difference <= _TOLERANCE:
        raise RuntimeError(f"the {kind} model differs from the Keras model by {difference:g} of its outputs' size")
    said = f"differs from the Keras model by at most {difference:.1e} of its outputs' size in {len(given)} rows"
    if isinstance(given, Mapping):
        said = f"differs from the Keras model by at most {difference:.1e} in {len(given['probability'])} rows"
    _place(draft, path)
    if problem.classes and kind != "savedmodel":
        beside = path.with_name(path.name + ".json")
        write_atomically(beside, json.dumps({"output": "probability", "classes": list(problem.classes)}).encode())
        said += f"; it gives probabilities only, the classes are in {beside.name}"
    return said


def _difference(given: Any, wanted: Any) -> float:
    size = max(1.0, float(np.abs(wanted).max()))
    return float(np.abs(np.asarray(given, np.float64).reshape(wanted.shape) - wanted).max()) / size


def _column(array: Any) -> Any:
    """A column as the formats take it, which add no axis of their own."""
    return array[:, None] if array.ndim == 1 else array


def _saved_model(model: keras.Model, draft: Path, rows: Inputs) -> Any:
    import tensorflow as tf

    model.export(draft, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(str(draft))  # held, for its variables live no longer than it does
    given = loaded.serve(mapped(lambda array: tf.constant(_column(array)), rows))
    return {name: value.numpy() for name, value in given.items()} if isinstance(given, Mapping) else given.numpy()


def _tflite(model: keras.Model, draft: Path, rows: Inputs) -> Any:
    import tensorflow as tf

    saved = draft.with_name("saved")
    model.export(saved, format="tf_saved_model", verbose=False)
    draft.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert())
    runner = tf.lite.Interpreter(model_path=str(draft)).get_signature_runner()
    named = _by_name(list(runner.get_input_details()), rows)
    count = len(next(iter(named.values())))
    # A row at a time: signatures are made for one.
    found = [runner(**{name: array[row : row + 1] for name, array in named.items()}) for row in range(count)]
    return np.concatenate([next(iter(each.values())) for each in found])


def _onnx(model: keras.Model, draft: Path, rows: Inputs) -> Any:
    model.export(draft, format="onnx", verbose=False)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(draft), providers=["CPUExecutionProvider"])
    return session.run(None, _by_name([given.name for given in session.get_inputs()], rows))[0]


def _by_name(names: list[str], rows: Inputs) -> dict[str, Any]:
    """The rows by the names of the inputs; the one array by that of the one input."""
    if not isinstance(rows, Mapping):
        return {names[0]: rows}
    return {name: _column(rows[name]).astype(np.float32) for name in names}


def _place(draft: Path, path: Path) -> None:
    if path.exists() and (path.is_dir() or draft.is_dir()):
        raise InputError(f"export path must be a new folder, but {path} is there already: choose another name")
    if draft.is_dir():
        shutil.copytree(draft, path)
    else:
        write_atomically(path, draft.read_bytes())
