"""The ensemble of a cross-validated run has one network for each fold, so that together they have used every row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import evonas
from evonas.runs.finalists import ensemble_members
from evonas.runs.reader import RunReader


@pytest.mark.keras
@pytest.mark.soak
def test_members_train_on_each_fold_and_are_scored_on_the_held_out_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=np.where(x[:, 0] + 0.3 * x[:, 1] > 0, "yes", "no"))
    result = evonas.search(
        frame, "y", strategy="random", evaluations=3, population=3, epochs=4, cv=3, finalists=1, finalist_seeds=1,
        ensemble=3, calibrate=True, out="run", baseline=False, max_parameters=2_000,
    )  # fmt: skip
    with RunReader("run") as run:
        best = run.ranked(1)
        folds = dict(ensemble_members(0, best.digest, 1, 3, 3))
        members = [each for each in run.retrainings.trained(best.digest) if each.seed in folds]
        names = {each.weights for each in members}
    assert sorted(folds[each.seed] for each in members) == [0, 1, 2]
    assert len(names) == 3
    exported = result.export_ensemble("bag.keras", 3)
    accuracies = [each.evaluation.scores["accuracy"] for each in members]
    assert exported.validation_scores["accuracy"] == pytest.approx(np.mean(accuracies))
    assert [share for _, share in exported.members] == pytest.approx([1 / 3] * 3)
    assert exported.calibration["validation"]["ece"] != exported.calibration["validation"]["ece_before"]
    few = result.export_ensemble("two.keras", 2)
    assert len(few.members) == 2
    opened = keras.models.load_model("bag.keras")
    inputs = {name: frame[[name]].to_numpy() for name in ("a", "b", "c")}
    given = opened.predict(inputs, verbose=0)
    labels = [each.decode() for each in np.asarray(given["label"]).ravel()]
    assert np.mean(np.array(labels) == frame["y"].to_numpy()) > 0.6
