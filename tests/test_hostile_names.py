"""Names and cells crafted to be mistaken for something else, in every format, from the search to the report.

One table holds them all; each format is written once and covers every name. Predictions and the model card are checked,
too.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import evonas
from genomes import InputError
from tests.cli.commands import evonas as command
from tests.reliability.counts import SOAK

pytestmark = pytest.mark.keras

SCRIPT = "<img src=x onerror=alert(1)>"
ESCAPE = "\x1b]52;c;cm0gLXJmIH4=\x07\x1b[2J"
#: Names of numeric columns; some differ only in characters that a format cannot represent.
NUMBERS = (
    *("a/b", "a_b", "..", ".hidden", "-o", "=1+1", SCRIPT, ESCAPE, "two\nlines", "größer ☃ 数", "x" * 300, " ", "0"),
    *("label", "log", "input", "dense"),
)
MORE = (
    *("a b", "a.b", "/", "../../x", "--target", "@SUM(A1)", "tab\t", "\u202egnp.exe", "e\u0301", "\u00e9", "None"),
    *("model", "kernel", "class", "True", "__class__", "{0}", "%s", "'", '"', "`", "$x"),
)
# Each costs every model half a second.
NUMBERS += MORE if SOAK is not None else ()
#: Names of categorical columns.
CATEGORIES = ("c/d", "probability", "<script>alert(2)</script>", "=cmd|' /C calc'!A0")
CELLS = ("a/b", "a_b", SCRIPT, ESCAPE, "=1+1", "-1-1", "größer ☃", "'", '"', "a,b", "two\nlines", "\u202e", "z" * 300)
CLASSES = (SCRIPT, "=1+1", "a/b|c `d`", ESCAPE, "größer ☃")
TARGET = "y/<b>"
ROWS = 120


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {name: rng.normal(size=ROWS) for name in NUMBERS}
    columns |= {name: rng.choice(CELLS, ROWS) for name in CATEGORIES}
    return pd.DataFrame({**columns, TARGET: rng.choice(CLASSES, ROWS)})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> evonas.SearchResult:
    folder = tmp_path_factory.mktemp("names")
    return evonas.search(
        table(),
        TARGET,
        evaluations=1,
        population=1,
        epochs=1,
        finalists=0,
        out=folder / "run",
        execution="local",
        numbers="standard",
        neighbours=False,
    )


class Elements(HTMLParser):
    """Collects the names of a page's elements and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_a_keras_file_a_card_and_predictions_keep_every_name(found: evonas.SearchResult, tmp_path: Path) -> None:
    import keras

    frame = table()
    path = tmp_path / "best.keras"
    found.export(path)
    card = json.loads((tmp_path / "best.keras.card.json").read_text())
    assert {each["name"] for each in card["data"]["columns"]} == {*NUMBERS, *CATEGORIES}
    assert set(card["data"]["classes"]) == set(CLASSES)
    text = (tmp_path / "best.keras.card.md").read_text()
    outside = "".join(text.split("```")[::2])
    assert "<img" not in outside
    assert "<script>" not in outside
    assert all(line.isprintable() for line in text.split("\n"))
    # With plain Keras: the model card is the only guide to the inputs.
    model = keras.models.load_model(path)
    inputs = {each["column"]: each["name"] for each in card["model"]["inputs"]}
    assert len(set(inputs.values())) == len(inputs) == len(NUMBERS) + len(CATEGORIES)
    rows = {name: frame[column].to_numpy(object if column in CATEGORIES else "f4") for column, name in inputs.items()}
    given = model.predict({name: keras.ops.convert_to_tensor(_plain(cells)) for name, cells in rows.items()}, verbose=0)
    assert given["probability"] == pytest.approx(found.predict_proba(frame), abs=1e-5)
    labels = [label.decode() for label in np.asarray(given["label"]).ravel()]
    assert labels == found.predict(frame).tolist()
    # With the commands, from files; with the run and with the exported file.
    frame.to_parquet(tmp_path / "new.parquet")
    for source, place in ((found.run_dir, tmp_path / "run.csv"), (path, tmp_path / "file.parquet")):
        done = command("predict", str(source), str(tmp_path / "new.parquet"), "-o", str(place))
        assert done.exit_code == 0, done.output
        predicted = pd.read_csv(place, keep_default_na=False) if place.suffix == ".csv" else pd.read_parquet(place)
        assert predicted["label"].tolist() == labels
        assert set(predicted.columns) == {"label", *(f"probability_{name}" for name in CLASSES)}


def _plain(cells: Any) -> Any:
    return cells.tolist() if cells.dtype == object else cells


def test_a_report_holds_names_as_text(found: evonas.SearchResult, tmp_path: Path) -> None:
    for format in ("html", "md"):
        done = command("report", str(found.run_dir), "-o", str(tmp_path / f"report.{format}"), "--format", format)
        assert done.exit_code == 0, done.output
    page, text = Elements(), (tmp_path / "report.html").read_text()
    page.feed(text)
    assert "img" not in page.elements
    assert "onerror" not in page.attributes
    assert "alert(2)</script>" not in text
    markdown = (tmp_path / "report.md").read_text()
    assert "<img" not in markdown
    assert all(line.isprintable() for line in markdown.split("\n"))
    for words in (["status"], ["show"], ["finalists"]):
        done = command(*words, str(found.run_dir))
        assert all(line.isprintable() for line in done.output.split("\n")), words


@pytest.mark.parametrize("format", ["savedmodel", "tflite", "onnx"])
@pytest.mark.soak
def test_other_formats_keep_every_name(found: evonas.SearchResult, tmp_path: Path, format: str) -> None:
    for package in ("tf2onnx", "onnxruntime"):
        if format == "onnx":
            pytest.importorskip(package)
    path = tmp_path / {"savedmodel": "saved"}.get(format, f"best.{format}")
    found.export(path, format=format)  # it is reopened and scored before it is moved to its final name
    about = json.loads(path.with_name(f"{path.name}.json").read_text())
    inputs = {each["column"]: each["name"] for each in about["inputs"]}
    assert set(inputs) == {*NUMBERS, *CATEGORIES}
    assert len({name.casefold() for name in inputs.values()}) == len(inputs)


@pytest.mark.parametrize("half", ["name", "cell", "target", "class"])
def test_half_a_character_is_refused_before_anything_is_trained(half: str, tmp_path: Path) -> None:
    frame = table()[["a_b", "probability", TARGET]].astype({"probability": object, TARGET: object})
    names = {"name": "a_b", "target": TARGET}
    if half in names:
        columns = ["\ud800" if name == names[half] else name for name in frame.columns]
        frame = frame.set_axis(pd.Index(columns, dtype=object), axis=1)
    else:
        frame.loc[5, "probability" if half == "cell" else TARGET] = "\ud800"
    target = "\ud800" if half == "target" else TARGET
    with pytest.raises(InputError, match="UTF-8"):
        evonas.search(frame, target, evaluations=1, population=1, epochs=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
