"""`evonas build`: rebuilds a champion's network from its genome alone, as the search built and compiled it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.config import Budget, Settings
from evonas.runs.genome_files import read_described
from evonas.runs.reader import RunReader
from genomes import DenseSpace, InputError
from tests.cli.commands import evonas as command
from tests.stub import StubEvaluator

COUNT = 60
SPACE = DenseSpace()


def genome(**training: Any) -> dict[str, Any]:
    """A genome with a skip connection, as JSON values."""
    layers = [
        {"units": 8, "activation": "relu", "sources": [0]},
        {"units": 6, "activation": "tanh", "sources": [0, 1]},
    ]
    settings = {"optimizer": "adam", "learning_rate": 0.01, "batch_size": 32, "schedule": "constant", "warmup": 0.0}
    value = {"encoding": "dense", "version": 1, "layers": layers, "output_sources": [1, 2], "dropout": 0.1}
    value |= {"normalization": "batch", "initializer": "he_normal"}
    return value | {"training": settings | {"weight_decay": 0.0, "l2": 1e-4} | training}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    from evonas.data.prepare import prepare_arrays

    x = np.random.default_rng(0).normal(size=(COUNT, 3))
    data = prepare_arrays(x, x @ [1.0, -2.0, 0.5], seed=0)
    settings = Settings(seed=0, population=4, finalists=0)
    budget, directory = Budget(generations=1), tmp_path / "run"
    api.search_prepared(data, settings=settings, budget=budget, out=directory, evaluator=StubEvaluator)
    return directory


def test_every_file_with_a_genome_is_read(run_dir: Path, tmp_path: Path) -> None:
    with RunReader(run_dir) as run:
        best = run.ranked(1)
    (tmp_path / "genome.json").write_text(json.dumps(best.genome))
    (tmp_path / "status.json").write_text(command("status", str(run_dir), "--json").stdout)
    near = best.genome.get("neighbours", {"bandwidths": []})
    count = len(near["bandwidths"])
    facts = {"num_features": 3 + count, "num_outputs": 1, "task": "regression", "seed": best.seed}
    assert best.genome["embedding"] != "none"  # so that the card lists the numeric columns, too
    facts |= {"numeric": [0, 1, 2, *[-1] * count], "views": []}
    network = {"genome": best.genome, "rows": 36, "epochs": 200, "loss": "auto", "share": 1.0, **facts}
    (tmp_path / "x.card.json").write_text(json.dumps({"card": 1, "networks": [network]}))
    told = {}
    for name in ("run", "run/population.json", "genome.json", "status.json", "x.card.json"):
        space, found, told[name] = read_described(tmp_path / name)
        assert space.genome_to_json(found) == best.genome
    assert told["genome.json"] == told["run/population.json"] == {}
    assert told["status.json"] == facts
    assert told["run"] == told["x.card.json"] == facts | {"rows": 36, "epochs": 200, "loss": "auto"}


@pytest.mark.parametrize(
    ("value", "options", "words"),
    [
        (genome(), [], "--features N"),
        (genome(), ["--features", "3"], "--outputs N"),
        (genome(), ["--features", "3", "--outputs", "1"], "--task"),
        (genome(), ["--features", "0", "--outputs", "1", "--task", "binary"], "from 1 to"),
        (genome(), ["--features", "3", "--outputs", "2", "--task", "binary"], "must be 1 for a binary"),
        (genome(), ["--features", "3", "--outputs", "1", "--task", "both"], "must not be 'both'"),
        (genome(schedule="cosine"), ["--features", "3", "--outputs", "1", "--task", "regression"], "--rows N"),
        (genome(), ["--features", "3", "--outputs", "1", "--task", "regression", "--loss", "x"], "loss must be one"),
        ({"card": 1, "networks": [{}, {}]}, [], "of an ensemble"),
        ({"best": None}, [], "no network in it"),
        ({"encoding": "hyperparameters"}, [], "with its space"),
        ([1], [], "genome"),
    ],
)
def test_missing_facts_are_asked_for(
    value: Any, options: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("genome.json").write_text(json.dumps(value))
    result = command("build", "genome.json", "-o", "model.keras", *options)
    assert result.exit_code == 2
    assert words in result.output
    assert not Path("model.keras").exists()


def test_the_file_s_name_is_checked_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.keras"):
        evonas.build(genome(), tmp_path / "model.h5")


@pytest.mark.keras
@pytest.mark.parametrize(
    ("training", "task", "outputs"),
    [
        ({}, "regression", 2),
        ({"optimizer": "adamw", "weight_decay": 1e-3, "schedule": "cosine", "warmup": 0.2}, "binary", 1),
        ({"optimizer": "nesterov", "schedule": "exponential"}, "multiclass", 3),
        ({"optimizer": "rmsprop", "warmup": 0.3}, "regression", 1),
    ],
)
def test_it_is_the_network_that_the_search_trained(
    training: dict[str, Any], task: str, outputs: int, tmp_path: Path
) -> None:
    import keras

    from evonas.data.prepared import Problem
    from evonas.training.single.graph_model import prepare_model
    from evonas.training_tasks import TrainingSettings

    value, rows, epochs = genome(**training), 100, 5
    path = tmp_path / "model.keras"
    facts: dict[str, Any] = {"features": 4, "outputs": outputs, "task": task, "rows": rows, "epochs": epochs}
    evonas.build_model(value, path, seed=7, **facts)
    built = keras.models.load_model(path)
    graph = SPACE.architecture(read_described(value)[1])
    problem = Problem(task, 4, outputs)
    wanted = prepare_model(graph, problem, TrainingSettings(trainer="single"), 7, rows, epochs)
    assert built.count_params() == wanted.count_params()
    assert [layer.get_config() for layer in built.layers] == [layer.get_config() for layer in wanted.layers]
    for found, weight in zip(built.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weight)
    assert built.loss.get_config() == wanted.loss.get_config()
    assert type(built.optimizer) is type(wanted.optimizer)
    configs = [model.optimizer.get_config() for model in (built, wanted)]
    for config in configs:
        del config["learning_rate"], config["name"]
    assert configs[0] == configs[1]
    steps = epochs * -(-rows // 32)
    np.testing.assert_allclose(_rates(built, steps), _rates(wanted, steps), rtol=1e-5)


def _rates(model: Any, steps: int) -> list[float]:
    """The learning rate of every step."""
    given = model.optimizer._learning_rate
    return [float(given(step) if callable(given) else given) for step in range(steps)]
