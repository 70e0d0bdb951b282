"""Strategies that train a network in several evaluations: which evaluation continues which, and that it pays off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evonas.evaluation import Candidate
from evonas.protocols import Strategy
from evonas.strategies import STRATEGIES, make_strategy
from evonas.strategies.fidelity import rungs
from genomes.dense import DenseSpace
from tests.toy import ToySpace, toy_score

RUNGS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name, row in STRATEGIES.items() if row.rungs),
    ("evolution", {"rungs": 3}),
    ("evolution", {"rungs": 3, "inherit": True, "reduced_rungs": True}),
]
in_rungs = pytest.mark.parametrize(("name", "options"), RUNGS)


def curve_value(candidate: Candidate) -> float:
    """Falls with the epochs, equally for all."""
    return toy_score(candidate.genome) + 3.0 / candidate.epochs


def run_generation(strategy: Strategy) -> list[tuple[Candidate, float]]:
    """One generation, with its scores."""
    pairs = [(each, curve_value(each)) for each in strategy.ask()]
    strategy.tell([value for _, value in pairs])
    return pairs


def play(strategy: Strategy, generations: int) -> Iterator[tuple[Candidate, float]]:
    """Candidates and their scores, which fall with the epochs; checks that states exist when they are needed."""
    known: dict[tuple[int, int], Candidate] = {}
    retained: frozenset[tuple[int, int]] = frozenset()
    for _ in range(generations):
        candidates = strategy.ask()
        for each in candidates:
            assert each.horizon is not None
            if each.origin is not None:
                assert each.origin.place in retained
                there = known[each.origin.place]
                assert there.keep_snapshots
                assert each.origin.kind == "inherit" or there.epochs < each.epochs <= each.horizon
            known[each.generation, each.index] = each
        scores = [curve_value(each) for each in candidates]
        strategy.tell(scores)
        retained = strategy.retained()
        yield from zip(candidates, scores, strict=True)


@in_rungs
@pytest.mark.parametrize("population", [1, 2, 7, 30])
@pytest.mark.sampled(6)
def test_origins_are_kept_trainings_with_fewer_epochs(name: str, options: dict[str, Any], population: int) -> None:
    strategy = make_strategy(name, ToySpace(), population=population, epochs=27, **options)
    asked = [each for each, _ in play(strategy, 25)]
    assert {each.horizon for each in asked} == {27}
    assert max(each.epochs for each in asked) == 27
    assert any(each.origin for each in asked)


@pytest.mark.parametrize(
    ("epochs", "eta", "expected"), [(81, 3, [1, 3, 9, 27, 81]), (50, 3, [2, 6, 17, 50]), (1, 3, [1])]
)
def test_rungs(epochs: int, eta: int, expected: list[int]) -> None:
    assert rungs(epochs, eta) == expected


def test_brackets_are_those_of_the_paper() -> None:
    """Li et al. 2018, table 1: R = 81, eta = 3."""
    strategy = make_strategy("hyperband", ToySpace(), population=81, epochs=81)
    sizes: list[tuple[int, int]] = []
    for _ in range(15):
        candidates = strategy.ask()
        sizes.append((len(candidates), candidates[0].epochs))
        strategy.tell([toy_score(each.genome) for each in candidates])
    first = [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    second, third = [(34, 3), (11, 9), (3, 27), (1, 81)], [(15, 9), (5, 27), (1, 81)]
    assert sizes == [*first, *second, *third, (8, 27), (2, 81), (5, 81)]
    assert len(strategy.ask()) == 81


def test_one_bracket_is_successive_halving() -> None:
    strategy = make_strategy("hyperband", ToySpace(), population=8, epochs=8, eta=2, brackets=1)
    sizes = [len({each.digest for each, _ in run_generation(strategy)}) for _ in range(8)]
    assert sizes == [8, 4, 2, 1] * 2


def test_the_best_of_a_rung_continue() -> None:
    strategy = make_strategy("hyperband", ToySpace(), population=9, epochs=9)
    first = list(play(strategy, 1))
    second = strategy.ask()
    best = sorted(first, key=lambda pair: pair[1])[:3]
    assert [each.genome for each in second] == [each.genome for each, _ in best]
    assert [each.seed for each in second] == [each.seed for each, _ in best]


def epochs_until(name: str, options: dict[str, Any], seed: int, score: float) -> int:
    """Epochs trained until a network is as good; those of a continued state count once."""
    strategy, spent = make_strategy(name, ToySpace(), population=27, epochs=27, seed=seed, **options), 0
    behind: dict[tuple[int, int], int] = {}
    while True:
        for each, value in run_generation(strategy):
            continued = each.origin is not None and each.origin.kind == "continue"
            spent += each.epochs - (behind[each.origin.place] if continued and each.origin else 0)
            behind[each.generation, each.index] = each.epochs
            if value <= score or spent > 20_000:
                return spent


@in_rungs
@pytest.mark.sampled(2)
@pytest.mark.soak
def test_a_good_network_takes_fewer_epochs_than_at_random(name: str, options: dict[str, Any]) -> None:
    def mean(strategy: str, options: dict[str, Any]) -> float:
        return sum(epochs_until(strategy, options, seed, 1.1) for seed in range(8)) / 8

    assert mean(name, options) < 0.9 * mean("random", {})


def test_a_population_explores_its_training_and_grows() -> None:
    space = DenseSpace()
    asked = []
    for inherit in (True, False):
        strategy = make_strategy("pbt", space, population=20, epochs=30, seed=1, inherit=inherit)
        for _ in range(10):
            candidates = strategy.ask()
            strategy.tell([int(each.digest[:6], 16) for each in candidates])
            asked += candidates if inherit else []
            assert inherit or all(each.origin is None or each.origin.kind == "continue" for each in candidates)
    kinds = {each.origin.kind for each in asked if each.origin}
    assert kinds == {"continue", "inherit"}
    operators = {each.operator for each in asked if each.origin and each.origin.kind == "inherit"}
    assert operators & {"insert_layer", "duplicate_layer", "resize_layer"}
    # A network may grow by the removal of a narrow layer, but never by these.
    assert not operators & {"change_activation", "scale_learning_rate"}
