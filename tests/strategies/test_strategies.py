"""The table of strategies, and what is specific to each."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import evonas
from evonas.evaluation import Evaluation, Status
from evonas.strategies import STRATEGIES, STRATEGY_SETTINGS, check_given, make_strategy
from evonas.strategies.ga import GeneticAlgorithm, RankFitness
from evonas.strategies.ranking import UNRANKED, Rank
from genomes.errors import InputError
from tests.toy import RMSE, ToySpace


def test_every_row_names_a_class_and_its_source() -> None:
    for row in STRATEGIES.values():
        module, _, attribute = row.path.partition(":")
        assert isinstance(getattr(import_module(module), attribute), type)
        assert row.description
        assert row.source


def test_the_readme_has_the_table() -> None:
    lines = (Path(__file__).parents[2] / "README.md").read_text().splitlines()
    rows = [f"| `{name}` | {row.description} | {row.source} |" for name, row in STRATEGIES.items()]
    assert [line for line in lines if line in rows] == rows


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "gaa"}, "strategy must be one of evolution, ga, .*random.*, not 'gaa': did you mean 'ga'"),
        ({"direction": "down"}, "direction must be min or max, not 'down'"),
        ({"population": 0}, "population must be at least 1, not 0"),
        ({"initial": [(99, 0, 0, "a")]}, r"must be in the search space, but genome 1 is not \(\(99, 0, 0, 'a'\)\)"),
        ({"crossover": 0.7, "mutation": 0.7}, "crossover \\+ mutation must be at most 1, not 0.7 \\+ 0.7 = 1.4"),
    ],
)
def test_bad_input_is_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        make_strategy(**{"name": "ga", "space": ToySpace(), **options})  # type: ignore[arg-type]


def test_parents_and_offspring_are_cut_to_the_best() -> None:
    strategy = make_strategy("ga", ToySpace(), objective=RMSE, population=5, offspring=12)
    assert isinstance(strategy, GeneticAlgorithm)
    losses: list[float] = []
    for size in (5, 12, 12):
        candidates = strategy.ask()
        assert len(candidates) == size
        scores = [int(candidate.digest[:6], 16) / 1e6 for candidate in candidates]
        strategy.tell([Evaluation(Status.OK, {"rmse": value}) for value in scores])
        losses = sorted([*losses, *scores])[:5]
        assert [member["rank"] for member in strategy.state()["population"]] == [[0, loss] for loss in losses]


def test_shares_of_the_operators_are_respected() -> None:
    strategy = make_strategy("ga", ToySpace(1000), objective=RMSE, population=50, crossover=0.2, mutation=0.3)
    count: Counter[str] = Counter()
    for generation in range(20):
        candidates = strategy.ask()
        if generation:
            count.update("mutation" if each.operator in ToySpace.mutations else each.operator for each in candidates)
        scores = [int(candidate.digest[:6], 16) for candidate in candidates]
        strategy.tell([Evaluation(Status.OK, {"rmse": value}) for value in scores])
    # Known networks are drawn again, which mostly affects renamings and crossovers of equal parents.
    for operator, share in (("crossover", 0.2), ("mutation", 0.3), ("sample", 0.5)):
        assert abs(count[operator] / count.total() - share) < 0.15


def test_the_oldest_die_however_good_they_are() -> None:
    strategy = make_strategy("aging", ToySpace(), objective=RMSE, population=6, offspring=2)
    told: list[str] = []
    for generation in range(5):
        candidates = strategy.ask()
        assert all(len(each.parents) == 1 and each.parents[0] in told[-6:] for each in candidates if generation)
        told += [candidate.digest for candidate in candidates]
        strategy.tell([Evaluation(Status.OK, {"rmse": float(len(told))}) for _ in candidates])  # the first is best
        assert [member["digest"] for member in strategy.state()["population"]] == told[-6:]


def test_a_fitness_orders_by_feasibility_first() -> None:
    best_first: list[Rank] = [(0, -1.0), (0, 3.0), (1, 0.1), (1, 2.0), UNRANKED]
    fitnesses = [RankFitness(best_first[place]) for place in (3, 0, 4, 2, 1)]
    assert [fitness.values for fitness in sorted(fitnesses, reverse=True)] == best_first


def test_settings_are_for_strategies_that_take_them() -> None:
    for name, value, choice in (("rungs", 3, "evolution"), ("inherit", True, "evolution, pbt")):
        with pytest.raises(
            InputError, match=f"{name} must be .* with strategy ga, which .*: leave it out, or choose {choice}"
        ):
            make_strategy("ga", ToySpace(), **{name: value})
    with pytest.raises(InputError, match="space must be a search space"):
        make_strategy("ga", {"a": [1, 2]})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STRATEGIES)
def test_settings_that_a_strategy_does_not_use_are_refused_and_no_others(name: str) -> None:
    values = {"population": 8, "offspring": 4, "crossover": 0.9, "mutation": 0.1, "tournament": 7, "eta": 4}
    values |= {"rungs": 2, "reduced_rungs": True, "brackets": 2, "inherit": True, "evaluation_seconds": 2.0}
    assert set(values) == set(STRATEGY_SETTINGS)
    used = {setting: values[setting] for setting in STRATEGIES[name].settings}
    check_given(name, used | {"seed": 0, "epochs": 5})
    check_given(name, dict.fromkeys(STRATEGY_SETTINGS) | {"rungs": 1, "inherit": False})
    for setting in set(values) - set(used):
        with pytest.raises(
            InputError, match=f"{setting} must be left at its default with strategy {name}, which .*or choose "
        ):
            check_given(name, used | {setting: values[setting]})


def test_explicit_settings_are_checked_wherever_they_are_given(tmp_path: Path) -> None:
    wrong = {"strategy": "evolution", "crossover": 0.9, "tournament": 7, "brackets": 2}
    with pytest.raises(InputError, match="crossover must be left at its default with strategy evolution"):
        make_strategy("evolution", ToySpace(), **{key: wrong[key] for key in ("crossover", "tournament")})
    x = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(InputError, match=r"must be left at its default with strategy evolution, .* or choose ga"):
        evonas.search(x, x[:, 0], generations=1, out=tmp_path / "run", strategy="evolution", tournament=3)
    with pytest.raises(InputError, match="eta must be left at its default with strategy evolution and 1 rung"):
        make_strategy("evolution", ToySpace(), eta=3)
    assert not (tmp_path / "run").exists()


def test_several_objectives_are_for_strategies_that_take_them() -> None:
    with pytest.raises(InputError, match="objectives must be one with strategy ga, not rmse, parameters: choose nsga2"):
        make_strategy("ga", ToySpace(), objective=RMSE, objectives=("rmse", "parameters"))
    with pytest.raises(InputError, match="objectives must be rmse and others, each once, not parameters, rmse"):
        make_strategy("nsga2", ToySpace(), objective=RMSE, objectives=("parameters", "rmse"))


@pytest.mark.parametrize("count", [2, 3])
def test_whole_fronts_survive_and_infeasible_candidates_only_fill_gaps(count: int) -> None:
    names = ("first", "second", "third")[:count]
    strategy = make_strategy("nsga2", ToySpace(), objective="first", objectives=names, population=12, seed=3)
    everything: dict[str, tuple[float, ...]] = {}
    kept: set[str] = set()
    for _ in range(12):
        candidates = strategy.ask()
        told, rivals = [], kept | {candidate.digest for candidate in candidates}
        for candidate in candidates:
            if candidate.genome[0] > 7:
                told.append(Evaluation(Status.INFEASIBLE, {"violation": candidate.genome[0] - 7.0}))
                continue
            losses = two_or_three(candidate.genome)[:count]
            everything[candidate.digest] = losses
            told.append(Evaluation(Status.OK, dict(zip(names, losses, strict=True))))
        strategy.tell(told)
        population = strategy.state()["population"]
        if len(everything) >= 12:
            assert all(member["digest"] in everything for member in population)
        # Counting parents and offspring: if the front was too large for the population, not all of it survived.
        losses_of = {key: everything[key] for key in rivals if key in everything}
        front = {key for key, losses in losses_of.items() if not any(dominates(b, losses) for b in losses_of.values())}
        kept = {member["digest"] for member in population}
        assert kept <= front or front <= kept
    assert len(front) > 5


def two_or_three(genome: tuple[int, int, int, str]) -> tuple[float, float, float]:
    x, y, z, _ = genome
    return float(x + (y - 4) ** 2), float((x - 7) ** 2 + abs(z - 2)), float((y - 9) ** 2 + z)


def dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b
