"""Raw columns in, predictions and labels out: the exported model computes what `Preparation.apply` computes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.prepare import prepare_arrays, prepare_table
from evonas.data.prepared import PreparedData
from evonas.export_tasks import ExportTask
from evonas.metrics.scores import compute_scores, predictions
from evonas.training.export.keras_file import check_keras_file
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import graph_to_json
from genomes.architecture.layers import NUMERIC_ENCODINGS
from genomes.errors import InputError
from tests.training.networks import graph

pytestmark = pytest.mark.keras
COUNT = 300
Make = Callable[[np.random.Generator], Any]
NETWORK = graph((5,))
NETWORK.nodes[0]["numbers"] = "piecewise"

#: Opens the file with nothing but Keras and numpy, and predicts what a CSV reader gave.
READER = """
import os, sys, csv, json
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.modules["evonas"] = sys.modules["genomes"] = sys.modules["pandas"] = None
import keras, numpy
model = keras.models.load_model(sys.argv[1])
rows = list(csv.DictReader(open(sys.argv[2], newline="")))
columns = {}
for given in model.inputs:
    cells = [row[given.name] for row in rows]
    if given.dtype == "string":
        columns[given.name] = numpy.array(cells, dtype=object)
    else:
        columns[given.name] = numpy.array([float(cell or "nan") for cell in cells])
found = model.predict(columns, verbose=0)
print(json.dumps({"probability": found["probability"].tolist(), "label": [x.decode() for x in found["label"]]}))
"""


def sampled(cells: Sequence[Any], p: Sequence[float] | None = None) -> Make:
    return lambda rng: rng.choice(np.array(cells, dtype=object), COUNT, p=p)


def stamps(form: str) -> Make:
    def make(rng: np.random.Generator) -> Any:
        days = pd.Timestamp("1890-01-01") + pd.to_timedelta(rng.integers(0, 5 * 10**9, COUNT), "s")
        return pd.Series(days).dt.strftime(form).astype(object)

    return make


def notes(rng: np.random.Generator) -> Any:
    """Texts of a few of some words, written in many ways."""
    words = [
        "Good",
        "bad!",
        "(so-so)",
        "ÉTÉ",
        "été",
        "don't",
        "x\u2003y",
        "\tİ\n",
        "漢字",
        "rare",
        '"good"',
        "A_b",
        "🙂",
    ]
    return [" ".join(rng.choice(words, rng.integers(1, 6))) for _ in range(COUNT)]


@dataclass(frozen=True)
class Kind:
    """A kind of column: its cells, whether some are missing, cells never seen, and types that hold the same cells."""

    make: Make
    gaps: bool = False
    unseen: tuple[Any, ...] = ()
    dtypes: tuple[str, ...] = ()
    role: str = ""


FLOATS, WHOLE = ("float32", "Float64", "object"), ("float64", "Int64", "object", "string")
TEXT = ("string", "category", "object")
#: Column -> what it is: all inputs that a table may have, each in the same tests.
KINDS: dict[str, Kind] = {
    "longitude": Kind(lambda rng: rng.normal(-119.5, 2, COUNT).astype(np.float32), True, (1e9, -1e29, 0), FLOATS),
    "stamp": Kind(lambda rng: rng.integers(1_700_000_000, 1_700_900_000, COUNT), False, (0, -1), WHOLE),
    "rooms": Kind(lambda rng: rng.integers(0, 9, COUNT), False, (-5, 1.5, 10**6), (*WHOLE, "uint8")),
    "a/b": Kind(lambda rng: np.exp(rng.normal(0, 4, COUNT)), True, (1e-30, -1.0)),
    "take": Kind(lambda rng: rng.integers(0, 2, COUNT), False, (2, 0.5), (*WHOLE, "bool", "boolean")),
    "storey": Kind(lambda rng: rng.integers(0, 4, COUNT), False, (99, 0.5), ("float64", "Int64"), "categorical"),
    "sure": Kind(sampled([True, False]), True, (), ("boolean", "object")),
    "heated": Kind(sampled(["Yes", "no"]), True, ("TRUE", "off", "1"), TEXT),
    "town": Kind(sampled(["north", "b,c", "é", "[UNK]"], [0.5, 0.3, 0.15, 0.05]), True, ("?", "North", "e"), TEXT),
    "street": Kind(sampled([f"street {number}" for number in range(140)]), False, ("nowhere", "\n"), TEXT),
    "built": Kind(stamps("%Y-%m-%d %H:%M:%S"), True, ("9999-12-31", "1700-02-29"), ("string", "object")),
    "day": Kind(stamps("%Y/%m/%d"), False, ("0001-01-01", "2024-02-29T23:59"), ("string", "object")),
    "sold": Kind(
        lambda rng: pd.Timestamp("2020-02-29") + pd.to_timedelta(rng.integers(0, 900, COUNT), "D"),
        True,
        (pd.Timestamp("0001-01-01"), pd.Timestamp("2100-12-31 12:30:15")),
        ("datetime64[s]", "datetime64[ns]", "object", "string"),
    ),
    "cabin": Kind(lambda rng: [None if row % 3 else f"C{row}" for row in range(COUNT)], True, ("Z9",), TEXT),
    "bonus": Kind(lambda rng: [None if row % 3 else 5.0 for row in range(COUNT)], True, (7.0,), FLOATS),
    "note": Kind(notes, True, ("nothing of it", "GOOD good\x0bbad", "!?", "good" * 999), TEXT, "text"),
}
ROLES = {name: kind.role for name, kind in KINDS.items() if kind.role}


def table() -> pd.DataFrame:
    """A column of each kind, many with gaps, and a target."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({name: pd.Series(kind.make(rng)) for name, kind in KINDS.items()})
    for name in (name for name, kind in KINDS.items() if kind.gaps):
        frame.loc[rng.choice(COUNT, 40, replace=False), name] = None
    frame["kind"] = np.where(frame["longitude"].fillna(0) > -119.5, "west", np.where(frame["rooms"] > 4, "é", "other"))
    return frame


def conditions() -> dict[tuple[str, str], pd.DataFrame]:
    """(column, what of it) -> a table where only that column is other than in `table`."""
    few = table().head(6)
    found: dict[tuple[str, str], pd.DataFrame] = {}
    for name, kind in KINDS.items():
        found[name, "as it is"] = few
        found[name, "in reverse order"] = few[list(few.columns[::-1])].assign(more=1)
        found[name, "all missing"] = few.assign(**{name: None})
        for cell in kind.unseen:
            found[name, f"unseen {cell!r:.20}"] = few.assign(**{name: pd.Series([cell] * len(few))})
        for dtype in kind.dtypes:
            found[name, dtype] = few.assign(**{name: few[name].astype(dtype)})
    return found


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare_table(table(), "kind", seed=0, numbers=NUMERIC_ENCODINGS, roles=ROLES)


@pytest.fixture(scope="module")
def whole(prepared) -> PreparedData:
    """As one network sees it."""
    return prepared.for_views("piecewise")


@pytest.fixture(scope="module")
def encode(prepared):
    """The layers in front of the network, as a function of a table."""
    import keras

    from evonas.training.export.preprocessing import encoder

    model = keras.Model(*encoder(prepared.preparation))

    def features(frame, **changes):
        given = prepared.preparation.inputs(frame)
        return computed(model, given | {name: change(given[name]) for name, change in changes.items()})

    features.of = lambda inputs: computed(model, inputs)
    return features


def computed(model, inputs):
    """What `predict` gives, without the graph that it makes of so many columns for each type of them: that takes half
    a minute. `test_plain_keras_predicts_the_rows_of_a_csv` predicts by one."""
    import keras

    outputs = model(inputs, training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def close(given, wanted):
    # Numbers of size 16 to 32, of which a mean is taken away, are 1.9e-6 apart in float32: a step, and its rounding.
    np.testing.assert_allclose(given, wanted, rtol=2e-6, atol=3e-6)


def test_every_kind_of_column(prepared, encode):
    frame = table()
    close(encode(frame), prepared.preparation.apply(frame))
    assert {step.column for step in prepared.preparation.steps} == set(KINDS)


def test_every_kind_missing_unseen_of_other_types_and_in_other_orders(prepared, encode):
    """All conditions of `KINDS` at once; in the same types of numbers, text and dates the features are the same."""
    preparation, usual = prepared.preparation, table().head(6)
    wanted, inputs = {}, []
    for place, frame in conditions().items():
        wanted[place] = preparation.apply(frame)
        inputs.append(preparation.inputs(frame))
    found = encode.of({name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]})
    for number, (place, features) in enumerate(wanted.items()):
        np.testing.assert_allclose(
            found[6 * number : 6 * number + 6], features, rtol=2e-6, atol=2e-6, err_msg=" ".join(place)
        )
        if not place[1].startswith(("all", "unseen")):
            np.testing.assert_array_equal(features, preparation.apply(usual), " ".join(place))


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("longitude", lambda x: x.astype(np.float64)),
        ("rooms", lambda x: x.astype(np.int64)),
        ("rooms", lambda x: x[:, None].astype(np.uint8)),
        ("take", lambda x: x.astype(bool)),
        ("heated", lambda x: np.array([cell.upper() for cell in x], dtype=object)),
        ("note", lambda x: np.array([cell.replace("bad", "BAD.") for cell in x], dtype=object)),
        ("built", lambda x: np.array([cell.replace(" ", "T").replace("-", "/") for cell in x], dtype=object)),
        ("sold", lambda x: np.array([cell[:10] for cell in x], dtype=object)),
    ],
)
@pytest.mark.sampled(1)
def test_other_types_of_the_same_cells(prepared, encode, column, change):
    frame = table()
    name = prepared.preparation.input_names()[column]
    close(encode(frame, **{name: change}), prepared.preparation.apply(frame))


def exported(prepared, path, task=None, **changes):
    """A file of a network with random weights, held to what they score."""
    import keras

    from evonas.training.export.export import export
    from evonas.training.model import build_model, get_weights
    from evonas.training.single.graph_model import raw_outputs

    keras.utils.set_random_seed(0)
    prepared = prepared.for_views("piecewise")
    model = build_model(NETWORK, prepared.problem.num_features, prepared.problem.num_outputs)
    split = prepared.splits[0]
    outputs = raw_outputs(model, split.x_validation)
    found = compute_scores(prepared.problem, split.y_validation, outputs)
    order = ExportTask(graph_to_json(NETWORK), path, get_weights(model), found | changes)
    order = replace(order, **(task or {}))
    return export(order, prepared, TrainingSettings()), predictions(prepared.problem, outputs), model


@pytest.fixture(scope="module")
def whole_file(whole, tmp_path_factory):
    """The file of a network of all kinds of columns."""
    return exported(whole, tmp_path_factory.mktemp("whole") / "best.keras")


@pytest.mark.soak
def test_plain_keras_predicts_the_rows_of_a_csv(whole, whole_file, tmp_path):
    written, _, network = whole_file
    frame = table().head(50)
    frame.drop(columns="kind").to_csv(tmp_path / "rows.csv", index=False)
    # Python writes truth values as words, and this reader gives numbers.
    text = (tmp_path / "rows.csv").read_text().replace("True", "1").replace("False", "0").replace("a/b", "a_b")
    (tmp_path / "rows.csv").write_text(text.replace("take", "take_"))
    command = [sys.executable, "-I", "-c", READER, str(written.path), str(tmp_path / "rows.csv")]
    given = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=240).stdout)
    wanted = predictions(whole.problem, np.asarray(network(whole.preparation.apply(frame))))
    np.testing.assert_allclose(given["probability"], wanted, atol=1e-5)
    assert given["label"] == [whole.problem.classes[place] for place in wanted.argmax(axis=1)]
    assert {"é"} <= set(whole.problem.classes)


@pytest.mark.soak
def test_what_is_written_is_let_in_again(whole_file, tmp_path):
    from evonas.training.export.keras_file import load_keras_file

    path = shutil.copy(whole_file[0].path, tmp_path / "best.keras")
    check_keras_file(path)
    assert load_keras_file(path).count_params()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def lookups(config, kind="StringLookup"):
        return [layer["config"] for layer in config["config"]["layers"] if layer["class_name"] == kind]

    for change in (
        lambda config: lookups(config)[0].update(vocabulary="/etc/passwd"),
        lambda config: lookups(config)[0].update(num_oov_indices=10**9),
        lambda config: lookups(config)[0].update(max_tokens=10**9),
        lambda config: lookups(config, "TextVectorization")[-1].update(ngrams=10**9),
        lambda config: lookups(config, "TextVectorization")[-1].update(output_mode="int"),
        lambda config: lookups(config, "TextVectorization")[-1].update(vocabulary="/etc/passwd"),
    ):
        config = json.loads(parts["config.json"])
        change(config)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (parts | {"config.json": json.dumps(config).encode()}).items():
                archive.writestr(name, content)
        with pytest.raises(InputError, match="look up texts in the form that evonas writes"):
            check_keras_file(path)


def test_a_difference_of_the_encoding_is_noticed(tmp_path):
    frame = table()[["longitude", "rooms", "town", "kind"]]
    small = prepare_table(frame, "kind", seed=0, numbers=NUMERIC_ENCODINGS).for_views("piecewise")
    first = small.preparation.steps[0]
    wrong = replace(first, mean=first.mean + 1e-2 * first.std)
    steps = (wrong, *small.preparation.steps[1:])
    with pytest.raises(RuntimeError, match="log_loss"):
        exported(replace(small, preparation=replace(small.preparation, steps=steps)), tmp_path / "best.keras")


@pytest.mark.soak
def test_an_array_is_one_input(tmp_path):
    import keras

    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4))
    x[:, 1], x[::7, 2] = 5.0, np.nan
    prepared = prepare_arrays(x, (x[:, 0] > 0).astype(int) + 3, seed=0)
    written, wanted, _ = exported(prepared, tmp_path / "best.keras")
    model = keras.models.load_model(written.path)
    assert model.input.shape == (None, 4)
    found = model.predict(prepared.raw["validation"], verbose=0)
    np.testing.assert_allclose(found["probability"][:, 0], wanted[:, 1], atol=1e-6)
    np.testing.assert_array_equal(found["label"], 3 + (wanted[:, 1] > 0.5))
    check_keras_file(written.path)


def test_images_are_taken_as_they_are(tmp_path):
    import keras

    images = np.random.default_rng(0).integers(0, 256, (90, 4, 3, 2)).astype(np.uint8)
    images[:, 0, 0] = 7  # an edge
    prepared = prepare_arrays(images, np.where(images[:, 1, 1, 0] > 99, "light", "dark"), seed=0)
    written, wanted, _ = exported(prepared, tmp_path / "best.keras")
    check_keras_file(written.path)
    model = keras.models.load_model(written.path)
    assert model.input.shape == (None, 4, 3, 2)
    rows = prepared.raw["validation"]
    assert rows.shape[1:] == (4, 3, 2)
    for pixels in (rows, rows.astype(np.uint8)):
        found = model.predict(pixels, verbose=0)
        np.testing.assert_allclose(found["probability"][:, 0], wanted[:, 1], atol=1e-6)
        assert [label.decode() for label in found["label"]] == [("dark", "light")[int(p > 0.5)] for p in wanted[:, 1]]
    prepared.save(tmp_path / "data.npz")
    assert PreparedData.load(tmp_path / "data.npz").raw["validation"].shape == rows.shape


def test_raw_rows_survive_the_file(whole, tmp_path):
    whole.save(tmp_path / "data.npz")
    read = PreparedData.load(tmp_path / "data.npz")
    assert read.preparation == whole.preparation
    for part, rows in whole.raw.items():
        assert list(read.raw[part]) == list(rows)
        for name, column in rows.items():
            np.testing.assert_array_equal(read.raw[part][name], column)
