"""The Weights & Biases tracker: what its library receives over a stop, and that the real library accepts it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.trackers import trackers_of
from tests.stub import StubEvaluator, no_standby

X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5]


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(api, "_worker", StubEvaluator)
    monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.chdir(tmp_path)


def test_each_network_is_logged_once_over_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, Any]] = []
    started: list[dict[str, Any]] = []
    summary: dict[str, Any] = {}

    def init(**options: Any) -> Any:
        started.append(options)
        return SimpleNamespace(log=logged.append, summary=summary, finish=lambda: started[-1].update(ended=True))

    fake = SimpleNamespace(init=init, Settings=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "wandb", fake)  # type: ignore[arg-type]
    evonas.search(X, Y, evaluations=3, population=4, out="run", strategy="random", callbacks=trackers_of(wandb="logs"))
    result = evonas.resume("run", evaluations=6, callbacks=trackers_of(wandb="logs"))
    assert len({(each["generation"], each["index"]) for each in logged}) == len(logged) == 6
    assert all({"rmse", "genes/optimizer", "val_loss"} <= each.keys() for each in logged)
    assert summary["best/rmse"] == result.best_score
    assert [each["mode"] for each in started] == ["offline"] * 2
    assert len({each["id"] for each in started}) == 1
    assert all(each["ended"] for each in started)


def test_the_library_takes_it() -> None:
    pytest.importorskip("wandb")
    evonas.search(X, Y, evaluations=3, population=3, out="run", strategy="random", callbacks=trackers_of(wandb="logs"))
    assert list(Path("logs").rglob("run-evonas-*.wandb"))
