"""The model card of a run scored by a stub: its content, and that user-supplied names cannot break it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.api import prepared_search as api
from evonas.config import Budget, Settings
from evonas.data.encoding.codes import coding_of
from evonas.data.prepare_samples import prepare_samples, read_samples
from evonas.data.prepared import PreparedData
from evonas.deploy.card import Exhibit, card_values, check_card_paths, write_card
from evonas.deploy.card_text import card_text, escape
from evonas.deploy.usage import usage_of
from evonas.export_tasks import Exported
from evonas.runs.reader import DATA_NAME, RunReader
from genomes import DenseSpace, InputError
from tests.stub import StubEvaluator

NASTY = "a|b `c`\n# <script>*_[x](y)"
COUNT = 120


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            NASTY: rng.choice(["n|rth", "s`uth"], COUNT),
            "rooms": rng.integers(0, 9, COUNT).astype(float),
            "built": pd.Timestamp("2020-02-29") + pd.to_timedelta(rng.integers(0, 900, COUNT), "D"),
            "heated": rng.choice(["yes", "no"], COUNT),
        }
    )
    frame.loc[::7, "rooms"] = None
    frame["kind"] = np.where(frame["rooms"].fillna(0) > 4, "big", "s|mall")
    return frame


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the directory of a run."""
    from evonas.data.prepare import prepare_table

    data = prepare_table(table(), "kind", seed=0)
    directory = tmp_path_factory.mktemp("card") / "run"
    settings, budget = Settings(seed=3, population=4, finalists=0), Budget(generations=2)
    api.search_prepared(data, settings=settings, budget=budget, out=directory, evaluator=StubEvaluator)
    return directory


def exhibit(run: RunReader, data: PreparedData, path: Path, format: str = "keras") -> Exhibit:
    assert data.preparation is not None
    types = {"text": "string", "number": "float32"}
    coding = coding_of(data.preparation, coded=format in ("onnx", "tflite"))
    inputs = [
        {"name": each["name"], "dtype": types.get(each["kind"], "string"), "shape": [None, 1], "column": each["column"]}
        | ({"dtype": each["dtype"], "shape": [None, 6 if each["kind"] == "date" else 1]} if "values" in each else {})
        for each in coding
    ]
    outputs = [{"name": "probability", "dtype": "float32", "shape": [None, 1]}]
    interface = {"inputs": inputs, "outputs": outputs, "backend": "tensorflow", "parameters": 7}
    exported = Exported(path, {"log_loss": 0.5}, {"log_loss": 0.6}, False, "weights | scored", format, interface)
    return Exhibit(exported, ((run.ranked(1), 1.0),), 1)


def values(directory: Path, path: Path, **changes: Any) -> dict[str, Any]:
    with RunReader(directory) as run:
        data = PreparedData.load(directory / DATA_NAME)
        return card_values(exhibit(run, data, path, **changes), run, data)


def test_a_card_answers_a_readers_questions(found: Path) -> None:
    card = values(found, Path("best.keras"))
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["data"]["rows"] == {"training": 72, "validation": 24, "test": 24}
    roles = {column["name"]: column["role"] for column in card["data"]["columns"]}
    assert roles == {NASTY: "categorical", "rooms": "numeric", "built": "date", "heated": "boolean"}
    assert card["data"]["classes"] == ["big", "s|mall"]
    baseline = card["scores"]["baseline"]
    kinds = table()["kind"] == "s|mall"
    share = max(kinds.mean(), 1 - kinds.mean())
    assert baseline["test"]["accuracy"] == pytest.approx(share, abs=0.03)
    assert baseline["test"]["log_loss"] == pytest.approx(
        -np.log(share) * share - np.log(1 - share) * (1 - share), abs=0.05
    )
    assert card["search"]["trained"] == 8
    assert card["search"]["settings"]["strategy"] == "evolution"
    assert card["search"]["settings"]["seed"] == 3
    assert card["search"]["budget"] == {"generations": 2}
    assert card["versions"]["export"].keys() >= {"evonas", "keras", "numpy", "python", "backend"}
    (network,) = card["networks"]
    assert (network["num_outputs"], network["task"], network["rows"]) == (1, "binary", 72)
    assert card["model"]["flops"] > 0


@pytest.mark.parametrize(("output", "rows"), [("neighbours", 96), ("dense", None)])
def test_a_card_says_whether_the_file_holds_targets_of_training_rows(tmp_path: Path, output: str, rows: Any) -> None:
    from evonas.data.prepare import prepare_table

    space = DenseSpace(output=output, neighbours=False)
    settings, budget = Settings(seed=3, population=4, finalists=0), Budget(generations=1)
    data, run = prepare_table(table(), "kind", seed=0), tmp_path / "run"
    api.search_prepared(data, space=space, settings=settings, budget=budget, out=run, evaluator=StubEvaluator)
    card = values(run, Path("best.keras"))
    assert card["data"]["references"] == rows
    assert ("the targets of up to 96 training rows" in card_text(card)) == (rows is not None)


def test_names_of_a_user_s_do_not_break_the_text(found: Path) -> None:
    text = card_text(values(found, Path("best|1.keras")))
    assert "<script>" not in text.split("```")[0]
    assert "\n# <" not in text
    outside = "".join(text.split("```")[::2])
    for table_lines in (line for line in outside.splitlines() if line.startswith("|")):
        assert table_lines.replace("\\|", "").count("|") in {5, 6, 4, 3, 2}
    columns = [line for line in outside.splitlines() if line.startswith("| a")]
    assert {line.replace("\\|", "").count("|") for line in columns} == {6}
    assert "weights \\| scored" in outside.lower()


@pytest.mark.parametrize("text", ["a|b", "`x`", "*x*", "<b>", "# x", "a\nb", "[a](b)", "![a](b)", "a_b_c", "~~x~~"])
def test_escaped_text_is_one_line_of_plain_words(text: str) -> None:
    line = escape(text)
    assert "\n" not in line
    assert not any(sign in line.replace(f"\\{sign}", "") for sign in "|`*_[]<>#~!")


def test_usage_runs_as_it_is_written(found: Path) -> None:
    """Checks the rows that Keras would get; loading the model is left out."""
    usage = values(found, Path("best.keras"))["model"]["usage"]
    known: dict[str, Any] = {"np": np}
    exec(usage[usage.index("rows = {") : usage.index("print")], known)
    rows = known["rows"]
    assert rows[NASTY.replace("/", "_")].tolist() == ["n|rth"]
    assert rows["built"][0].startswith("202")
    assert rows["heated"].tolist() == ["true"]
    assert rows["rooms"].dtype == np.float32
    for format, word in (("savedmodel", "saved_model"), ("tflite", "Interpreter"), ("onnx", "onnxruntime")):
        usage = values(found, Path(f"best.{format}"), format=format)["model"]["usage"]
        assert word in usage
        compile(usage, "usage", "exec")


@pytest.mark.parametrize("format", ["keras", "onnx"])
def test_usage_of_series_pads_a_shorter_one(format: str) -> None:
    series = [np.zeros((steps, 2)) + np.arange(steps)[:, None] for steps in (4, 5, 6) * 10]
    data = prepare_samples({"training": read_samples("series", series, "x")}, {"training": np.arange(30) % 2}, seed=0)
    interface = {"inputs": [{"name": "columns", "dtype": "float32", "shape": [None, 6, 2]}]}
    exported = Exported(Path(f"best.{format}"), {}, {}, False, "", format, interface)
    usage = usage_of(exported, data)
    known: dict[str, Any] = {"np": np}
    exec(usage[usage.index("series = ") : usage.index("print")], known)
    rows = known["rows"]["columns"] if format == "onnx" else known["rows"]
    assert (rows.shape, rows.dtype) == ((1, 6, 2), np.float32)
    assert np.isnan(rows[0, 5:]).all()
    assert not rows[0, :5].any()
    whole = replace(data, preparation=replace(data.preparation, masked=False))  # type: ignore[type-var]
    assert "nan" not in usage_of(exported, whole)


def test_a_card_of_images_of_any_size_says_so(found: Path) -> None:
    card = values(found, Path("best.keras"))
    assert card["model"]["fixed_parameters"] == 0
    inputs = [{"name": "columns", "dtype": "float32", "shape": [None, None, None, 3]}]
    samples = {"words": "images of 24 x 24 pixels, 3 channels", "network_shape": [24, 24, 3], "kind": "image"}
    card["data"]["samples"] = samples | {"mean": [1.0], "std": [1.0]}
    card["model"]["parameters"], card["model"]["fixed_parameters"] = 1200, 300
    text = card_text(card | {"model": card["model"] | {"inputs": inputs}})
    assert "from images of any size, resized to 24 x 24 pixels, 3 channels" in text
    assert "1,200 trained parameters (1,500 with fixed ones)" in text
    exported = Exported(Path("m.keras"), {}, {}, False, "", "keras", {"inputs": inputs})
    usage = usage_of(exported, PreparedData.load(found / DATA_NAME))
    assert 'np.zeros((1, 100, 100, 3), "float32")' in usage


def test_only_cards_of_evonas_are_replaced(found: Path, tmp_path: Path) -> None:
    path = tmp_path / "best.keras"
    with RunReader(found) as run:
        data = PreparedData.load(found / DATA_NAME)
        written = write_card(exhibit(run, data, path), run, data)
        assert write_card(exhibit(run, data, path), run, data) == written
        written.write_text(written.read_text() + "My own remarks.\n")
        with pytest.raises(InputError, match="neither"):
            write_card(exhibit(run, data, path), run, data)
    assert written.read_text().startswith("# Model card: best.keras")
    assert json.loads((tmp_path / "best.keras.card.json").read_text())["card"] == 1
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / "other.keras.card.json").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        check_card_paths(tmp_path / "other.keras")


def test_no_text_of_a_card_is_interpreted(found: Path) -> None:
    """Neither Markdown and HTML nor a terminal interprets the text, wherever it comes from."""
    attack = "\x1b]52;c;x\x07\u202e<script>alert(1)</script>[a](javascript:b)`|\n# Forged"

    def spoilt(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoilt(each) for key, each in value.items()}
        if isinstance(value, list):
            return [spoilt(each) for each in value]
        return value + attack if isinstance(value, str) else value

    card = values(found, Path("best.keras"))
    kept = {name: card["data"][name] for name in ("task",)} | {"columns": card["data"]["columns"]}
    bad = spoilt(card)
    bad["data"] |= kept
    text = card_text(bad)
    outside = re.sub(r"(?ms)^(`{3,})[a-z]*$.*?^\1$", "", text)
    assert not [line for line in text.split("\n") if not line.isprintable()]
    assert "<script>" not in outside
    assert "[a](javascript:" not in outside
    assert not re.search(r"(?m)^# Forged", outside)
