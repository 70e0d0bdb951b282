"""Python code that loads an exported model and predicts with it; runs unchanged. Imports no Keras."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from evonas.data.cells import date_texts
from evonas.data.encoding.bag_of_words import BagOfWords
from evonas.data.encoding.codes import DATE_FIELDS, DATE_PATTERN, is_date, words_of
from evonas.data.encoding.preprocessor import Number, Preparation
from evonas.data.encoding.series import SeriesPreparation
from evonas.data.encoding.tokens import TextPreparation, text_ids
from evonas.data.prepared import PreparedData
from evonas.export_tasks import Exported

__all__ = ["usage_of"]

_LOAD = {
    "keras": "import keras\nimport numpy as np\n\nmodel = keras.models.load_model({path})\n{rows}"
    "print(model.predict(rows))\n",
    "savedmodel": "import numpy as np\nimport tensorflow as tf\n\nmodel = tf.saved_model.load({path})\n{rows}"
    "print(model.serve({tensors}))\n",
    "tflite": "import numpy as np\nimport tensorflow as tf\n\n"
    "runner = tf.lite.Interpreter(model_path={path}).get_signature_runner()\n{rows}print(runner(**rows))\n",
    "onnx": "import numpy as np\nimport onnxruntime\n\nsession = onnxruntime.InferenceSession({path})\n{rows}"
    "print(session.run(None, rows))\n",
}
_TYPES = {"string": "object"}
#: Height and width in code for images of any size.
_ANY_SIZE = 100
#: Maximum number of inputs written out as code; with more, the code reads a file of rows.
_MOST_LINES = 12
_FROM_FILE = """import keras
import pandas

model = keras.models.load_model({path})
frame = pandas.read_csv("new.csv", dtype=str, na_values=["?", "\\\\N"])
{columns}rows = {{
    each.name: frame[{column}].fillna("").str.strip().to_numpy(object)
    if each.dtype == "string"
    else frame[{column}].to_numpy("float32")
    for each in model.inputs
}}
print(model.predict(rows))
"""


def usage_of(exported: Exported, data: PreparedData) -> str:
    """Code that loads the file from its folder and predicts one row of imputed values and first categories.

    With many inputs, the code for Keras predicts the rows of a file.
    """
    inputs = exported.interface.get("inputs", ())
    if not inputs:
        return ""
    examples = {} if data.preparation is None else _examples(data.preparation)
    if exported.format == "keras" and len(inputs) > _MOST_LINES:
        others = {each["name"]: each["column"] for each in inputs if each.get("column", each["name"]) != each["name"]}
        return _FROM_FILE.format(
            path=repr(exported.path.name),
            columns=f"columns = {others!r}  # input -> column, where names differ\n" if others else "",
            column="columns.get(each.name, each.name)" if others else "each.name",
        )
    named = len(inputs) > 1 or "column" in inputs[0] or exported.format in ("onnx", "tflite")
    flat = exported.format == "keras"  # which accepts text in this shape only
    lines = [f"    {each['name']!r}: {_array(each, examples, flat)},{_remark(each, examples)}" for each in inputs]
    rows = "\n".join(["rows = {", *lines, "}", ""])
    if not named:
        rows = f"rows = {_array(inputs[0], examples, flat)}\n"
    if isinstance(data.preparation, SeriesPreparation) and data.preparation.masked:
        rows = _padded_series(data.preparation.shape, inputs[0]["name"] if named else "")
    tensors = "{name: tf.constant(column) for name, column in rows.items()}" if named else "tf.constant(rows)"
    return _LOAD[exported.format].format(path=repr(exported.path.name), rows=rows, tensors=tensors)


def _padded_series(shape: tuple[int, ...], name: str) -> str:
    """Code for a series that is shorter than those that the model takes; `name` of the input, if it is named."""
    steps, channels = shape
    rows = f"rows = {{{name!r}: rows}}\n" if name else ""
    return (
        f"series = np.zeros(({max(1, steps - 1)}, {channels}))  # steps, channels: at most {steps} steps\n"
        f'rows = np.full((1, {steps}, {channels}), np.nan, "float32")  # NaN after the last step of a series\n'
        f"rows[0, : len(series)] = series\n{rows}"
    )


def _row_shape(given: Mapping[str, Any]) -> tuple[int, ...]:
    """Shape of one row of an input; an axis of any size has a usual one."""
    return 1, *(_ANY_SIZE if size is None else size for size in given["shape"][1:])


def _array(given: Mapping[str, Any], examples: Mapping[str, tuple[str, list[int] | float]], flat: bool) -> str:
    """One row of an input; `flat` where a column is `(num_samples,)`, not `(num_samples, 1)`."""
    kind = _TYPES.get(given["dtype"], given["dtype"])
    if given.get("column") not in examples:
        return f'np.zeros({_row_shape(given)}, "{kind}")'
    text, number = examples[given["column"]]
    value = repr(text) if given["dtype"] == "string" else repr(number).strip("[]")
    cells = f"[{value}]" if flat else f"[[{value}]]"
    return f'np.array({cells}, "{kind}")'


def _remark(given: Mapping[str, Any], examples: Mapping[str, tuple[str, list[int] | float]]) -> str:
    """Comment with the text that codes represent."""
    coded = given["dtype"] == "int32" and given.get("column") in examples
    return f"  # {examples[given['column']][0]!r}" if coded else ""


def _examples(preparation: Preparation) -> dict[str, tuple[str, list[int] | float]]:
    """Column -> a cell of it as text and as a number, or as its codes."""
    found: dict[str, tuple[str, list[int] | float]] = {}
    if isinstance(preparation, TextPreparation):
        few = preparation.words[: min(3, preparation.length)]
        return {
            preparation.column: (
                " ".join(few),
                text_ids([" ".join(few)], preparation.words, preparation.length)[0].tolist(),
            )
        }
    for step in preparation.steps:
        if step.column in found:
            continue
        if step.form == "number":
            value = step.imputed if isinstance(step, Number) else 0.0
            found[step.column] = (str(value), value)
        elif isinstance(step, BagOfWords):
            found[step.column] = (step.words[0], [1] + [0] * (len(step.words) - 1))
        elif isinstance(step, Number) and is_date(step):
            (text,) = date_texts(np.floor(np.array([step.imputed * 86400.0])))
            match = re.match(DATE_PATTERN, text)
            found[step.column] = (text, [int(part) for part in match.groups("0")] if match else [0] * len(DATE_FIELDS))
        else:
            words = [word for word in words_of(step) if word] or ["x"]
            known = words_of(step)
            found[step.column] = (words[0], known.index(words[0]) + 1 if words[0] in known else 0)
    return found
