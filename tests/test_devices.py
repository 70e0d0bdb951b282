"""Choosing a trainer from the machine's devices and the installed packages, without loading any of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evonas import devices
from evonas.config import Settings
from evonas.devices import chosen_trainer, has_gpu, keras_backend


def machine(folder: Path, *names: str) -> Path:
    """Creates a folder of device files."""
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "environment", "installed", "expected"),
    [
        (["nvidia0"], {}, ["nvidia.cudnn"], True),
        (["nvidia0"], {}, ["libcudnn"], True),
        (["nvidia0"], {"CUDA_VISIBLE_DEVICES": "0"}, ["nvidia.cudnn"], True),
        (["dxg"], {}, ["nvidia.cudnn"], True),
        (["kfd"], {"KERAS_BACKEND": "jax"}, ["jax_rocm60_plugin"], True),
        (["nvidia3"], {"KERAS_BACKEND": "jax"}, ["jax_cuda12_plugin"], True),
        (["nvidiactl", "null"], {}, ["nvidia.cudnn"], False),
        (["nvidia0"], {}, [], False),
        (["nvidia0"], {"KERAS_BACKEND": "jax"}, ["nvidia.cudnn", "libcudnn"], False),
        (["nvidia0"], {"KERAS_BACKEND": "torch"}, ["nvidia.cudnn"], False),
        *((["nvidia0"], {"CUDA_VISIBLE_DEVICES": hidden}, ["nvidia.cudnn"], False) for hidden in ("", "-1")),
    ],
)
def test_a_gpu_counts_where_it_is_there_visible_and_usable(names, environment, installed, expected, tmp_path):
    environment = {"KERAS_HOME": str(tmp_path), **environment}
    assert has_gpu(machine(tmp_path, *names), environment, installed.__contains__) is expected


def test_the_backend_is_that_of_the_environment_then_of_keras_own_settings(tmp_path):
    assert keras_backend({"KERAS_HOME": str(tmp_path)}) == "tensorflow"
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax"}))
    assert keras_backend({"KERAS_HOME": str(tmp_path)}) == "jax"
    assert keras_backend({"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "torch"}) == "torch"
    (tmp_path / "keras.json").write_text("[]")
    assert keras_backend({"KERAS_HOME": str(tmp_path)}) == "tensorflow"


@pytest.mark.parametrize("gpu", [True, False])
def test_the_choice_is_recorded_and_one_that_is_asked_for_stays(gpu, monkeypatch):
    monkeypatch.setattr(devices, "has_gpu", lambda: gpu)
    automatic = "population" if gpu else "native"
    assert Settings(seed=0).resolve("rmse").trainer == automatic
    assert Settings(seed=0).resolve("rmse", own_models=True).trainer == ("single" if gpu else "native")
    assert Settings(seed=0, precision="bfloat16").resolve("rmse").trainer == "population"
    assert [chosen_trainer(name) for name in devices.TRAINERS] == list(devices.TRAINERS)
