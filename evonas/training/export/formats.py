"""Export to formats other than Keras's, each compared with the Keras model after writing.

ONNX and TFLite support numbers only: text columns are encoded as integers, a classifier outputs probabilities, and an
accompanying JSON file describes the encoding and the classes. Needs TensorFlow; ONNX also tf2onnx and onnxruntime.
"""

from __future__ import annotations

import importlib.util
import json
import keyword
import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from evonas.data.encoding.codes import code_rows, coding_of, missing_texts
from evonas.data.encoding.preprocessor import Preparation
from evonas.data.inputs import Inputs, map_arrays
from evonas.data.prepared import Problem
from evonas.io.marked_files import (
    mark_bytes,
    mark_json,
    mark_onnx,
    publish,
    publish_folder,
)
from genomes.errors import InputError

__all__ = ["WITHOUT_TEXT", "Written", "write_format"]

#: Formats that hold numbers only.
WITHOUT_TEXT = ("onnx", "tflite")

_ROWS = 100
#: Largest difference from the Keras model's outputs, relative to their size.
_TOLERANCE = 1e-4
#: Keras's names of types that have other names in numpy.
_TYPES = {"string": "object"}


@dataclass(frozen=True)
class Written:
    """A model to write.

    Attributes:
        model: as in the `.keras` file.
        coded: the same with codes instead of text (`evonas.data.encoding.codes`); None if there is no text.
        preparation: preparation of the raw columns that it takes; None if it takes other inputs.
        problem: the prediction problem.
    """

    model: keras.Model
    coded: keras.Model | None
    preparation: Preparation | None
    problem: Problem


def write_format(
    written: Written, kind: str, path: Path, folder: Path, rows: Inputs
) -> tuple[str, list[dict[str, Any]], keras.Model]:
    """Writes the model and reopens it.

    Args:
        written: the model to write.
        kind: "savedmodel", "onnx" or "tflite".
        path: path to write.
        folder: folder for temporary files.
        rows: inputs of the model; the first 100 are compared.

    Returns:
        A message on its difference from the Keras model and on accompanying files; how its inputs are made from raw
        columns, see `coding_of`; and the Keras model that was converted.

    Raises:
        InputError: the format does not support the model, the required package is not installed, or `path` exists.
        RuntimeError: the written model predicts differently; nothing is left at the path.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"{kind} must be written with KERAS_BACKEND=tensorflow, not {keras.backend.backend()}")
    if kind == "onnx":
        for package in ("tf2onnx", "onnxruntime"):
            if importlib.util.find_spec(package) is None:
                raise InputError(f"{package} must be installed to write ONNX: pip install 'evonas[onnx]'")
    some = map_arrays(lambda array: array[:_ROWS], rows)
    wanted = _predict(written.model.predict(some, verbose=0))
    coding = [] if written.preparation is None else coding_of(written.preparation, coded=kind in WITHOUT_TEXT)
    model = written.model
    if kind in WITHOUT_TEXT:
        model, some = written.coded or model, code_rows(some, coding) if coding else some
        if isinstance(model.output, Mapping):
            # Quantiles are a single output, since signatures would change the order of several.
            last = model.get_layer("target_units") if written.problem.quantiles else None
            model = keras.Model(model.input, model.output["probability"] if last is None else last.output)
    names = _plain_names(model)
    if names:
        some = {
            names[given.name]: _column(some[given.name].astype(_TYPES.get(given.dtype, given.dtype)))
            for given in model.inputs
        }
        coding = [{**each, "name": names[each["name"]]} for each in coding]
        model = _rename(model, names)
    draft = folder / path.name
    with _spell_out(model):
        given = _predict({"savedmodel": _saved_model, "onnx": _onnx, "tflite": _tflite}[kind](model, draft, some))
    difference = _difference(given, wanted)
    if not difference <= _TOLERANCE:
        raise RuntimeError(f"the {kind} model differs from the Keras model by {difference:g} of its outputs' size")
    said = f"differs from the Keras model by at most {difference:.1e} of its outputs' size in {len(given)} rows"
    _place(draft, path, kind)
    other = [old for old, new in names.items() if old != new]
    if other or (kind in WITHOUT_TEXT and (coding or written.problem.classes)):
        beside = path.with_name(path.name + ".json")
        about = _about(coding, written.problem)
        publish(beside, mark_json(json.dumps(about, indent=1)))
        said += f"; {_description_text(coding, written.problem, kind, other, beside.name)}"
    return said, coding, model


def _gelu(x: Any) -> Any:
    """GELU by the error function; TensorFlow uses the complementary one, which other formats lack."""
    return 0.5 * x * (1.0 + keras.ops.erf(x / math.sqrt(2.0)))


@contextmanager
def _spell_out(model: keras.Model) -> Iterator[None]:
    """Replaces activations that some formats lack by equivalent operations while the model is written."""
    changed, waiting = [], [model]
    while waiting:
        layer = waiting.pop()
        waiting += getattr(layer, "layers", ())
        if getattr(layer, "activation", None) is keras.activations.gelu:
            changed.append(layer)
            layer.activation = _gelu
    try:
        yield
    finally:
        for layer in changed:
            layer.activation = keras.activations.gelu


def _predict(outputs: Any) -> Any:
    """The output to compare: probabilities of a classifier; several quantiles are concatenated."""
    if not isinstance(outputs, Mapping):
        return outputs
    if "probability" in outputs:
        return outputs["probability"]
    return np.concatenate([np.asarray(outputs[name]) for name in sorted(outputs, key=_share)], axis=1)


def _share(name: str) -> float:
    return float(name.removeprefix("quantile_"))


def _plain_names(model: keras.Model) -> dict[str, str]:
    """Valid names in these formats for a model's inputs, if their names matter."""
    if not isinstance(model.input, Mapping):
        return {}
    names: dict[str, str] = {}
    for old in (given.name for given in model.inputs):
        new = re.sub("[^A-Za-z0-9_]", "_", old)
        new = f"column_{new}" if not new[0].isalpha() or keyword.iskeyword(new) else new
        while new.lower() in {name.lower() for name in names.values()}:
            new += "_"
        names[old] = new
    return names


def _rename(model: keras.Model, names: Mapping[str, str]) -> keras.Model:
    """Renames the inputs of a model."""
    if all(old == new for old, new in names.items()):
        return model
    inputs = {
        given.name: keras.Input(given.shape[1:], dtype=given.dtype, name=names[given.name]) for given in model.inputs
    }
    return keras.Model({names[old]: tensor for old, tensor in inputs.items()}, model(inputs))


def _about(coding: Sequence[Mapping[str, Any]], problem: Problem) -> dict[str, Any]:
    """Facts that accompany a file of numbers, as JSON values; see `docs/coding.md`."""
    output = "prediction" if problem.task == "regression" else "probability"
    about: dict[str, Any] = {"format": 1, "task": problem.task, "targets": list(problem.target_names)}
    about |= {"output": output, "classes": list(problem.classes)}
    if problem.quantiles:
        about["quantiles"] = list(problem.quantiles)
    if coding:
        about |= {"inputs": list(coding), "missing": missing_texts(coding)}
    return about


def _description_text(
    coding: Sequence[Mapping[str, Any]], problem: Problem, kind: str, renamed: Sequence[str], name: str
) -> str:
    """Describes the accompanying file to the user."""
    says, holds = [], ["the names and the order of the inputs"] if coding else []
    if renamed:
        says.append(f"has other names for the columns {_list(renamed)}")
    if kind in WITHOUT_TEXT:
        if texts := [each["column"] for each in coding if each["kind"] in ("text", "date", "words", "tokens")]:
            says.append(f"takes the text columns {_list(texts)} as numbers")
            holds.append("the codes of text")
        if problem.classes:
            says.append("gives probabilities only")
            holds.append(f"the {len(problem.classes)} classes")
    content = f"{', '.join(holds[:-1])} and {holds[-1]}" if len(holds) > 1 else holds[0]
    return f"{', '.join([*says, ''])}{name} holds {content}"


def _list(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def _difference(given: Any, wanted: Any) -> float:
    size = max(1.0, float(np.abs(wanted).max()))
    return float(np.abs(np.asarray(given, np.float64).reshape(wanted.shape) - wanted).max()) / size


def _column(array: Any) -> Any:
    """Adds the axis that the formats, unlike Keras, do not add to a column."""
    return array[:, None] if array.ndim == 1 else array


def _saved_model(model: keras.Model, draft: Path, rows: Inputs) -> Any:
    import tensorflow as tf

    model.export(draft, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(str(draft))  # kept alive, since its variables live only as long as it does
    given = loaded.serve(map_arrays(lambda array: tf.constant(_column(array)), rows))
    return {name: value.numpy() for name, value in given.items()} if isinstance(given, Mapping) else given.numpy()


def _tflite(model: keras.Model, draft: Path, rows: Inputs) -> Any:
    import tensorflow as tf

    saved = draft.with_name("saved")
    model.export(saved, format="tf_saved_model", verbose=False)
    try:
        draft.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert())
    except Exception:  # the converter's exception class is not public
        # Recurrence and attention can be converted for a fixed number of rows only.
        saved = draft.with_name("saved_one")
        one = keras.tree.map_structure(
            lambda given: keras.InputSpec(given.dtype, (1, *given.shape[1:]), name=given.name), model.input
        )
        model.export(saved, format="tf_saved_model", verbose=False, input_signature=[one])
        draft.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert())
    runner = tf.lite.Interpreter(model_path=str(draft)).get_signature_runner()
    named = _by_name(list(runner.get_input_details()), rows)
    count = len(next(iter(named.values())))
    # One row at a time, as in the signature.
    found = [runner(**{name: array[row : row + 1] for name, array in named.items()}) for row in range(count)]
    return np.concatenate([next(iter(each.values())) for each in found])


def _onnx(model: keras.Model, draft: Path, rows: Inputs) -> Any:
    model(map_arrays(keras.ops.convert_to_tensor, rows))  # Keras exports only models that were called
    model.export(draft, format="onnx", verbose=False)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(draft), providers=["CPUExecutionProvider"])
    return session.run(None, _by_name([given.name for given in session.get_inputs()], rows))[0]


def _by_name(names: list[str], rows: Inputs) -> dict[str, Any]:
    """Maps input names to rows; a single array belongs to the single input."""
    if not isinstance(rows, Mapping):
        return {names[0]: rows}
    return {name: _column(rows[name]) for name in names}


def _place(draft: Path, path: Path, kind: str) -> None:
    if kind == "savedmodel":
        # Contains source locations on this machine, which are useless elsewhere.
        shutil.rmtree(draft / "debug", ignore_errors=True)
        publish_folder(draft, path)
    else:
        publish(path, {"onnx": mark_onnx, "tflite": mark_bytes}[kind](draft.read_bytes()))
