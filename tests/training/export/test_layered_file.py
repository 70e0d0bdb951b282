"""Opens files of networks of every kind; refuses those that need too many resources or contain unknown layers."""

from __future__ import annotations

import json
import math
import zipfile

import numpy as np
import pytest

from genomes.errors import InputError
from tests.training.layered import NETWORKS, rows

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Every network as a file, built once."""
    from evonas.training.model import build_model

    folder = tmp_path_factory.mktemp("files")
    found = {}
    for number, (name, network) in enumerate(NETWORKS.items()):
        found[name] = folder / f"{number}.keras"
        build_model(network, math.prod(network.graph["sample"][0]), 3).save(found[name])
    return found


def change_layer(path, place, change):
    """The file with one layer's configuration changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    (layer,) = (each for each in config["config"]["layers"] if each["name"] == place)
    change(layer)
    parts["config.json"] = json.dumps(config).encode()
    other = path.with_name("changed.keras")
    with zipfile.ZipFile(other, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return other


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", NETWORKS)
def test_files_written_by_evonas_are_opened_and_their_weights_counted(files, name):
    from evonas.training.export.keras_file import load_keras_file
    from evonas.training.export.layered_file import layered_weights

    model = load_keras_file(files[name])
    config = json.loads(zipfile.ZipFile(files[name]).read("config.json"))
    assert layered_weights(config, 1 << 20) == (model.count_params(), 3)
    with pytest.raises(InputError, match="need"):
        layered_weights(config, model.count_params() - 1)


#: Layers for which other formats have no single operation.
HARD = ("series of several lengths", "text")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("format", ["tflite", "onnx"])
@pytest.mark.parametrize("name", HARD)
@pytest.mark.soak
def test_other_formats_compute_the_same(name, format, tmp_path):
    from evonas.training.export import formats
    from evonas.training.model import build_model

    for package in ("tf2onnx", "onnxruntime") if format == "onnx" else ():
        pytest.importorskip(package)
    sample, masked = NETWORKS[name].graph["sample"]
    model = build_model(NETWORKS[name], math.prod(sample), 3)
    x = rows(sample, masked)
    with formats._spell_out(model):
        given = {"tflite": formats._tflite, "onnx": formats._onnx}[format](model, tmp_path / "m", x)
    np.testing.assert_allclose(given, model.predict(x, verbose=0), atol=1e-5)


def larger(key, value):
    def change(layer):
        layer["config"][key] = value

    return change


def directions(layer):
    layer["config"]["backward_layer"]["config"]["units"] = 1 << 14


CHANGES = {
    "filters": ("images", "layer_1", larger("filters", 1 << 20), "weights"),
    "kernel": ("images", "layer_1", larger("kernel_size", [4000, 4000]), "weights"),
    "no number": ("images", "layer_1", larger("filters", -4), "supported settings and inputs"),
    "padding": ("series", "layer_1", larger("padding", "valid"), "supported settings and inputs"),
    "embedding": ("text", "layer_1", larger("input_dim", 1 << 22), "weights"),
    "heads": ("text", "layer_3", larger("num_heads", 1 << 20), "weights"),
    "units": ("recurrent text", "layer_3", larger("units", 1 << 12), "weights"),
    "directions": ("both directions", "layer_1", directions, "supported settings and inputs"),
    "reshape": ("residual", "sample", larger("target_shape", [8, 8, 300]), "supported settings and inputs"),
    "unknown": ("images", "layer_1", lambda layer: layer.update(class_name="Conv3D"), "never writes"),
    "lambda": ("images", "layer_1", lambda layer: layer.update(class_name="Lambda"), "never writes"),
}


@pytest.mark.parametrize(("name", "place", "change", "words"), CHANGES.values(), ids=CHANGES)
def test_oversized_files_and_unknown_layers_are_refused(files, name, place, change, words):
    from evonas.training.export.keras_file import load_keras_file

    with pytest.raises(InputError, match=words):
        load_keras_file(change_layer(files[name], place, change))
