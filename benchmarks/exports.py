"""Exports to all formats, opened without evonas: the largest difference from the predictions of Keras.

    python -m venv bare && bare/bin/pip install tensorflow
    python -m venv onnx && onnx/bin/pip install onnxruntime
    python benchmarks/exports.py titanic.csv Survived --python bare/bin/python --onnx-python onnx/bin/python

Searches for a minute, exports the best network as .keras, SavedModel, TFLite and (with tf2onnx) ONNX, and predicts the
raw rows of the test split with each, using only the model card, the accompanying JSON file and docs/coding.md. Prints
the largest difference from the model of `result.best_model`.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import evonas
from evonas.data.prepared import PreparedData

PAGE = Path(__file__).parents[1] / "docs" / "coding.md"

#: Run by the other interpreter: path of the model, its format, rows as CSV, and the page with the code.
READER = """
import os, sys, csv, json, re
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
path, format, table, page = sys.argv[1:]
rows = list(csv.DictReader(open(table, encoding="utf-8", newline="")))
card = json.load(open(path + ".card.json", encoding="utf-8"))
if format in ("tflite", "onnx"):
    exec("\\n".join(re.findall("```python\\n(.*?)```", open(page, encoding="utf-8").read(), re.DOTALL)))
    about = json.load(open(path + ".json", encoding="utf-8"))
    found = (predict_tflite if format == "tflite" else predict_onnx)(path, code_rows(rows, about))
else:
    columns = {}
    for each in card["model"]["inputs"]:
        cells = [row[each["column"]] for row in rows]
        numbers = each["dtype"] != "string" and [float(cell or "nan") for cell in cells]
        columns[each["name"]] = np.array(numbers, "float32") if numbers else np.array(cells, object)
    if format == "keras":
        import keras
        found = keras.models.load_model(path).predict(columns, verbose=0)
    else:
        import tensorflow as tf
        model = tf.saved_model.load(path)
        found = model.serve({name: tf.constant(column[:, None]) for name, column in columns.items()})
    found = np.asarray(found["probability"] if isinstance(found, dict) else found)
assert "evonas" not in sys.modules
print(json.dumps(found.tolist()))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="CSV file")
    parser.add_argument("target", help="column to predict")
    parser.add_argument("--python", default=sys.executable, help="interpreter with TensorFlow [this one]")
    parser.add_argument("--onnx-python", default=sys.executable, help="interpreter with onnxruntime [this one]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        result = evonas.search(
            options.table, options.target, generations=2, population=4, epochs=5, finalists=0, out=work / "run"
        )
        rows = PreparedData.load(work / "run" / "data.npz").raw["test"]
        write_rows(rows, work / "rows.csv")
        wanted = result.best_model.predict(rows, verbose=0)
        wanted = np.asarray(wanted["probability"] if isinstance(wanted, dict) else wanted)
        size = max(1.0, float(np.abs(wanted).max()))
        for format, name in {"keras": "m.keras", "savedmodel": "m", "tflite": "m.tflite", "onnx": "m.onnx"}.items():
            if format == "onnx" and importlib.util.find_spec("tf2onnx") is None:
                print("onnx: tf2onnx is not installed")
                continue
            exported = result.export(work / name, format=format)
            python = options.onnx_python if format == "onnx" else options.python
            command = [python, "-I", "-c", READER, str(exported.path), format, str(work / "rows.csv"), str(PAGE)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found = np.array(json.loads(output.splitlines()[-1])).reshape(wanted.shape)
            difference = float(np.abs(found - wanted).max())
            print(
                f"{format}: {len(found)} rows, largest difference {difference:.1e}, {difference / size:.1e} of the size"
            )


def write_rows(rows: dict[str, Any], path: Path) -> None:
    """Raw rows as CSV; a missing value is an empty cell."""

    def cell(value: Any) -> str:
        return value if isinstance(value, str) else "" if math.isnan(value) else repr(float(value))

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows)
        writer.writerows(zip(*([cell(value) for value in column] for column in rows.values()), strict=True))


if __name__ == "__main__":
    main()
