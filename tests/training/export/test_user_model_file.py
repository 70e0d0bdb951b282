"""Users' own models are opened if all their layers are Keras's, and if they are no larger than their file claims."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from evonas.training.export.keras_file import check_keras_file, load_keras_file, without_current_directory
from genomes.errors import InputError

layers = keras.layers


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inputs = keras.Input((6, 1))
    h = layers.Conv1D(4, 3, activation="gelu", kernel_regularizer="l2")(inputs)
    h = layers.BatchNormalization()(layers.Normalization(mean=1.0, variance=2.0)(h))
    h = layers.Dropout(0.1)(layers.Bidirectional(layers.GRU(3))(h))
    h = keras.ops.where(h > 0, h * 2.0, 0.0)
    model = keras.Model(inputs, layers.Dense(2, dtype=keras.DTypePolicy("mixed_bfloat16"))(h))
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 9)), keras.losses.Huber())
    model.optimizer.build(model.trainable_variables)
    found = tmp_path_factory.mktemp("own") / "model.keras"
    model.save(found)
    return found


def test_models_with_layers_of_keras_only_are_opened(path: Path) -> None:
    model = load_keras_file(path, own=True)
    assert model.predict(np.zeros((2, 6, 1)), verbose=0).shape == (2, 2)


def dense(config: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in config["config"]["layers"] if each["class_name"] == "Dense")


ATTACKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another package": lambda c: dense(c).update(module="keras_hub.layers"),
    "prefix": lambda c: dense(c).update(module="keras_evil.layers"),
    "inner name of a layer": lambda c: dense(c).update(module="keras.src.layers.core.dense"),
    "other name of a layer": lambda c: dense(c).update(module="keras.src.layers"),
    "lambda": lambda c: dense(c).update(class_name="Lambda"),
    "inner lambda": lambda c: dense(c).update(module="keras.src.layers.core.lambda_layer", class_name="Lambda"),
    "saved model": lambda c: dense(c).update(class_name="TFSMLayer", config={"filepath": "x"}),
    "function": lambda c: dense(c)["config"].update(activation={"class_name": "function", "module": "builtins"}),
    "type of a tensor": lambda c: dense(c).update(class_name="__typespec__", module="keras_hub", spec_name="X"),
    "utility": lambda c: dense(c).update(module="keras.utils", class_name="get_file"),
    "registered name": lambda c: dense(c).update(registered_name="evil>Dense"),
    "list of words in a file": lambda c: dense(c).update(
        class_name="StringLookup", config={"vocabulary": "/etc/passwd"}
    ),
    "too wide": lambda c: dense(c)["config"].update(units=10**9),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_all_other_models_are_refused(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    for package in ("keras_hub", "keras_evil"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("open('executed', 'w')")
    with zipfile.ZipFile(path) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    config = json.loads(parts["config.json"])
    ATTACKS[name](config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile("bad.keras", "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, content)
    with pytest.raises(InputError, match=r"bad.keras must be a Keras model"):
        check_keras_file(Path("bad.keras"), own=True)
    assert not (tmp_path / "executed").exists()


def test_nothing_is_imported_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("", ".", str(tmp_path)):
        monkeypatch.syspath_prepend(folder)
    held = list(sys.path)
    with without_current_directory():
        assert not {"", ".", str(tmp_path)} & set(sys.path)
    assert sys.path == held
