"""Models that take raw images, series and texts: the computations before their network, in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.data.encoding.codes import code_rows, coding_of
from evonas.data.prepare_samples import prepare_samples, read_samples
from genomes.errors import InputError
from tests.training.export.test_preprocessing import export_network

pytestmark = pytest.mark.keras

RNG = np.random.default_rng(0)
LABELS = np.array(["cat", "dog", "emu"] * 20)
SERIES = RNG.normal(3, 2, (60, 7, 2)).astype(np.float32)
SERIES[4, 3, 1] = np.nan
SAMPLES: dict[str, tuple[str, Any]] = {
    "image": ("image", RNG.integers(0, 256, (60, 5, 4, 3)).astype(np.uint8)),
    "series": ("series", SERIES),
    "masked": ("series", [SERIES[row, : 4 + row % 4] for row in range(60)]),
    "text": ("text", ["A good film, really!", "bad film", "so good", "bad. so BAD", "", "a film nobody saw"] * 10),
}


@pytest.fixture(scope="module", params=list(SAMPLES))
def data(request: Any) -> Any:
    kind, x = SAMPLES[request.param]
    return prepare_samples({"training": read_samples(kind, x, "x")}, {"training": LABELS}, seed=0)


@pytest.mark.parametrize("coded", [False, True])
def test_layers_compute_what_the_preparation_does(data: Any, coded: bool) -> None:
    import keras

    from evonas.training.export.preprocessing import encoder

    model = keras.Model(*encoder(data.preparation, coded))
    rows = data.raw["validation"]
    if coded:
        rows = code_rows(rows, coding_of(data.preparation))
    np.testing.assert_allclose(model.predict(rows, verbose=0), data.splits[0].x_validation, rtol=1e-5, atol=1e-5)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("format", ["keras", "savedmodel", "onnx", "tflite"])
def test_every_format_takes_raw_samples(data: Any, tmp_path: Path, format: str) -> None:
    from evonas.training.export.keras_file import load_keras_file

    for package in ("tf2onnx", "onnxruntime") if format == "onnx" else ():
        pytest.importorskip(package)
    path = tmp_path / {"keras": "m.keras", "savedmodel": "m", "onnx": "m.onnx", "tflite": "m.tflite"}[format]
    written, predicted, _ = export_network(data, path, {"format": format})
    (given,) = written.interface["inputs"]
    if data.problem.vocabulary:
        assert given["column"] == "text"
    else:
        assert tuple(given["shape"][1:]) == data.preparation.shape
    if format == "keras":
        outputs = load_keras_file(path).predict(data.raw["validation"], verbose=0)
        np.testing.assert_allclose(outputs["probability"], predicted, atol=1e-5)
        assert set(outputs["label"]) <= {"cat", "dog", "emu", b"cat", b"dog", b"emu"}
        assert [each["dtype"] for each in written.interface["outputs"]] == ["float32", "string"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("format", ["keras", "savedmodel"])
def test_images_of_any_size_are_resized(tmp_path: Path, format: str) -> None:
    import keras

    data = prepare_samples({"training": read_samples(*SAMPLES["image"], "x")}, {"training": LABELS}, seed=0)  # type: ignore[arg-type]
    path = tmp_path / ("m.keras" if format == "keras" else "m")
    written, _, _ = export_network(data, path, {"format": format, "resize": True})
    assert written.interface["inputs"][0]["shape"] == [None, None, None, 3]
    if format == "keras":
        from evonas.training.export.keras_file import load_keras_file

        large = np.repeat(np.repeat(data.raw["test"], 4, axis=1), 4, axis=2)
        model: keras.Model = load_keras_file(path)
        small = model.predict(data.raw["test"], verbose=0)["probability"]
        assert np.abs(model.predict(large, verbose=0)["probability"] - small).max() < 0.2
        _predict_images_of_several_sizes(path)
    series = prepare_samples({"training": read_samples(*SAMPLES["series"], "x")}, {"training": LABELS}, seed=0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="resize must be used with models of images"):
        export_network(series, tmp_path / "s.keras", {"resize": True})


def _predict_images_of_several_sizes(model: Path) -> None:
    """Predictions by such a file do not depend on which images are predicted together."""
    from evonas.deploy.new_rows import read_new_rows
    from evonas.deploy.prediction import prediction_table, predictor_of_file, score_table

    image = pytest.importorskip("PIL.Image")
    for index, label in enumerate(["cat", "dog", "emu", "cat"]):
        (place := model.with_name("new") / label).mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (20 + index % 3, 30, 3)).astype(np.uint8)
        image.fromarray(pixels).save(place / f"{index}.png")
    known = predictor_of_file(model)
    rows = read_new_rows(model.with_name("new"), known)
    found = prediction_table(known, rows.x, rows.names)
    assert found.file.tolist() == ["cat/0.png", "cat/3.png", "dog/1.png", "emu/2.png"]
    assert "accuracy" in score_table(known, rows.x, rows.targets)
    alone = read_new_rows(model.with_name("new") / "dog" / "1.png", known)
    assert prediction_table(known, alone.x).probability_cat[0] == pytest.approx(found.probability_cat[2], abs=1e-5)


def test_a_file_of_series_alone_predicts_a_table_in_long_form(tmp_path: Path) -> None:
    import pandas as pd

    from evonas.data.load import read_data
    from evonas.data.sample_kind import SampleOptions
    from evonas.deploy.new_rows import new_rows
    from evonas.deploy.prediction import prediction_table, predictor_of_file

    steps = [
        pd.DataFrame({"id": f"s{k}", "t": range(4 + k % 3), "a": RNG.normal(size=4 + k % 3), "b": float(k), "y": k % 2})
        for k in range(40)
    ]
    table = pd.concat(steps)
    data, _ = read_data(table, "y", time_column="t", samples=SampleOptions(series_id="id"))
    export_network(data, tmp_path / "m.keras", {})
    known = predictor_of_file(tmp_path / "m.keras")
    some = (
        table[table.id.isin(["s3", "s0"])]
        .sample(frac=1.0, random_state=0)
        .assign(other="x")[["other", "b", "a", "t", "id"]]
    )
    rows = new_rows(some, known)
    found = prediction_table(known, rows.x, rows.names).set_index("id")
    assert set(found.columns) == {"label", "probability_0", "probability_1"}
    assert found.label.dtype.kind == "i"
    samples = data.preparation.inputs(table[table.id.isin(["s0", "s3"])])  # type: ignore[union-attr]
    wanted = known.model.predict(samples, verbose=0)["probability"].ravel()
    np.testing.assert_allclose(found.loc[["s0", "s3"]].probability_1, wanted, atol=1e-6)
    with pytest.raises(InputError, match="'a'"):
        new_rows(some.drop(columns="a"), known)
