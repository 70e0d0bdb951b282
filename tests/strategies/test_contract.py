"""The contract of every strategy (`evonas.testing`). A row in `STRATEGIES` enrols a new one."""

from __future__ import annotations

import functools
import json
from importlib.util import find_spec
from typing import Any

import pytest

from evonas.evaluation import Candidate, Evaluation
from evonas.protocols import Strategy
from evonas.strategies import STRATEGIES
from evonas.testing import FAILURES, SPACES, StrategyCase, ToySpace, ask_in_another_process, strategies
from evonas.testing.cases import RMSE, as_text, ok, play
from genomes.space import SearchSpace
from tests.toy import toy_score

#: torch takes gigabytes, so the test extra does not include it, and its models take minutes where others take seconds.
needs_torch = [pytest.mark.soak, pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")]
#: A strategy in another mode, with the same contract.
MODES: dict[str, tuple[str, dict[str, Any]]] = {
    "evolution, in rungs": ("evolution", {"rungs": 3, "eta": 2, "inherit": True, "reduced_rungs": True}),
}
ROWS = [
    *(pytest.param(name, marks=needs_torch if row.extra == "gp" else ()) for name, row in STRATEGIES.items()),
    *MODES,
]


def case(name: str) -> StrategyCase:
    """The strategy of that name, or in that mode."""
    name, more = MODES.get(name, (name, {}))
    return StrategyCase(name, tuple(more.items()))


def make_strategy_of(name: str, space: SearchSpace, **options: Any) -> Strategy:
    return case(name).make(space, **options)


every_strategy = pytest.mark.parametrize("name", ROWS)
every_space = pytest.mark.parametrize("kind", SPACES)


@functools.cache
def proposals_of(name: str, kind: str, generations: int = 4, seed: int = 0) -> list[list[Candidate]]:
    """The candidates that a strategy proposes on a space; cached for several tests."""
    return play(make_strategy_of(name, SPACES[kind], objective=RMSE, population=6, seed=seed), generations)


@pytest.mark.sampled(22)
@every_strategy
@every_space
def test_candidates_are_in_the_space_and_complete(name: str, kind: str) -> None:
    strategies.check_candidates(case(name), SPACES[kind])


@every_strategy
@every_space
@pytest.mark.sampled(17)
def test_the_same_seed_asks_the_same_and_another_seed_asks_other(name: str, kind: str) -> None:
    strategies.check_seeds(case(name), SPACES[kind], proposals_of(name, kind))


def proposals_everywhere(name: str) -> list[Any]:
    """The candidates that a strategy proposes on each space, as JSON values."""
    return [as_text(proposals_of(name, kind), space) for kind, space in SPACES.items()]


@pytest.fixture(scope="session")
def asked_elsewhere(request: pytest.FixtureRequest) -> dict[str, list[Any]]:
    """The candidates that each strategy of this session proposes in a process with another hash seed."""
    names = {
        item.callspec.params["name"]
        for item in request.session.items
        if item.name.startswith("test_processes_with_other_hash_seeds") and isinstance(item, pytest.Function)
        if not any(mark.args[0] for mark in item.iter_markers("skipif"))
    }
    asked = ask_in_another_process([case(name) for name in sorted(names)])
    return dict(zip(sorted(names), asked, strict=True))


@pytest.mark.sampled(3)
@every_strategy
def test_processes_with_other_hash_seeds_ask_the_same(name: str, asked_elsewhere: dict[str, list[Any]]) -> None:
    assert asked_elsewhere[name] == json.loads(json.dumps(proposals_everywhere(name)))


#: On spaces where a generation takes some strategies seconds, `make test` stops them only once.
STOPS = [
    pytest.param(kind, stop, marks=pytest.mark.soak if kind != "hyperparameters" and stop != 3 else ())
    for kind in SPACES
    for stop in (0, 1, 3)
]


@every_strategy
@pytest.mark.parametrize(("kind", "stop"), STOPS)
@pytest.mark.sampled(14)
def test_a_restored_strategy_continues_as_if_uninterrupted(name: str, kind: str, stop: int) -> None:
    strategies.check_restored(case(name), SPACES[kind], stop)


@every_strategy
def test_the_requested_count_and_plain_numbers(name: str) -> None:
    text, zero = strategies.check_any_count(case(name))
    assert "positive integer, not '3'" in text
    assert "positive integer, not 0" in zero


@every_strategy
def test_calls_out_of_order_raise(name: str) -> None:
    before, twice, state, few, again = strategies.check_order_of_calls(case(name))
    assert "must follow ask" in before
    assert "must wait" in twice
    assert "must wait" in state
    assert "takes 4 evaluations, one per candidate, not 3" in few
    assert "must follow ask" in again


@every_strategy
@every_space
@pytest.mark.sampled(17)
def test_minimising_and_maximising_the_negative_agree(name: str, kind: str) -> None:
    strategies.check_directions(case(name), SPACES[kind])


@every_strategy
def test_all_may_fail(name: str) -> None:
    strategies.check_all_fail(case(name))


@every_strategy
@pytest.mark.parametrize("bad", FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.sampled(22)
def test_failed_candidates_never_become_parents(name: str, bad: Evaluation) -> None:
    strategies.check_failures_have_no_children(case(name), bad)


@every_strategy
def test_a_space_of_one_network_can_be_searched(name: str) -> None:
    strategies.check_one_network(case(name))


@every_strategy
def test_the_only_feasible_network_is_found_and_kept(name: str) -> None:
    """All others exceed a limit, by less the nearer they are: the best is found through the violation."""
    found = strategies.check_one_feasible(case(name))
    assert found or name in ("random", "hyperband")  # 216 networks, 300 candidates


@every_strategy
def test_duplicates_are_handled_like_others(name: str) -> None:
    strategies.check_duplicates(case(name))


@every_strategy
def test_new_networks_are_preferred_to_known_ones(name: str) -> None:
    strategies.check_new_networks(case(name))


@every_strategy
def test_initial_genomes_come_first(name: str) -> None:
    strategies.check_initial_genomes(case(name))


@every_strategy
def test_the_global_generator_is_left_alone(name: str) -> None:
    strategies.check_global_generator(case(name))


@functools.cache
def mean_of_the_best(strategy_name: str, seeds: int) -> float:
    """Mean over several searches of eight generations on a smooth problem."""

    def best(seed: int) -> float:
        strategy, found = make_strategy_of(strategy_name, ToySpace(), population=10, seed=seed), []
        for _ in range(8):
            candidates = strategy.ask()
            scores = [toy_score(candidate.genome) for candidate in candidates]
            strategy.tell([ok(value, "score") for value in scores])
            found += scores
        return min(found)

    return sum(best(seed) for seed in range(seeds)) / seeds


@every_strategy
@pytest.mark.parametrize("seeds", [4, pytest.param(10, marks=pytest.mark.soak)])
def test_every_strategy_is_better_than_random_on_a_smooth_problem(name: str, seeds: int) -> None:
    # Strategies that train a network several times are compared in `test_rungs`.
    exempt = name == "random" or case(name).in_rungs
    assert exempt or mean_of_the_best(name, seeds) < mean_of_the_best("random", seeds)
