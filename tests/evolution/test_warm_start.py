"""What a search takes over from another run: its champions, and the weights of its best network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.data.prepare import prepare_arrays
from evonas.data.prepared import PreparedData, Problem
from evonas.data.pretrained import PretrainedNetwork
from evonas.networks.forward import forward
from evonas.networks.initial import initial_weights
from evonas.networks.transfer import transfer_weights
from evonas.runs import RunReader
from genomes import DenseSpace, InputError, Range
from genomes.architecture.graph import graph_from_json, graph_to_json
from tests.api.test_search import StubEvaluator, table
from tests.stub import no_standby

#: Plain networks; tests/training/test_embeddings_and_members.py covers what others take over.
SPACE = DenseSpace(neighbours=False, layers=Range(1, 3), units=Range(4, 16), embedding="none", members=1)


def donor(features: tuple[str, ...] = ("a", "b", "c"), seed: int = 0) -> PretrainedNetwork:
    genome = SPACE.sample(np.random.default_rng(seed))
    graph = SPACE.architecture(genome)
    rng = np.random.default_rng(seed + 1)
    weights = {
        name: (value + 0.1 * np.abs(rng.normal(size=value.shape))).astype(np.float32)
        for name, value in initial_weights(graph, len(features), 1, seed).items()
    }
    return PretrainedNetwork(graph_to_json(graph), weights, features, ("y",), ())


def problem(*features: str, target: str = "y") -> Problem:
    return Problem("regression", len(features), 1, (0.0,), (1.0,), (), features, (target,))


def outputs(graph: Any, weights: Any, rows: Any) -> Any:
    return forward(graph, weights, rows).outputs[len(graph) - 1]


@pytest.mark.parametrize("seed", range(6))
def test_the_same_network_on_the_same_features_computes_the_same(seed: int) -> None:
    given = donor(seed=seed)
    graph = graph_from_json(given.architecture)
    rows = np.random.default_rng(9).normal(size=(50, 3)).astype(np.float32)
    order = [2, 0, 1]
    here = problem(*(given.feature_names[k] for k in order))
    weights = transfer_weights(given, here, graph, initial_weights(graph, 3, 1, 5), rows[:, order], 5)
    np.testing.assert_allclose(
        outputs(graph, weights, rows[:, order]), outputs(graph, given.weights, rows), rtol=1e-4, atol=1e-4
    )


def test_new_features_start_small_and_lost_ones_are_left_out() -> None:
    given = donor()
    graph = graph_from_json(given.architecture)
    rows = np.random.default_rng(9).normal(size=(50, 2)).astype(np.float32)
    initial = initial_weights(graph, 2, 1, 5)
    weights = transfer_weights(given, problem("b", "new"), graph, initial, rows, 5)
    np.testing.assert_allclose(weights["layer_1/kernel"][1], 0.1 * initial["layer_1/kernel"][1], rtol=1e-6)
    np.testing.assert_allclose(weights["layer_1/kernel"][0], given.weights["layer_1/kernel"][1], rtol=1e-6)


def test_another_target_keeps_the_hidden_layers_only() -> None:
    given = donor()
    graph = graph_from_json(given.architecture)
    rows = np.random.default_rng(9).normal(size=(50, 3)).astype(np.float32)
    initial = initial_weights(graph, 3, 1, 5)
    weights = transfer_weights(given, problem("a", "b", "c", target="z"), graph, initial, rows, 5)
    np.testing.assert_array_equal(weights["output/kernel"], initial["output/kernel"])
    np.testing.assert_allclose(weights["layer_1/kernel"], given.weights["layer_1/kernel"], rtol=1e-6)


def test_weights_of_another_network_are_refused() -> None:
    given = donor()
    wrong = replace(given, weights={name: value[..., :1] for name, value in given.weights.items()})
    graph = graph_from_json(given.architecture)
    rows = np.zeros((5, 3), np.float32)
    with pytest.raises(InputError, match="must be those of their network"):
        transfer_weights(wrong, problem("a", "b", "c"), graph, initial_weights(graph, 3, 1, 5), rows, 5)


def test_prepared_data_carry_the_pretrained_network(tmp_path: Path) -> None:
    data = replace(prepare_arrays(*table(), seed=0), pretrained=donor())
    data.save(tmp_path / "data.npz")
    back = PreparedData.load(tmp_path / "data.npz").pretrained
    assert back is not None
    assert back.about() == donor().about()
    for name, value in donor().weights.items():
        np.testing.assert_array_equal(back.weights[name], value)


class TestSearch:
    @pytest.fixture(autouse=True)
    def stub(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(api, "_worker", StubEvaluator)
        monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
        monkeypatch.chdir(tmp_path)

    def test_warm_start_begins_with_champions_of_other_data(self) -> None:
        first = evonas.search(*table(), space=SPACE, generations=3, population=5, out="first")
        x, y = table(seed=3)
        second = evonas.search(
            x[:, :2], y, space=SPACE, generations=1, population=5, seed=4, out="second", warm_start="first"
        )
        with RunReader("second") as run:
            begun = [SPACE.genome_from_json(record.genome) for record in run.records()]
            assert run.source["warm_start"] == "first"
        assert begun == first.population
        assert second.best_score == first.best_score  # the stub's scores do not depend on the data

    @pytest.mark.soak
    def test_published_defaults_are_among_the_first_networks(self) -> None:
        def operators(name: str, **options: Any) -> list[str]:
            evonas.search(*table(), population=8, generations=2, seed=0, out=name, **options)
            with RunReader(name) as run:
                assert not any("known" in record.operator for record in run.records() if record.generation)
                return [record.operator for record in run.records() if record.generation == 0]

        first = operators("run")
        names = ("plain network with neighbours", "learned neighbours", "high frequencies", "RealMLP")
        assert first[:4] == [f"known default: {name}" for name in names]  # half of the population
        assert len(first) == 8
        assert first == operators("again")
        for options in ({"known_defaults": False}, {"strategy": "random"}):
            assert set(operators(options.get("strategy", "none"), **options)) == {"sample"}

    def test_champions_take_encodings_that_the_new_data_have(self) -> None:
        x, y = table()
        space = DenseSpace(layers=1, units=8, numbers="piecewise")
        rng = np.random.default_rng(0)
        # Neighbour features are off: two champions that differ in these alone would be the same network here.
        given = {"space": space, "generations": 1, "neighbours": False, "out": "forms"}
        evonas.search(rng.normal(size=(300, 2)), rng.normal(size=300), **given)
        few = evonas.search(
            x[:30],
            y[:30],
            space=DenseSpace(layers=1, units=8),
            population=4,
            generations=1,
            out="few",
            warm_start="forms",
        )
        assert few.space.domain("numbers").options == ("standard", "robust")
        with RunReader(few.run_dir) as run:
            # Includes the other run's best network; its known defaults keep their names.
            operators = [record.operator for record in run.records()]
        assert all(operator == "seed" or operator.startswith("known default") for operator in operators), operators
        assert len(operators) == 4

    def test_warm_start_reports_what_is_not_in_the_space(self) -> None:
        evonas.search(*table(), space=SPACE, generations=1, population=5, out="first")
        narrow = DenseSpace(layers=Range(1, 3), units=Range(100, 200))
        with pytest.raises(InputError, match="none of the best 5 of first is in it"):
            evonas.search(*table(), space=narrow, generations=1, out="second", warm_start="first")
        assert not Path("second").exists()
        with pytest.raises(InputError, match="there is none in nowhere"):
            evonas.search(*table(), space=SPACE, generations=1, out="second", warm_start="nowhere")

    def test_transfer_needs_networks_of_one_kind_that_are_trained(self) -> None:
        evonas.search(*table(), space=SPACE, generations=1, population=5, out="first")
        with pytest.raises(InputError, match="neuroevolution evolves their weights"):
            evonas.search(
                *table(), space=SPACE, strategy="neuroevolution", generations=1, out="second", transfer="first"
            )
        genes = {"units": [4, 8]}
        with pytest.raises(InputError, match="networks of one kind"):
            evonas.search(
                *table(), build=lambda genes: None, space=genes, generations=1, out="second", transfer="first"
            )


@pytest.mark.keras
@pytest.mark.parametrize("trainer", ["population", "single"])
def test_both_trainers_start_from_the_pretrained_weights(trainer: str) -> None:
    from evonas.training.population.trainer import PopulationTrainer
    from evonas.training.single.trainer import SingleTrainer
    from evonas.training_tasks import TrainingSettings, TrainingTask

    data = prepare_arrays(*table(), seed=0)
    space = DenseSpace(layers=1, units=8, dropout=0.0, normalization="none", learning_rate=1e-6, optimizer="sgd")
    space = replace(space, scaling=False, label_smoothing=0.0, embedding="none", members=1, output="dense")
    genome = space.sample(np.random.default_rng(0))
    graph = space.architecture(genome)
    weights = initial_weights(graph, 3, 1, 7)
    given = PretrainedNetwork(graph_to_json(graph), weights, data.problem.feature_names, data.problem.target_names, ())
    made = {"population": PopulationTrainer, "single": SingleTrainer}[trainer]
    settings = TrainingSettings(patience=None)
    task = TrainingTask(graph_to_json(graph), 1, 1)
    (part,) = [part for part in made(replace(data, pretrained=given), settings).train([task]) if part]
    split = data.splits[0]
    error = outputs(graph, weights, split.x_validation) - split.y_validation
    assert part[0].curve[0] == pytest.approx(np.mean(error**2), rel=1e-3)
