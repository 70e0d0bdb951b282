"""Progress of trainings of a user's own models is known while they run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest

from evonas.estimators import EvolutionSearchCV
from evonas.runs.in_training import IN_TRAINING, TrainingNotes
from evonas.training.single import trials
from evonas.tuner import Evolution

pytestmark = pytest.mark.keras

X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
Y = X[:, :1]


class Looking(keras.callbacks.Callback):  # type: ignore[misc]
    """Reads the run's file after each reported epoch, as `evonas watch` does."""

    found: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __deepcopy__(self, memo: Any) -> Looking:
        return Looking(self.folder)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        for path in self.folder.rglob(IN_TRAINING):
            Looking.found += json.loads(path.read_text())["networks"]

    def on_native_epoch_end(self, epoch: int, logs: Any, training: Any) -> None:
        self.on_epoch_begin(epoch)


def model_of(units: int) -> keras.Model:
    model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are written immediately, by the thread that trains."""
    monkeypatch.setattr(TrainingNotes, "is_due", True)
    monkeypatch.setattr(trials, "usable_cores", lambda: 0)
    Looking.found = []


def test_a_tuner_reports_the_epoch_over_all_executions(tmp_path: Path) -> None:
    tuner = Evolution(
        lambda hp: model_of(hp.Int("units", 2, 4)),
        "loss",
        max_trials=1,
        executions_per_trial=2,
        directory=str(tmp_path),
    )
    tuner.search(X, Y, epochs=2, callbacks=[Looking(tmp_path)])
    assert [(each["epoch"], each["epochs"]) for each in Looking.found] == [(1, 4), (2, 4), (3, 4)]
    assert {each["parameters"] for each in Looking.found} <= {11, 16, 21}


def test_a_cross_validation_reports_the_epoch_over_all_folds(tmp_path: Path) -> None:
    search = EvolutionSearchCV(
        model_of, {"units": (2, 4)}, n_iter=1, cv=2, run_dir=tmp_path / "run", refit=False
    )  # fmt: skip
    search.fit(X, Y, epochs=3, callbacks=[Looking(tmp_path)])
    assert [(each["epoch"], each["epochs"]) for each in Looking.found] == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6)]
