"""How the model card explains the use of a model with many inputs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from evonas.deploy.usage import usage_of


def test_a_model_of_many_inputs_reads_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    names = [f"c{index}" for index in range(12)]
    inputs = [{"name": name, "column": name, "dtype": "float32", "shape": [None]} for name in names]
    inputs.append({"name": "a_b", "column": "a/b", "dtype": "string", "shape": [None]})
    inputs.append({"name": "a_b_", "column": "a_b", "dtype": "string", "shape": [None]})
    exported: Any = SimpleNamespace(interface={"inputs": inputs}, format="keras", path=Path("best.keras"))
    text = usage_of(exported, SimpleNamespace(preparation=None))  # type: ignore[arg-type]
    assert len(text.splitlines()) < 16
    (tmp_path / "new.csv").write_text(f"{','.join(names)},a/b,a_b\n{','.join(['?'] * 12)}, x, y\n")
    predicted: list[Any] = []
    fields = [SimpleNamespace(name=each["name"], dtype=each["dtype"]) for each in inputs]
    keras: Any = ModuleType("keras")
    keras.models = SimpleNamespace(load_model=lambda path: SimpleNamespace(inputs=fields, predict=predicted.append))
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "card", "exec"), {})
    (rows,) = predicted
    assert rows["a_b"].tolist() == ["x"]
    assert rows["a_b_"].tolist() == ["y"]
    assert rows["c0"].dtype == "float32"
