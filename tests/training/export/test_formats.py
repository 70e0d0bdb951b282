"""Other formats than Keras's for models that take raw columns: their predictions, and the files written beside them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from evonas.data.prepare import prepare_table
from evonas.data.readers.files import read_file
from tests.training.export.test_preprocessing import KINDS, ROLES, export_network, table

pytestmark = pytest.mark.keras


FEW = ("longitude", "take", "sure", "heated", "town", "kind")
#: TensorFlow takes minutes to write dates and free text.
columns = [pytest.param(FEW, id="few"), pytest.param((*KINDS, "kind"), id="all", marks=pytest.mark.soak)]


def roles(names):
    return {name: role for name, role in ROLES.items() if name in names}


@pytest.fixture(scope="module")
def from_file(tmp_path_factory, request):
    """A CSV file, its preparation, its model as a `.keras` file, and the rows in the form that the model takes."""
    path = tmp_path_factory.mktemp("file") / "table.csv"
    frame = table()[list(request.param)]
    for name, cell in {"town": "?", "heated": "N/A", "built": "soon"}.items():
        if name in frame:
            frame.loc[0, name] = cell
    frame.to_csv(path, index=False)
    read = read_file(path)
    # Two more rows: one with missing values only, one with unseen values only.
    with path.open("a") as file:
        file.write("," * (len(frame.columns) - 1) + "\n")
        cells = "1e9, 7 ,-3,0.5,1,2,maybe,YES,nowhere,street 1,2001-02-03T04:05,"
        cells += "2001/02/03,0001-01-01,C0,5,Good Nonsense!,west"
        row = dict(zip((*KINDS, "kind"), cells.split(","), strict=True))
        file.write(",".join(row[name] for name in frame) + "\n")
    prepared = prepare_table(read, "kind", seed=0, roles=roles(frame))
    written, _, _ = export_network(prepared, path.with_name("best.keras"))
    return path, prepared, written.path, prepared.preparation.inputs(read_file(path))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("format", ["tflite", "onnx"])
@pytest.mark.parametrize("from_file", columns, indirect=True)
@pytest.mark.soak
def test_formats_without_text_predict_coded_rows(from_file, tmp_path, format):
    """Runs the code from the documentation, which uses only the JSON file."""
    import keras

    for package in ("tf2onnx", "onnxruntime"):
        if format == "onnx":
            pytest.importorskip(package)
    table_path, prepared, keras_path, rows = from_file
    path = tmp_path / f"best.{format}"
    note = export_network(prepared, tmp_path / "x.keras", task={"path": path, "format": format})[0].note
    more = ", 'street', 'built' and 4 more" if "note" in prepared.preparation.input_names() else ""
    assert f"takes the text columns 'sure', 'heated', 'town'{more} as numbers" in note
    assert (
        f"best.{format}.json holds the names and the order of the inputs, the codes of text and the 3 classes" in note
    )
    documented: dict = {}
    page = (Path(__file__).parents[3] / "docs" / "coding.md").read_text()
    exec("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), documented)
    about = json.loads(path.with_name(path.name + ".json").read_text())
    with table_path.open(newline="") as file:
        inputs = documented["code_rows"](list(csv.DictReader(file)), about)
    found = documented[f"predict_{format}"](str(path), inputs)
    wanted = keras.models.load_model(keras_path).predict(rows, verbose=0)
    np.testing.assert_allclose(found, wanted["probability"], rtol=1e-5, atol=1e-6)
    assert documented["predict_csv"](str(path), table_path) == [label.decode() for label in wanted["label"]]


@pytest.mark.parametrize("format", [pytest.param("savedmodel", marks=pytest.mark.soak), "tflite", "onnx"])
@pytest.mark.soak
def test_columns_of_any_name_are_written(tmp_path, format):
    for package in ("tf2onnx", "onnxruntime"):
        if format == "onnx":
            pytest.importorskip(package)
    frame = table()[["longitude", "rooms", "town", "heated", "kind"]]
    prepared = prepare_table(frame.set_axis(["1 Größe", "a b", "A_B", "class", "kind"], axis=1), "kind", seed=0)
    path = tmp_path / {"savedmodel": "saved"}.get(format, f"best.{format}")
    note = export_network(prepared, tmp_path / "x.keras", task={"path": path, "format": format})[0].note
    assert "differs from the Keras model by at most" in note
    assert "has other names for the columns '1 Größe', 'a b', 'class'" in note
    about = json.loads(path.with_name(path.name + ".json").read_text())
    assert {each["column"]: each["name"] for each in about["inputs"]} == {
        "1 Größe": "column_1_Gr__e",
        "a b": "a_b_",
        "A_B": "A_B",
        "class": "column_class",
    }
    assert about["inputs"][2]["dtype"] == ("string" if format == "savedmodel" else "int32")


@pytest.mark.parametrize("names", columns)
def test_a_savedmodel_takes_text_and_needs_no_other_file(tmp_path, names):
    mixed = prepare_table(table()[list(names)], "kind", seed=0, roles=roles(names))
    order = export_network(mixed, tmp_path / "best.keras", task={"path": tmp_path / "saved", "format": "savedmodel"})
    assert "differs from the Keras model by at most" in order[0].note
    assert (tmp_path / "saved" / "saved_model.pb").exists()
    assert not (tmp_path / "saved.json").exists()
