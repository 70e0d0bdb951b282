"""The first generation of a short run: small networks where the usual ones would take too long."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.api.resolved_settings import with_rungs
from evonas.config import Budget, Settings
from evonas.data.prepare import prepare_arrays
from evonas.data.prepared import PreparedData, Problem, Split
from evonas.display import start_summary
from evonas.evaluation import Candidate, Status
from evonas.evolution.constraints import Screen
from evonas.evolution.first_generation import FirstGeneration, first_generation
from evonas.evolution.training_cost import Speed, cost_of_training, speed_of, training_seconds
from evonas.objective import Objective
from evonas.runs import RunReader
from evonas.strategies import STRATEGIES, make_strategy
from genomes import ConvolutionalSpace, DenseSpace, HyperparameterSpace, Range, SequenceSpace
from genomes.architecture.cost import count_flops, count_frozen_flops, count_parameters
from genomes.architecture.neighbours import Neighbours
from genomes.dense.known_defaults import known_defaults
from tests.stub import StubEvaluator

# Plain networks, whose cost follows from their size.
RMSE, SPACE = Objective("rmse", "min"), DenseSpace(embedding="none", members=1, output="dense")


@pytest.fixture(scope="module")
def data() -> PreparedData:
    x = np.random.default_rng(0).normal(size=(2000, 6))
    return prepare_arrays(x, x @ np.arange(6), seed=0)


def began(data: PreparedData, seconds: float, space: Any = SPACE, **options: Any) -> FirstGeneration | None:
    initial = options.pop("initial", ())
    settings = Settings(**{"seed": 0, "population": 10, "trainer": "single", **options}).resolve("rmse")
    machine = {"flops": lambda: 1e9, "share": lambda threads: 1.0}
    return first_generation(space, data, settings, RMSE, initial, seconds, 1, **machine)


def sizes(genomes: Any) -> list[int]:
    return [count_parameters(SPACE.architecture(genome), 6, 1) for genome in genomes]


def test_nothing_is_changed_where_the_time_is_long_or_the_cost_unknown(data: PreparedData) -> None:
    assert began(data, float("inf")) is None
    assert began(data, 1e5) is None
    assert began(data, 100, HyperparameterSpace({"x": Range(0.0, 1.0)})) is None
    assert began(data, 100, strategy="neuroevolution") is None
    assert began(data, 100, trainer="population") is None


def test_the_shorter_the_time_the_smaller_the_networks(data: PreparedData) -> None:
    found = [began(data, seconds, seed=7) for seconds in (450, 300)]
    means = []
    for first, seconds in zip(found, (450, 300), strict=True):
        assert first is not None
        assert len({SPACE.digest(genome) for genome in first.genomes}) == 10
        assert all(SPACE.contains(genome) for genome in first.genomes)
        assert (first.epochs, first.seconds < seconds / 2) == (50, True)
        means.append(np.mean(sizes(first.genomes)))
        assert first == began(data, seconds, seed=7)
    assert means[1] < means[0]


def test_networks_given_by_the_user_are_kept(data: PreparedData) -> None:
    large = SPACE.sample(np.random.default_rng(1))
    first = began(data, 200, initial=(large,))
    assert first is not None
    assert first.genomes[0] == large
    assert len(first.genomes) == 10


def test_known_defaults_of_tables_are_as_wide_as_their_share_of_the_time_allows(data: PreparedData) -> None:
    space = DenseSpace(embedding="none", members=1, neighbours=False, output="dense")
    known = [tuple(variants.values()) for variants in known_defaults(space, "regression")]
    settings = Settings(seed=0, population=10, trainer="native").resolve("rmse")
    machine: dict[str, Any] = {"flops": lambda: 1e9, "share": lambda threads: 1.0, "known": known}
    speed = speed_of("native")
    assert speed is not None
    cost = cost_of_training(space, data, settings, speed, 1e9)

    def widths(seconds: float) -> list[int]:
        first = first_generation(space, data, settings, RMSE, (), seconds, 1, **machine)
        assert first is not None
        there = [genome for genome in first.genomes if genome in set(chain.from_iterable(known))]
        room = 0.5 * seconds - 2
        assert sum(cost(genome, settings.epochs) for genome in there) <= 0.7 * min(room, math.sqrt(60 * room))
        assert len(there) == len(known)
        return [genome.layers[0].units for genome in there]

    short, longer, longest = widths(60), widths(200), widths(300)
    for before, after in pairwise([short, longer, longest]):
        assert all(few <= more for few, more in zip(before, after, strict=True))
        assert sum(before) < sum(after)
    # A known default may take more than an equal share of the time.
    first = first_generation(space, data, settings, RMSE, (), 200, 1, **machine)
    assert first is not None
    assert max(cost(genome, settings.epochs) for genome in first.genomes) > 98 / 10


def test_neighbour_features_cost_time_once_for_each_bandwidth(data: PreparedData) -> None:
    speed = speed_of("native")
    assert speed is not None
    space = DenseSpace(neighbours=False)
    genome = space.sample(np.random.default_rng(0))
    columns = (data.problem.feature_names[0],)
    seconds = []
    for bandwidths in ((), (0.1,), (0.1, 1.0)):
        there = replace(genome, neighbours=Neighbours(columns, bandwidths) if bandwidths else None)
        seconds.append(cost_of_training(space, data, Settings().resolve("rmse"), speed, 1e9)(there, 0))
    rows = len(data.splits[0].y_train)
    assert seconds[1] - seconds[0] == pytest.approx(175e-9 * rows**2)
    assert seconds[2] - seconds[1] == pytest.approx(175e-9 * rows**2)


def test_epochs_are_reduced_if_nothing_is_cheap_enough_unless_given(data: PreparedData) -> None:
    first = began(data, 45)
    assert first is not None
    assert 3 <= first.epochs < 50
    kept = began(data, 45, epochs=50)
    assert kept is not None
    assert kept.epochs == 50


@pytest.mark.parametrize("strategy", [name for name, row in STRATEGIES.items() if row.trains and name != "gp"])
def test_every_strategy_begins_with_them(data: PreparedData, strategy: str) -> None:
    first = began(data, 40, strategy=strategy)
    assert first is not None
    settings = Settings(seed=0, population=10, strategy=strategy).resolve("rmse")
    asked = make_strategy(strategy, SPACE, objective=RMSE, initial=first.genomes, settings=settings).ask()
    assert [candidate.genome for candidate in asked] == list(first.genomes)[: len(asked)]


def images(rows: int) -> PreparedData:
    x, y = np.zeros((rows, 64), np.float32), np.zeros(rows, np.int32)
    names, classes = tuple(f"p{k}" for k in range(64)), ("a", "b")
    problem = Problem("binary", 64, 1, (), (), classes, names, ("y",), sample_shape=(8, 8, 1))
    return PreparedData(problem, (Split(x, y, x[:100], y[:100]),))


def test_over_images_no_network_may_take_the_time_of_many() -> None:
    space, shape = ConvolutionalSpace(), (8, 8, 1)

    def begin(seconds: float, **options: Any) -> FirstGeneration | None:
        settings = Settings(seed=0, trainer="single", **options).resolve("accuracy")
        settings = with_rungs(settings, images(9).problem)
        machine = {"flops": lambda: 1e9, "share": lambda threads: 1.0}
        return first_generation(
            space, images(1000), settings, Objective("accuracy", "max"), (), seconds, 2, **machine, known=known
        )

    known = [tuple(variants.values()) for variants in space.known_defaults("binary")]
    assert begin(1e6) is None
    short, longer = begin(300), begin(1000)
    assert short is not None
    assert longer is not None
    assert short.max_flops is not None
    assert longer.max_flops is not None
    assert short.max_flops < longer.max_flops
    assert short.epochs <= longer.epochs
    for first in (short, longer):
        flops = [count_flops(space.architecture(genome), 64, 1, shape) for genome in first.genomes]
        assert max(flops) <= (first.max_flops or 0)
        assert first.settings() == {"epochs": first.epochs, "rungs": first.rungs, "max_flops": first.max_flops}
    named = begin(300, epochs=20)
    assert named is not None
    assert named.settings() == {"epochs": 20}


def test_random_convolutions_are_paid_for_once_and_are_no_operations_of_training() -> None:
    space = SequenceSpace()
    small, *_ = space.known_defaults("binary")[0].values()
    x, y = np.zeros((60, 100), np.float32), np.zeros(60, np.int32)
    problem = Problem("binary", 100, 1, (), (), ("a", "b"), sample_shape=(100, 1))
    short = PreparedData(problem, (Split(x, y, x[:20], y[:20]),))
    settings = Settings(seed=0, trainer="single").resolve("accuracy")
    speed = speed_of("single", short.problem.sample_shape)
    assert speed is not None
    cost = cost_of_training(space, short, settings, speed, 1e9)
    graph = problem.attach_columns(space.architecture(small))
    frozen = 2 * 100 * 9 * 2000
    assert count_frozen_flops(graph, 100, 1, (100, 1)) == frozen
    assert cost(small, 1) - cost(small, 0) < frozen * 60 / (0.2 * 1e9)
    assert cost(small, 0) > frozen * 80 / (0.2 * 1e9)
    limited = Settings(seed=0, max_flops=frozen)
    for of_training, status in ((False, Status.INFEASIBLE), (True, None)):
        bound = limited.model_copy(update={"flops_of_training": of_training})
        screen = Screen.from_settings(bound, space, {"num_features": 100, "num_outputs": 1, "sample_shape": (100, 1)})
        found = screen.reject(Candidate(small, space.digest(small), 0, 5))
        assert (None if found is None else found.status) == status


def test_what_an_epoch_costs() -> None:
    graph = SPACE.architecture(SPACE.sample(np.random.default_rng(0)))
    fast, slow = Speed(1.0, 0.0, 0.0, True), Speed(0.5, 0.0, 0.0, True)
    one = training_seconds(graph, 6, 1, 1000, 0, fast, 1e9)
    assert training_seconds(graph, 6, 1, 1000, 0, slow, 1e9) == pytest.approx(2 * one)
    assert training_seconds(graph, 6, 1, 2000, 0, fast, 1e9) == pytest.approx(2 * one)
    assert training_seconds(graph, 6, 1, 1000, 3000, fast, 1e9) == pytest.approx(2 * one)


def test_members_and_embeddings_cost_time(data: PreparedData) -> None:
    def cost(**genes: Any) -> float:
        space = DenseSpace(layers=3, units=64, **genes)
        graph = data.problem.attach_columns(space.architecture(space.typical()))
        return training_seconds(graph, 6, 1, 1000, 0, Speed(1.0, 0.0, 0.0, True), 1e9)

    plain = cost(embedding="none", members=1)
    assert 5 * plain < cost(embedding="none", members=8, member_start="hidden") < 8 * plain
    assert plain < cost(embedding="linear", members=1)
    learned = [cost(embedding="none", output="neighbours", batch_size=batch_size) for batch_size in (32, 256, 4096)]
    assert plain < learned[0] < 3 * plain
    assert learned[0] < learned[1] < learned[2] < 30 * plain  # a batch is at most all rows


def test_only_runs_of_enough_time_train_a_table_of_few_rows_for_more_epochs(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "first_generation", partial(first_generation, flops=lambda: 1e9, share=lambda _: 1.0))
    for name, seconds, epochs in (("short", 60.0, range(3, 51)), ("long", 1e5, range(200, 201))):
        settings = Settings(seed=0, population=4, trainer="native", finalists=0)
        budget = Budget(evaluations=1, seconds=seconds)
        options: dict[str, Any] = {"out": tmp_path / name, "evaluator": StubEvaluator, "threads": 1, "started": None}
        api.search_prepared(data, space=SPACE, settings=settings, budget=budget, **options)
        with RunReader(tmp_path / name) as run:
            assert run.settings.epochs in epochs
            assert run.settings.patience == (25 if name == "long" else 10)


@pytest.mark.soak
def test_a_run_reports_it_and_a_resumed_one_asks_for_the_same(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = partial(first_generation, flops=lambda: 1e9, share=lambda threads: 0.5)
    monkeypatch.setattr(api, "first_generation", measured)
    settings = Settings(seed=0, population=10, trainer="single", finalists=0, epochs=50)

    def search(name: str, evaluations: int) -> None:
        api.search_prepared(
            data,
            settings=settings,
            budget=Budget(evaluations=evaluations, seconds=300.0),
            out=tmp_path / name,
            evaluator=StubEvaluator,
            threads=1,
            started=None,
        )

    search("straight", 14)
    search("run", 4)
    # Also if the machine is faster after the resumption.
    monkeypatch.setattr(api, "first_generation", partial(first_generation, flops=lambda: 1e12))
    evonas.resume(tmp_path / "run", evaluations=14, evaluator=StubEvaluator, threads=2)
    with RunReader(tmp_path / "run") as run, RunReader(tmp_path / "straight") as straight:
        assert run.digest() == straight.digest()
        assert run.source["first_generation"]["networks"] == 10
        first = [record for record in run.records() if record.generation == 0]
        assert {record.operator.partition(":")[0] for record in first} == {"seed", "known default"}
        assert "The time is short: the first 10 networks are small ones" not in "\n".join(
            start_summary.start_lines(run, run.budget)
        )


def test_a_short_run_over_images_has_rungs_and_a_bound_and_a_resumed_one_has_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        api, "first_generation", partial(first_generation, flops=lambda: 1e9, share=lambda threads: 1.0)
    )

    def search(name: str, evaluations: int) -> None:
        api.search_prepared(
            images(1000),
            settings=Settings(seed=0, population=4, trainer="single", finalists=0),
            budget=Budget(evaluations=evaluations, seconds=400.0),
            out=tmp_path / name,
            evaluator=StubEvaluator,
            threads=2,
            started=None,
        )

    search("straight", 9)
    search("run", 5)
    evonas.resume(tmp_path / "run", evaluations=9, evaluator=StubEvaluator)
    with RunReader(tmp_path / "run") as run, RunReader(tmp_path / "straight") as straight:
        assert run.digest() == straight.digest()
        assert run.settings.rungs == 2
        assert run.settings.max_flops == run.source["first_generation"]["max_flops"]
        assert len({record.epochs for record in run.records()}) == 2


def test_wide_layers_before_the_first_pooling_cost_more_than_their_operations() -> None:
    # Nearly equal operations, but four times the activations.
    space, image, speed = ConvolutionalSpace(), (28, 28, 1), speed_of("single", (28, 28, 1))
    assert speed is not None
    assert speed_of("native") != speed
    (wide, narrow) = (space.architecture(_plain(space, filters, pooling)) for filters, pooling in ((8, 1), (32, 2)))
    seconds = [training_seconds(each, 784, 10, 1000, 0, speed, 1e9, image) for each in (wide, narrow)]
    plain = [count_flops(each, 784, 10, image) for each in (wide, narrow)]
    assert seconds[0] / plain[0] > seconds[1] / plain[1]


def _plain(space: Any, filters: int, pooling: int) -> Any:
    genome = space.known_defaults("multiclass")[0]
    first = next(iter(genome.values()))
    (stage, *_) = first.stages
    block = replace(stage.blocks[0], filters=filters)
    return replace(first, stages=(replace(stage, blocks=(block,)),), input_pooling=pooling)
