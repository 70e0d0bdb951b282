"""New rows of any kind: folders of images, arrays, series in long form."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.encoding.preprocessor import Preparation
from evonas.data.load import read_data
from evonas.data.prepared import PreparedData
from evonas.data.sample_kind import SampleOptions
from evonas.deploy.new_rows import new_rows, read_new_rows
from evonas.deploy.prediction import Predictor, prediction_table, score_table
from genomes.errors import InputError

RNG = np.random.default_rng(0)
LABELS = np.array(["cat", "dog"] * 20)


def predictor(data: PreparedData) -> Predictor:
    """Predicts the second class for all rows."""

    def outputs(x: Any) -> Any:
        assert data.preparation is not None
        return np.full(len(data.preparation.apply(x)), 0.9)

    return Predictor(data.problem, SimpleNamespace(_data=data, _outputs=outputs))


def test_images_in_a_folder_by_name(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    known = predictor(read_data(RNG.integers(0, 256, (40, 5, 4, 3)).astype(np.uint8), LABELS)[0])
    for index, label in enumerate(["cat", "dog", "dog"]):
        (tmp_path / "new" / label).mkdir(parents=True, exist_ok=True)
        image.new("L", (9, 7), index).save(tmp_path / "new" / label / f"{index}.png")
    rows = read_new_rows(tmp_path / "new", known)
    assert rows.x.shape == (3, 5, 4, 3)
    table = prediction_table(known, rows.x, rows.names)
    assert table.file.tolist() == ["cat/0.png", "dog/1.png", "dog/2.png"]
    assert set(table.label) == {"dog"}
    assert score_table(known, rows.x, rows.targets)["accuracy"] == pytest.approx(2 / 3)
    series = predictor(read_data(RNG.normal(size=(40, 5, 2)), LABELS)[0])
    with pytest.raises(InputError, match="a folder of images must be used with a model of images"):
        read_new_rows(tmp_path / "new", series)


def test_arrays_in_a_file(tmp_path: Path) -> None:
    known = predictor(read_data(RNG.integers(0, 256, (40, 8, 8)).astype(np.uint8), LABELS)[0])
    np.savez(tmp_path / "m.npz", x_train=np.zeros((9, 8, 8)), x_test=np.zeros((4, 8, 8)), y_test=LABELS[:4])
    rows = read_new_rows(tmp_path / "m.npz", known)
    assert len(rows) == 4
    assert score_table(known, rows.x, rows.targets)["accuracy"] == 0.5
    np.savez(tmp_path / "other.npz", x=np.zeros((9, 8, 7)))
    with pytest.raises(InputError, match="must hold one array x of rows of 8 x 8 x 1"):
        read_new_rows(tmp_path / "other.npz", known)


def test_series_in_long_form_give_one_row_per_id() -> None:
    steps = [pd.DataFrame({"id": f"s{k}", "t": range(5), "a": RNG.normal(size=5), "y": LABELS[k]}) for k in range(40)]
    table = pd.concat(steps)
    options = SampleOptions(series_id="id")
    known = predictor(read_data(table, "y", time_column="t", samples=options)[0])
    rows = new_rows(table.iloc[:15], known)
    assert len(rows) == 3
    assert prediction_table(known, rows.x, rows.names).id.tolist() == ["s0", "s1", "s2"]
    assert score_table(known, rows.x, rows.targets)["accuracy"] == pytest.approx(1 / 3)
    assert len(prediction_table(known, new_rows(table.drop(columns="y"), known).x)) == 40


def test_arrays_with_their_targets_beside() -> None:
    x = RNG.normal(size=(40, 5, 2))
    known = predictor(read_data(x, LABELS)[0])
    rows = new_rows(x, known, LABELS)
    assert score_table(known, rows.x, rows.targets)["accuracy"] == 0.5
    with pytest.raises(InputError, match="a target for each of 40 rows"):
        new_rows(x, known, LABELS[:3])


@pytest.mark.parametrize("carded", [True, False])
def test_columns_go_to_their_inputs(carded: bool) -> None:
    columns = ["a/b", "a_b", "label", "log", "x"]
    frame = pd.DataFrame([[1.0, 2.0, 3.0, 4.0, 5.0]] * 2, columns=columns)
    data, _ = read_data(pd.DataFrame(RNG.normal(size=(30, 6)), columns=[*columns, "y"]), "y")
    assert isinstance(data.preparation, Preparation)
    names = data.preparation.input_names()
    assert list(names.values()) == ["a_b", "a_b_", "label_", "log_", "x"]
    inputs = [SimpleNamespace(name=name, dtype="float32", shape=(None,)) for name in names.values()]
    seen: list[Any] = []

    def predict(rows: Any, **options: Any) -> Any:
        seen.append({name: float(values[0]) for name, values in rows.items()})
        return np.zeros((2, 1))

    model = SimpleNamespace(layers=[], inputs=inputs, predict=predict)
    known = {name: column for column, name in names.items()} if carded else {}
    if not carded:
        with pytest.raises(
            InputError, match=r"one column for the model's input 'a_b', not 'a/b', 'a_b': keep the card"
        ):
            Predictor(data.problem, model, known).outputs(frame)
        frame, inputs[:2] = frame.drop(columns=["a_b"]), inputs[:1]
    Predictor(data.problem, model, known).outputs(frame)
    assert seen == [{names[column]: frame[column][0] for column in frame.columns}]
    with pytest.raises(InputError, match="the column 'label'" if carded else "the column 'label_'"):
        Predictor(data.problem, model, known).outputs(frame.drop(columns=["label"]))


def test_predictions_are_listed_with_the_names_of_samples() -> None:
    known = predictor(read_data(RNG.integers(0, 256, (40, 5, 4, 3)).astype(np.uint8), LABELS)[0])
    table = prediction_table(known, np.zeros((2, 5, 4, 3), np.uint8), {"label": ["a", "b"], "file": ["c", "d"]})
    assert list(table.columns) == ["label_", "file", "label", "probability_cat", "probability_dog"]
    assert table["label_"].tolist() == ["a", "b"]
