"""Searches over a user's own models, from start to exported file, with real Keras in the worker process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evonas
from evonas.execution_options import Execution
from evonas.runs import RunReader
from genomes import InputError, Range
from tests.cli.commands import process

pytestmark = pytest.mark.keras

SPACE = {"units": Range(2, 8), "activation": ["relu", "tanh"], "learning_rate": Range(1e-3, 1e-1, log=True)}
#: In one worker: another one would import Keras once more.
QUICK = {"population": 2, "epochs": 1, "finalists": 0, "execution": Execution("processes", 1)}
NET = f"{Path(__file__).with_name('own_net.py')}:build_model"
X = np.random.default_rng(0).normal(size=(90, 4, 3))
Y = X.mean(axis=(1, 2)) * 10 + 5


def rows_of(run_dir):
    with RunReader(run_dir) as run:
        return [(r.digest, r.seed, r.evaluation.status, r.evaluation.reason, r.evaluation.curve) for r in run.records()]


def build_model(genes):
    import keras

    layers = [keras.layers.Dense(genes.units, activation=genes.activation) for _ in range(2)]
    return keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), *layers, keras.layers.Dense(1)])


def test_a_function_of_this_session(tmp_path):
    result = evonas.search(X, Y, build=build_model, space=SPACE, generations=1, out=tmp_path / "run", **QUICK)
    with pytest.raises(InputError, match="build must be given again"):
        evonas.resume(tmp_path / "run", generations=3)
    with pytest.raises(InputError, match=r"build must be the function of the run .* not '<lambda>' with"):
        evonas.resume(tmp_path / "run", build=lambda genes: None, generations=3)
    with pytest.raises(InputError, match="build must be given again"):
        evonas.load_run(tmp_path / "run").export(tmp_path / "other.keras")
    assert result.exported.validation_scores == pytest.approx(result.best.evaluation.scores, rel=1e-4)
    predicted = result.best_model.predict(result.prepare(X[:7]), verbose=0)
    assert predicted.shape == (7, 1)
    assert 0 < predicted.mean() < 10


@pytest.mark.soak
def test_a_resumed_run_is_the_unbroken_one(tmp_path):
    evonas.search(X, Y, build=build_model, space=SPACE, generations=3, out=tmp_path / "a", **QUICK)
    evonas.search(X, Y, build=build_model, space=SPACE, evaluations=4, out=tmp_path / "b", **QUICK)
    evonas.resume(tmp_path / "b", build=build_model, generations=3, evaluations=100)
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")


@pytest.mark.soak
def test_a_file_on_the_command_line(tmp_path):
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    (tmp_path / "space.toml").write_text(
        '[genes]\nunits = { low = 4, high = 8 }\nactivation = "relu"\nlearning_rate = 0.01\n'
    )
    options = ["--build", NET, "--space", str(tmp_path / "space.toml"), "--population", "4", "--epochs", "2"]
    options += ["--finalists", "0"]
    run = tmp_path / "run"
    result = process(
        "run", str(tmp_path / "data.npz"), "--target", "y", *options, "--generations", "1", "--out", str(run)
    )
    assert result.returncode == 0, result.stderr
    assert "Test, which the search never saw" in result.stdout
    assert "--build" in result.stdout
    reasons = {row[3] for row in rows_of(run)}
    assert any("units are too many" in reason for reason in reasons)
    assert "" in reasons
    result = process("resume", str(run), "--generations", "2")
    assert result.returncode == 2
    assert f"--build {NET}" in result.stderr
    models = list((run / "models").iterdir())
    script = (
        "import sys; sys.modules['evonas'] = None; import keras, own_net; model = keras.models.load_model(sys.argv[1])"
    )
    command = [
        sys.executable,
        "-c",
        f"{script}; print([layer.name for layer in model._flatten_layers()])",
        str(models[0]),
    ]
    output = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout
    assert "doubling" in output
