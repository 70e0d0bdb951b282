"""A dense search needs no Keras, TensorFlow or JAX: neither the driver nor a worker can import them here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
#: Code that every Python process runs at its start, whoever starts it.
BLOCKING = """
import sys
for name in ("keras", "tensorflow", "jax", "torch", "sklearn", "scipy.stats"):
    sys.modules[name] = None
"""
WHOLE_SEARCH = """
import json, sys
import pandas
import evonas
result = evonas.search(sys.argv[1], "y", out="run", generations=3, population=4, epochs=3, finalists=2,
                       finalist_seeds=2, **json.loads(sys.argv[2]))
result = evonas.load_run("run")
print(json.dumps({
    "trainer": result.settings.trainer,
    "tests": result.test_scores,
    "finalists": len(result.finalists),
    "tested": bool(result.finalists.filter(like="test_").notna().all(axis=None)),
    "history": len(result.history),
    "predicted": len(result.predict(pandas.read_csv(sys.argv[1]))),
}))
"""


def run_without_keras(folder: Path, *arguments: str) -> str:
    """Standard output of this Python with those arguments, in the folder, with no Keras to be had."""
    (folder / "blocked").mkdir()
    (folder / "blocked" / "sitecustomize.py").write_text(BLOCKING)
    paths = [str(folder / "blocked"), str(ROOT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(folder: Path, kind: str) -> str:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = x[:, 0] - x[:, 1]
    target = {"regression": y, "binary": np.where(y > 0, "yes", "no")}[kind]
    frame = pd.DataFrame(x, columns=list("abc")).assign(colour=rng.choice(["red", "blue"], 120), y=target)
    frame.to_csv(folder / "table.csv", index=False)
    return "table.csv"


@pytest.mark.keras
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        pytest.param("binary", {}, marks=pytest.mark.soak),
        ("regression", {"repair": True, "max_latency_ms": 1000.0, "objective": "mean_absolute_percentage_error"}),
        ("regression", {"strategy": "neuroevolution"}),
    ],
)
@pytest.mark.sampled(1)
def test_a_whole_dense_search(kind: str, options: dict[str, object], tmp_path: Path) -> None:
    output = run_without_keras(tmp_path, "-c", WHOLE_SEARCH, table(tmp_path, kind), json.dumps(options))
    found = json.loads(output.splitlines()[-1])
    evolved = options.get("strategy") == "neuroevolution"
    assert found["trainer"] == "native"
    assert found["tests"]["rmse" if kind == "regression" else "log_loss"] > 0
    assert found["finalists"] == (0 if evolved else 2)
    assert found["tested"]
    assert (found["history"], found["predicted"]) == (3, 120)
    for name in ("results.csv", "population.json"):
        assert (tmp_path / "run" / name).stat().st_size > 0


@pytest.mark.soak
@pytest.mark.keras
def test_a_range_test(tmp_path: Path) -> None:
    arguments = ["lr-find", table(tmp_path, "regression"), "--target", "y", "--steps", "40", "--json"]
    found = json.loads(run_without_keras(tmp_path, "-m", "evonas", *arguments))
    assert 1e-6 < found["suggested"] < 10
