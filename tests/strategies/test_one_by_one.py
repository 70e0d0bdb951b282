"""The contract of every strategy that can propose while other candidates are in training."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.protocols import OneByOne
from evonas.strategies import STRATEGIES, make_strategy
from evonas.strategies.pending import number_of, place_of
from genomes.space import SearchSpace
from tests.strategies.test_contract import MODES, SPACES, needs_torch
from tests.toy import RMSE, ToySpace

NAMES = [
    *(
        pytest.param(name, marks=needs_torch if row.extra == "gp" else ())
        for name, row in STRATEGIES.items()
        if row.one_by_one
    ),
    *MODES,
]
every_strategy = pytest.mark.parametrize("name", NAMES)
every_space = pytest.mark.parametrize("kind", SPACES)


def make_one_by_one(name: str, space: SearchSpace, **options: Any) -> OneByOne:
    name, more = MODES.get(name, (name, {}))
    strategy: Any = make_strategy(name, space, objective=RMSE, **{"population": 6, **options}, **more)
    return strategy


def result_of(candidate: Candidate) -> Evaluation | float:
    """A function of the digest; some fail."""
    number = int(candidate.digest[:8], 16)
    return number / 2**32 if number % 5 else Evaluation(Status.FAILED, reason="diverged")


def play(strategy: OneByOne, count: int, workers: int, out: list[Candidate], order: random.Random) -> list[Candidate]:
    """Returns the candidates asked for while results of several workers arrive in random order.

    `out` holds the candidates in training, also those left at the end.
    """
    asked = []
    for _ in range(count):
        while len(out) < workers:
            out.append(strategy.ask_one())
            asked.append(out[-1])
        candidate = out.pop(order.randrange(len(out)))
        strategy.tell_one(candidate, result_of(candidate))
    return asked


@pytest.mark.sampled(12)
@every_strategy
@every_space
def test_candidates_are_in_the_space_and_no_network_is_pending_twice(name: str, kind: str) -> None:
    space = SPACES[kind]
    strategy = make_one_by_one(name, space, epochs=7, offspring=5)
    out: list[Candidate] = []
    asked = play(strategy, 20, 4, out, random.Random(0))
    settings = Settings(population=6, offspring=5, seed=0)
    assert [(each.generation, each.index) for each in asked] == [place_of(number, settings) for number in range(23)]
    assert [number_of(place_of(number, settings), settings) for number in range(40)] == list(range(40))
    assert [place_of(number, settings) for number in (5, 6, 11)] == [(0, 5), (1, 0), (2, 0)]
    assert all(space.contains(each.genome) and each.digest == space.digest(each.genome) for each in asked)
    keys = [each.key if name in MODES else each.digest for each in asked]
    assert len(set(keys)) == len(keys)
    json.dumps(strategy.state(), allow_nan=False)


@every_strategy
@every_space
@pytest.mark.parametrize("stop", [0, 1, 9])
@pytest.mark.sampled(27)
def test_a_restored_strategy_continues_with_pending_candidates(name: str, kind: str, stop: int) -> None:
    space = SPACES[kind]
    initial = [space.sample(np.random.default_rng(index)) for index in range(3)]
    straight = make_one_by_one(name, space, seed=5, initial=initial)
    out: list[Candidate] = []
    play(straight, stop, 3, out, random.Random(1))
    state = json.loads(json.dumps(straight.state(), allow_nan=False))
    restored = make_one_by_one(name, space, seed=5)
    play(restored, 2, 2, [], random.Random(0))  # its former state is discarded
    restored.restore(state)
    assert restored.state() == state
    assert restored.retained() == straight.retained()
    copy = list(out)
    expected = play(straight, 8, 3, out, random.Random(2))
    assert play(restored, 8, 3, copy, random.Random(2)) == expected
    assert restored.state() == straight.state()


@every_strategy
def test_the_order_of_arrival_is_all_that_differs(name: str) -> None:
    first, again = (make_one_by_one(name, ToySpace(), seed=1) for _ in range(2))
    assert play(first, 15, 3, [], random.Random(3)) == play(again, 15, 3, [], random.Random(3))
    if name != "random":
        other = make_one_by_one(name, ToySpace(), seed=1)
        assert play(other, 15, 3, [], random.Random(4)) != play(
            make_one_by_one(name, ToySpace(), seed=1), 15, 3, [], random.Random(3)
        )


@every_strategy
def test_initial_genomes_come_first(name: str) -> None:
    initial = [(1, 2, 3, "a"), (4, 5, 6, "a")]
    strategy = make_one_by_one(name, ToySpace(), initial=initial)
    candidates = [strategy.ask_one() for _ in range(3)]
    assert [candidate.genome for candidate in candidates[:2]] == initial
    assert [candidate.operator == "seed" for candidate in candidates] == [True, True, False]


@every_strategy
def test_a_space_of_few_networks_can_be_searched(name: str) -> None:
    strategy = make_one_by_one(name, ToySpace(1))
    assert {candidate.digest for candidate in play(strategy, 12, 3, [], random.Random(0))} == {
        ToySpace(1).digest((0, 0, 0, "a"))
    }


@every_strategy
def test_calls_that_make_no_sense_raise(name: str) -> None:
    strategy = make_one_by_one(name, ToySpace())
    candidate = strategy.ask_one()
    with pytest.raises(RuntimeError, match="must not follow ask_one"):
        strategy.ask()
    strategy.tell_one(candidate, 1.0)
    with pytest.raises(RuntimeError, match="is not pending"):
        strategy.tell_one(candidate, 1.0)
    generations = make_one_by_one(name, ToySpace())
    generations.tell([1.0] * len(generations.ask()))
    with pytest.raises(RuntimeError, match="must not follow ask"):
        generations.ask_one()
    generations.ask()
    with pytest.raises(RuntimeError, match="must wait"):
        generations.ask_one()


@every_strategy
def test_all_may_fail(name: str) -> None:
    strategy = make_one_by_one(name, ToySpace())
    for _ in range(15):
        strategy.tell_one(strategy.ask_one(), float("nan"))
    assert ToySpace().contains(strategy.ask_one().genome)


@pytest.mark.parametrize("name", ["evolution", "evolution, in rungs", "random", "tpe", "cmaes"])
def test_with_one_worker_it_proposes_like_generations_of_one(name: str) -> None:
    single, generations = make_one_by_one(name, ToySpace(), seed=2), make_one_by_one(name, ToySpace(), seed=2)
    for _ in range(14):
        candidate, (other,) = single.ask_one(), generations.ask(1)
        assert candidate.genome == other.genome
        single.tell_one(candidate, result_of(candidate))
        generations.tell([result_of(other)])


def test_evolution_predicts_pending_candidates() -> None:
    """Asked again without a result, it looks elsewhere."""
    strategy = make_one_by_one("evolution", ToySpace(), seed=0)
    play(strategy, 12, 1, [], random.Random(0))
    out = [strategy.ask_one() for _ in range(6)]
    gaps = [abs(np.subtract(a.genome[:3], b.genome[:3])).sum() for a in out for b in out if a is not b]
    assert len({each.digest for each in out}) == 6
    assert max(gaps) > 3


def test_generational_strategies_do_not_offer_it() -> None:
    for name, row in STRATEGIES.items():
        if not row.one_by_one:
            assert not hasattr(make_strategy(name, ToySpace()), "ask_one"), name
