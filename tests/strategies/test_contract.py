"""What every strategy promises. A new one joins with its row in `STRATEGIES`."""

from __future__ import annotations

import functools
import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.evaluation import Candidate, Evaluation, Status, Strategy
from evonas.objective import Objective
from evonas.strategies import STRATEGIES, make_strategy
from genomes import DenseSpace, Gene, HyperparameterSpace, Range
from genomes.space import SearchSpace
from tests.toy import RMSE, ToySpace, toy_score

#: torch takes gigabytes, hence it is no part of the test extra; and its models minutes, where others take seconds.
needs_torch = [pytest.mark.soak, pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")]
#: A strategy in another mode, which promises the same.
MODES: dict[str, tuple[str, dict[str, Any]]] = {
    "evolution, in rungs": ("evolution", {"rungs": 3, "eta": 2, "inherit": True}),
}
ROWS = [
    *(pytest.param(name, marks=needs_torch if row.extra == "gp" else ()) for name, row in STRATEGIES.items()),
    *MODES,
]


def made(name: str, space: SearchSpace, **options: Any) -> Strategy:
    """The strategy of that name, or in that mode."""
    name, more = MODES.get(name, (name, {}))
    return make_strategy(name, space, **options, **more)


def in_rungs(name: str) -> bool:
    """Whether it trains a network several times."""
    return name in MODES or STRATEGIES[name].rungs


SPACES: dict[str, SearchSpace] = {
    "toy": ToySpace(),
    "dense": DenseSpace(),
    "hyperparameters": HyperparameterSpace(
        {
            "rate": Range(1e-4, 1e-1, log=True),
            "penalty": Range(1e-6, 1e-2, log=True, zero=True),
            "layers": Range(1, 3),
            "units_2": Gene(Range(4, 64), when={"layers": {"low": 2}}),
            "activation": ["relu", "tanh", "gelu"],
            "batch_size": [32, 64, 128],
            "regularise": [False, True],
            "kind": Gene(["dropout", "l2"], when={"regularise": True}),
            "epochs": 3,
        }
    ),
}

every_strategy = pytest.mark.parametrize("name", ROWS)
every_space = pytest.mark.parametrize("kind", SPACES)


def score(candidate: Candidate) -> float:
    """A number from the digest alone."""
    return int(candidate.digest[:8], 16) / 2**32


def ok(value: float, name: str = "rmse") -> Evaluation:
    return Evaluation(Status.OK, {name: value})


@functools.cache
def played(name: str, kind: str, generations: int = 4, seed: int = 0) -> list[list[Candidate]]:
    """What a strategy asks for on a space; several tests want to know."""
    return play(made(name, SPACES[kind], objective=RMSE, population=6, seed=seed), generations)


def play(strategy: Strategy, generations: int) -> list[list[Candidate]]:
    asked = []
    for _ in range(generations):
        asked.append(strategy.ask())
        strategy.tell([ok(score(candidate)) for candidate in asked[-1]])
    return asked


def as_text(generations: list[list[Candidate]], space: SearchSpace) -> list[Any]:
    return [[_as_list(candidate, space) for candidate in generation] for generation in generations]


def _as_list(each: Candidate, space: SearchSpace) -> list[Any]:
    genome = space.genome_to_json(each.genome)
    place = [each.generation, each.index]
    origin = [str(each.origin), each.horizon, each.keep]
    return [genome, each.digest, each.seed, each.epochs, *place, list(each.parents), each.operator, *origin]


@every_strategy
@every_space
def test_candidates_are_in_the_space_and_complete(name: str, kind: str) -> None:
    space = SPACES[kind]
    more = {"offspring": 9} if name in MODES or "offspring" in STRATEGIES[name].settings else {}
    strategy = made(name, space, objective=RMSE, population=6, epochs=7, seed=3, **more)
    known: set[str] = set()
    assert strategy.retained() == frozenset()
    generations = play(strategy, 5)
    for number, generation in enumerate(generations):
        assert [candidate.index for candidate in generation] == list(range(len(generation)))
        for candidate in generation:
            assert space.contains(candidate.genome)
            assert candidate.digest == space.digest(candidate.genome)
            assert candidate.epochs == 7 or (in_rungs(name) and 0 < candidate.epochs < candidate.horizon == 7)
            assert candidate.generation == number
            assert 0 <= candidate.seed < 2**31
            assert set(candidate.parents) <= known
        known |= {candidate.digest for candidate in generation}
    kept = {(each.generation, each.index) for generation in generations for each in generation if each.keep}
    assert strategy.retained() <= kept


@every_strategy
@every_space
def test_the_same_seed_asks_the_same_and_another_seed_asks_other(name: str, kind: str) -> None:
    again = play(made(name, SPACES[kind], objective=RMSE, population=6, seed=0), 4)
    other = play(made(name, SPACES[kind], objective=RMSE, population=6, seed=1), 2)
    assert played(name, kind) == again
    assert played(name, kind)[:2] != other


SCRIPT = """
import json, sys
from tests.strategies.test_contract import asked_everywhere
print(json.dumps({name: asked_everywhere(name) for name in sys.argv[1:]}))
"""


def asked_everywhere(name: str) -> list[Any]:
    """What a strategy asks for on each space, as JSON values."""
    return [as_text(played(name, kind), space) for kind, space in SPACES.items()]


@pytest.fixture(scope="session")
def asked_elsewhere(request: pytest.FixtureRequest) -> dict[str, list[Any]]:
    """What each strategy of this session asks for in a process with another hash seed."""
    names = {
        item.callspec.params["name"]
        for item in request.session.items
        if item.name.startswith("test_processes_with_other_hash_seeds") and isinstance(item, pytest.Function)
        if not any(mark.args[0] for mark in item.iter_markers("skipif"))
    }
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT, *sorted(names)],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        check=True,
    )
    return json.loads(output.stdout)


@every_strategy
def test_processes_with_other_hash_seeds_ask_the_same(name: str, asked_elsewhere: dict[str, list[Any]]) -> None:
    assert asked_elsewhere[name] == json.loads(json.dumps(asked_everywhere(name)))


#: On spaces where a generation takes some strategies seconds, they are stopped once in `make test`.
STOPS = [
    pytest.param(kind, stop, marks=pytest.mark.soak if kind != "hyperparameters" and stop != 3 else ())
    for kind in SPACES
    for stop in (0, 1, 3)
]


@every_strategy
@pytest.mark.parametrize(("kind", "stop"), STOPS)
def test_a_restored_strategy_goes_on_as_if_it_never_stopped(name: str, kind: str, stop: int) -> None:
    space = SPACES[kind]
    initial = [space.sample(np.random.default_rng(9))]
    straight = made(name, space, objective=RMSE, population=6, seed=5, initial=initial)
    expected = play(straight, 6)
    stopped = made(name, space, objective=RMSE, population=6, seed=5, initial=initial)
    play(stopped, stop)
    state = json.loads(json.dumps(stopped.state(), allow_nan=False))
    restored = made(name, space, objective=RMSE, population=6, seed=5)
    play(restored, 2)
    restored.ask()  # whatever it did before is forgotten
    restored.restore(state)
    assert restored.state() == state
    assert play(restored, 6 - stop) == expected[stop:]
    assert restored.state() == straight.state()


@every_strategy
def test_as_many_as_asked_for_and_plain_numbers(name: str) -> None:
    space = ToySpace()
    plain, whole = (made(name, space, objective=RMSE, population=6, seed=3) for _ in range(2))
    for count in (1, 1, 1, 5, 1, 2):
        candidates = plain.ask(count)
        assert [candidate.index for candidate in candidates] == list(range(count))
        assert candidates == whole.ask(count)
        scores = [score(candidate) if score(candidate) < 0.8 else float("nan") for candidate in candidates]
        plain.tell(scores)
        whole.tell([ok(value) for value in scores])
    assert plain.state() == whole.state()
    with pytest.raises(ValueError, match="whole number from 1 on, not '3'"):
        plain.ask("3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="whole number from 1 on, not 0"):
        plain.ask(0)


@every_strategy
def test_calls_out_of_order_raise(name: str) -> None:
    strategy = made(name, ToySpace(), population=4)
    with pytest.raises(RuntimeError, match="must follow ask"):
        strategy.tell([])
    candidates = strategy.ask()
    with pytest.raises(RuntimeError, match="must wait"):
        strategy.ask()
    with pytest.raises(RuntimeError, match="must wait"):
        strategy.state()
    with pytest.raises(ValueError, match="takes 4 evaluations, one a candidate, not 3"):
        strategy.tell([ok(1.0)] * 3)
    strategy.tell([ok(1.0)] * len(candidates))
    with pytest.raises(RuntimeError, match="must follow ask"):
        strategy.tell([ok(1.0)] * len(candidates))


@every_strategy
@every_space
def test_minimising_and_maximising_the_negative_agree(name: str, kind: str) -> None:
    space = SPACES[kind]
    down = made(name, space, objective=Objective("score", "min"), population=6)
    up = made(name, space, objective="score", direction="max", population=6)
    for _ in range(5):
        candidates = down.ask()
        assert candidates == up.ask()
        down.tell([ok(score(candidate), "score") for candidate in candidates])
        up.tell([ok(-score(candidate), "score") for candidate in candidates])


@every_strategy
def test_all_may_fail(name: str) -> None:
    strategy = made(name, ToySpace(), objective=RMSE, population=4)
    for _ in range(4):
        strategy.tell([Evaluation(Status.FAILED, reason="diverged") for _ in strategy.ask()])
    json.dumps(strategy.state(), allow_nan=False)
    assert len(strategy.ask()) == 4


@every_strategy
@pytest.mark.parametrize(
    "bad",
    [
        ok(float("nan")),
        ok(float("-inf")),
        ok(float("inf")),
        Evaluation(Status.OK),
        Evaluation(Status.FAILED, {"rmse": -9.0}),
        Evaluation(Status.INFEASIBLE, {"rmse": -9.0}),
    ],
    ids=["nan", "-inf", "inf", "no score", "failed", "infeasible"],
)
def test_what_failed_never_becomes_a_parent(name: str, bad: Evaluation) -> None:
    strategy = made(name, ToySpace(), objective=RMSE, population=6, seed=2)
    good: set[str] = set()
    for generation in range(8):
        candidates = strategy.ask()
        parents = {parent for candidate in candidates for parent in candidate.parents}
        assert generation < 2 or parents <= good
        good |= {candidate.digest for candidate in candidates[::2]}
        strategy.tell([bad if index % 2 else ok(score(each)) for index, each in enumerate(candidates)])


@every_strategy
def test_a_space_of_one_network_can_be_searched(name: str) -> None:
    strategy = made(name, ToySpace(1), objective=RMSE, population=3)
    assert all(len(generation) == 3 or in_rungs(name) for generation in play(strategy, 4))


@every_strategy
def test_the_one_feasible_network_is_found_and_kept_to(name: str) -> None:
    """All others break a limit, the less the nearer they are: found by the violation, and better than any of them."""
    strategy, target = made(name, ToySpace(6), objective=RMSE, population=12, seed=1), (2, 4, 3)
    for _ in range(25):
        candidates = strategy.ask()
        strategy.tell([_within(candidate, target) for candidate in candidates])
        if any(candidate.genome[:3] == target for candidate in candidates):
            break
    else:
        assert name in ("random", "hyperband")  # 216 networks, 300 candidates
    json.dumps(strategy.state(), allow_nan=False)
    assert len(strategy.ask()) == 12 or in_rungs(name)


def _within(candidate: Candidate, target: tuple[int, ...]) -> Evaluation:
    excess = sum(abs(number - best) for number, best in zip(candidate.genome[:3], target, strict=True))
    return Evaluation(Status.INFEASIBLE, {"violation": float(excess)}) if excess else ok(9.0)


@every_strategy
def test_duplicates_are_told_like_others(name: str) -> None:
    strategy = made(name, ToySpace(2), objective=RMSE, population=12)  # eight networks
    digests = {candidate.digest for generation in play(strategy, 4) for candidate in generation}
    assert len(digests) == 8
    state = json.loads(json.dumps(strategy.state(), allow_nan=False))
    restored = made(name, ToySpace(2), objective=RMSE, population=12)
    restored.restore(state)
    assert restored.ask() == strategy.ask()


@every_strategy
def test_new_networks_are_preferred_to_known_ones(name: str) -> None:
    generations = play(made(name, ToySpace(), objective=RMSE, population=10), 8)
    keys = [candidate.key if in_rungs(name) else candidate.digest for each in generations for candidate in each]
    assert len(set(keys)) == len(keys)


@every_strategy
def test_initial_genomes_come_first(name: str) -> None:
    initial = [(1, 2, 3, "a"), (4, 5, 6, "a"), (1, 2, 3, "b")]
    strategy = made(name, ToySpace(), population=4, initial=initial)
    candidates = strategy.ask()
    assert [candidate.genome for candidate in candidates[:2]] == initial[:2]
    assert [candidate.operator == "seed" for candidate in candidates] == [True, True, False, False]
    many = made(name, ToySpace(), population=1, initial=initial)
    assert [candidate.genome for candidate in many.ask()] == initial[:1]


@every_strategy
def test_the_global_generator_is_left_alone(name: str) -> None:
    random.seed(7)
    before = random.getstate()
    play(made(name, ToySpace(), objective=RMSE, population=6), 4)
    assert random.getstate() == before


@every_strategy
def test_every_strategy_is_better_than_random_on_a_smooth_problem(name: str) -> None:
    def best(strategy_name: str, seed: int) -> float:
        strategy, found = made(strategy_name, ToySpace(), population=10, seed=seed), []
        for _ in range(8):
            candidates = strategy.ask()
            scores = [toy_score(candidate.genome) for candidate in candidates]
            strategy.tell([ok(value, "score") for value in scores])
            found += scores
        return min(found)

    def mean(strategy_name: str) -> float:
        return sum(best(strategy_name, seed) for seed in range(10)) / 10

    # What trains a network several times is compared in `test_rungs`.
    assert name == "random" or in_rungs(name) or mean(name) < mean("random")
