"""Tuners that derive from `Evolution`, and spaces that grow, as in KerasTuner's guides. Nothing is trained."""

from __future__ import annotations

import pytest

from evonas import tuner
from evonas.runs import RunReader
from genomes import InputError

pytestmark = pytest.mark.keras


class Black(tuner.Evolution):
    """A black box, as in KerasTuner's documentation: no model, and a hyperparameter that only some trials reveal."""

    fails = ()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.heard = []

    def run_trial(self, trial, target, verbose=1):
        x = trial.hyperparameters.Float("x", -2.0, 2.0, default=1.0)
        self.heard.append(("run", trial.trial_id))
        if int(trial.trial_id) in self.fails:
            raise RuntimeError("no luck")
        deep = trial.hyperparameters.Int("deep", 0, 1, default=0)
        more = trial.hyperparameters.Float("late", 0.0, 1.0) if x < 0 else 0.0
        return (x - target) ** 2 + more + deep

    def on_trial_begin(self, trial):
        self.heard.append(("begin", trial.trial_id))

    def on_trial_end(self, trial):
        self.heard.append((trial.status, trial.trial_id, trial.score))

    def on_search_end(self):
        self.heard.append("end")


def test_a_black_box_is_searched_in_this_process_and_its_space_grows(tmp_path):
    options = {"max_trials": 30, "directory": tmp_path, "project_name": "run"}
    search = Black(**options)
    search.search(-1.0, verbose=0)
    assert [each for each in search.heard if each[0] == "run"] == [("run", f"{index:02d}") for index in range(30)]
    assert search.heard[0] == ("begin", "00")
    assert search.heard[2][0] == "COMPLETED"
    assert search.heard[-1] == "end"
    with RunReader(search.project_dir) as run:
        late = [name for name in run.space_json["genes"] if name.startswith("late_late")]
        having = [late[0] in record.genome["values"] for record in run.records()]
    assert late
    assert any(having)
    assert not having[0]
    for trial in search.oracle.get_best_trials(10):
        values = trial.hyperparameters.values
        assert trial.score == pytest.approx(
            (values["x"] + 1) ** 2 + values.get("late", 0.0) * (values["x"] < 0) + values["deep"]
        )
    (best,) = search.get_best_hyperparameters()
    assert best.get("x") < 0  # tuned: the target is reached
    assert best.get("late") < 0.5
    with pytest.raises(InputError, match=r"weights"):
        search.get_best_models()
    again = Black(**options)
    again.search(-1.0, verbose=0)
    assert again.heard == ["end"]  # all trials are done
    with pytest.raises(InputError, match="these differ: data"):
        Black(**options).search(2.0, verbose=0)


def test_failing_trials_end_a_search_if_requested(tmp_path):
    class Failing(Black):
        fails = (3, 4, 5)

    search = Failing(max_trials=30, directory=tmp_path, max_consecutive_failed_trials=3)
    with pytest.raises(
        InputError, match=r"fewer than 3 .*the last ones had none: the trial raised RuntimeError: no luck"
    ):
        search.search(0.0, verbose=0)
    assert len([each for each in search.heard if each[0] == "FAILED"]) == 3


def build(hp):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(hp.Int("units", 1, 4)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


class Routed(tuner.Evolution):
    """Tunes the fit, as in KerasTuner's FAQ, and overrides callbacks."""

    epochs = 0

    def run_trial(self, trial, *args, **kwargs):
        kwargs["batch_size"] = trial.hyperparameters.Int("batch_size", 16, 64, step=16)
        return super().run_trial(trial, *args, **kwargs)

    def on_epoch_end(self, trial, model, epoch, logs=None):
        assert "val_loss" in logs
        self.epochs += 1


@pytest.mark.soak
def test_run_trial_may_call_what_it_overrides(tmp_path):
    import numpy as np

    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    search = Routed(build, objective="val_loss", max_trials=2, executions_per_trial=2, directory=tmp_path)
    search.search(x, x[:, 0], epochs=2, validation_split=0.25, verbose=0)
    assert search.epochs == 8
    best = search.oracle.get_best_trials(1)[0]
    assert {"units", "batch_size"} <= best.hyperparameters.values.keys()
    (model,) = search.get_best_models()
    assert model.layers[0].units == best.hyperparameters["units"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "hypermodel must be given, a function build"),
        ({"hypermodel": build, "populaton": 4}, "did you mean 'population'"),
        ({"hypermodel": build, "max_retries_per_trial": -1}, "max_retries_per_trial must be a whole number"),
    ],
)
def test_mistakes_are_named(given, text):
    with pytest.raises(InputError, match=text):
        tuner.Evolution(objective="val_loss", **given)


def test_a_foreign_project_is_left_alone_and_the_message_names_the_tuner_s_fix(tmp_path):
    (tmp_path / "untitled_project").mkdir()
    (tmp_path / "untitled_project" / "oracle.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds a KerasTuner project \(oracle.json\), which overwrite=True"):
        tuner.Evolution(build, objective="val_loss", directory=tmp_path, overwrite=True)
    assert (tmp_path / "untitled_project" / "oracle.json").exists()


def test_unused_arguments_are_reported():
    with pytest.warns(UserWarning, match="tuner_id has no effect"):
        tuner.Evolution(build, objective="val_loss", tuner_id="tuner7", directory="/nonexistent")
