"""Contract of a strategy (`evonas.protocols.Strategy`): one check for each promise."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from evonas.evaluation import Candidate, Evaluation, Status
from evonas.objective import Objective
from evonas.protocols import Strategy
from evonas.strategies import StrategyRow
from evonas.testing.cases import RMSE, SPACES, StrategyCase, ok, play, raises, score, toy_distance
from evonas.testing.processes import check_processes
from evonas.testing.toy_space import ToySpace
from genomes.space import SearchSpace

__all__ = [
    "FAILURES",
    "STRATEGY_CHECKS",
    "check_all_fail",
    "check_any_count",
    "check_candidates",
    "check_directions",
    "check_duplicates",
    "check_failures_have_no_children",
    "check_global_generator",
    "check_initial_genomes",
    "check_new_networks",
    "check_one_feasible",
    "check_one_network",
    "check_order_of_calls",
    "check_restored",
    "check_seeds",
    "check_strategy",
]

#: Evaluations of candidates that must never become parents, by name.
FAILURES: Mapping[str, Evaluation] = MappingProxyType(
    {
        "nan": ok(float("nan")),
        "-inf": ok(float("-inf")),
        "inf": ok(float("inf")),
        "no score": Evaluation(Status.OK),
        "failed": Evaluation(Status.FAILED, {"rmse": -9.0}),
        "infeasible": Evaluation(Status.INFEASIBLE, {"rmse": -9.0}),
    }
)


def check_candidates(case: StrategyCase, space: SearchSpace) -> None:
    """Checks that candidates are complete members of the space that descend from known ones."""
    more = {"offspring": 9} if "offspring" in case.row.settings else {}
    strategy = case.make(space, objective=RMSE, population=6, epochs=7, seed=3, **more)
    known: set[str] = set()
    assert strategy.retained() == frozenset(), "nothing may be retained before the first ask"
    generations = play(strategy, 5)
    for number, generation in enumerate(generations):
        assert [each.index for each in generation] == list(range(len(generation))), "indices count from 0"
        for each in generation:
            assert space.contains(each.genome), f"{each.genome!r:.200} is not in the space"
            assert each.digest == space.digest(each.genome), "the digest must be that of the space"
            rung = case.in_rungs and 0 < each.epochs < 7 == each.horizon
            assert each.epochs == 7 or rung, "epochs must be those of the settings"
            assert each.generation == number, "generations count from 0"
            assert 0 <= each.seed < 2**31, f"seed {each.seed} is not below 2**31"
            assert set(each.parents) <= known, "parents must be from earlier generations"
        known |= {each.digest for each in generation}
    kept = {(each.generation, each.index) for generation in generations for each in generation if each.keep_snapshots}
    assert strategy.retained() <= kept, "only candidates with keep_snapshots may be retained"


def check_seeds(case: StrategyCase, space: SearchSpace, first: Sequence[Sequence[Candidate]] | None = None) -> None:
    """Checks that the same seed gives the same candidates, and another seed different ones.

    Args:
        case: the strategy to check.
        space: the space to search.
        first: four generations of a population of 6 with seed 0, if known.
    """
    expected = play(case.make(space, objective=RMSE, population=6, seed=0), 4) if first is None else first
    again = play(case.make(space, objective=RMSE, population=6, seed=0), 4)
    other = play(case.make(space, objective=RMSE, population=6, seed=1), 2)
    assert expected == again, "the same seed gives different candidates"
    assert expected[:2] != other, "another seed gives the same candidates"


def check_restored(case: StrategyCase, space: SearchSpace, stop: int) -> None:
    """Checks that a strategy restored after `stop` generations continues as if it had never stopped."""
    initial = [space.sample(np.random.default_rng(9))]
    straight = case.make(space, objective=RMSE, population=6, seed=5, initial=initial)
    expected = play(straight, 6)
    stopped = case.make(space, objective=RMSE, population=6, seed=5, initial=initial)
    play(stopped, stop)
    state = json.loads(json.dumps(stopped.state(), allow_nan=False))
    restored = case.make(space, objective=RMSE, population=6, seed=5)
    play(restored, 2)
    restored.ask()  # earlier state must be discarded
    restored.restore(state)
    assert restored.state() == state, "state() differs from the state passed to restore()"
    assert play(restored, 6 - stop) == expected[stop:], f"restored after {stop} generations, it asks for others"
    assert restored.state() == straight.state(), f"restored after {stop} generations, it ends in a different state"


def check_any_count(case: StrategyCase) -> list[str]:
    """Checks that `ask` returns as many candidates as requested, and that `tell` accepts plain numbers and NaN.

    Returns:
        The texts of the errors for a count that is not a number, and for 0.
    """
    space = ToySpace()
    plain, whole = (case.make(space, objective=RMSE, population=6, seed=3) for _ in range(2))
    for count in (1, 1, 1, 5, 1, 2):
        candidates = plain.ask(count)
        assert [each.index for each in candidates] == list(range(count)), f"ask({count}) gives {len(candidates)}"
        assert candidates == whole.ask(count), "plain numbers and evaluations lead to different candidates"
        scores = [score(each) if score(each) < 0.8 else float("nan") for each in candidates]
        plain.tell(scores)
        whole.tell([ok(value) for value in scores])
    assert plain.state() == whole.state(), "plain numbers and evaluations lead to different states"
    wrong: tuple[Any, ...] = ("3", 0)
    return [raises(ValueError, lambda count=count: plain.ask(count), f"ask({count!r})") for count in wrong]  # type: ignore[misc]


def check_order_of_calls(case: StrategyCase) -> list[str]:
    """Checks that calls out of order raise RuntimeError, and a wrong number of evaluations ValueError.

    Returns:
        The error texts for `tell` before `ask`, `ask` and `state` while candidates are pending, too few evaluations,
        and a second `tell`.
    """
    strategy = case.make(ToySpace(), population=4)
    texts = [raises(RuntimeError, lambda: strategy.tell([]), "tell before ask")]
    candidates = strategy.ask()
    texts.append(raises(RuntimeError, strategy.ask, "ask after ask"))
    texts.append(raises(RuntimeError, strategy.state, "state between ask and tell"))
    texts.append(raises(ValueError, lambda: strategy.tell([ok(1.0)] * 3), "tell with too few evaluations"))
    strategy.tell([ok(1.0)] * len(candidates))
    texts.append(raises(RuntimeError, lambda: strategy.tell([ok(1.0)] * len(candidates)), "tell after tell"))
    return texts


def check_directions(case: StrategyCase, space: SearchSpace) -> None:
    """Checks that minimising a score and maximising its negative give the same candidates."""
    down = case.make(space, objective=Objective("score", "min"), population=6)
    up = case.make(space, objective="score", direction="max", population=6)
    for _ in range(5):
        candidates = down.ask()
        assert candidates == up.ask(), "minimising and maximising the negative ask for different candidates"
        down.tell([ok(score(each), "score") for each in candidates])
        up.tell([ok(-score(each), "score") for each in candidates])


def check_all_fail(case: StrategyCase) -> None:
    """Checks that the search continues after generations in which every candidate fails."""
    strategy = case.make(ToySpace(), objective=RMSE, population=4)
    for _ in range(4):
        strategy.tell([Evaluation(Status.FAILED, reason="diverged") for _ in strategy.ask()])
    json.dumps(strategy.state(), allow_nan=False)
    assert len(strategy.ask()) == 4, "after failures only, a generation does not have the usual size"


def check_failures_have_no_children(case: StrategyCase, bad: Evaluation) -> None:
    """Checks that candidates without a finite score never become parents while others succeed."""
    strategy = case.make(ToySpace(), objective=RMSE, population=6, seed=2)
    good: set[str] = set()
    for generation in range(8):
        candidates = strategy.ask()
        parents = {parent for candidate in candidates for parent in candidate.parents}
        assert generation < 2 or parents <= good, "a candidate that failed became a parent"
        good |= {candidate.digest for candidate in candidates[::2]}
        strategy.tell([bad if index % 2 else ok(score(each)) for index, each in enumerate(candidates)])


def check_one_network(case: StrategyCase) -> None:
    """Checks that a space with a single network can be searched."""
    generations = play(case.make(ToySpace(1), objective=RMSE, population=3), 4)
    assert all(len(generation) == 3 or case.in_rungs for generation in generations), "generations are not complete"


def check_one_feasible(case: StrategyCase) -> bool:
    """Checks that the search continues if all networks but one violate a limit, by their distance from that one.

    Returns:
        Whether the feasible one was found among 216 with 300 candidates, by its violation: its score is the worst.
    """
    strategy, target, found = case.make(ToySpace(6), objective=RMSE, population=12, seed=1), (2, 4, 3), False
    for _ in range(25):
        candidates = strategy.ask()
        strategy.tell([toy_distance(candidate, target) for candidate in candidates])
        if found := any(candidate.genome[:3] == target for candidate in candidates):
            break
    json.dumps(strategy.state(), allow_nan=False)
    assert len(strategy.ask()) == 12 or case.in_rungs, "after infeasible ones, a generation lacks the usual size"
    return found


def check_duplicates(case: StrategyCase) -> None:
    """Checks that a space smaller than the population is searched completely, and that the state survives this."""
    strategy = case.make(ToySpace(2), objective=RMSE, population=12)  # eight networks
    digests = {candidate.digest for generation in play(strategy, 4) for candidate in generation}
    assert len(digests) == 8, f"of eight networks, {len(digests)} were tried"
    state = json.loads(json.dumps(strategy.state(), allow_nan=False))
    restored = case.make(ToySpace(2), objective=RMSE, population=12)
    restored.restore(state)
    assert restored.ask() == strategy.ask(), "restored, it asks for different candidates"


def check_new_networks(case: StrategyCase) -> None:
    """Checks that no network is asked for twice while there are others."""
    generations = play(case.make(ToySpace(), objective=RMSE, population=10), 8)
    keys = [each.key if case.in_rungs else each.digest for generation in generations for each in generation]
    assert len(set(keys)) == len(keys), "a network was asked for again although there were others"


def check_initial_genomes(case: StrategyCase) -> None:
    """Checks that initial genomes come first, one per network, as many as fit in the population."""
    initial = [(1, 2, 3, "a"), (4, 5, 6, "a"), (1, 2, 3, "b")]
    candidates = case.make(ToySpace(), population=4, initial=initial).ask()
    assert [each.genome for each in candidates[:2]] == initial[:2], "initial genomes do not come first"
    assert [each.operator == "seed" for each in candidates] == [True, True, False, False], "their operator is 'seed'"
    many = case.make(ToySpace(), population=1, initial=initial)
    assert [each.genome for each in many.ask()] == initial[:1], "more initial genomes than fit in the population"


def check_global_generator(case: StrategyCase) -> None:
    """Checks that Python's global random generator is not used."""
    random.seed(7)
    before = random.getstate()
    play(case.make(ToySpace(), objective=RMSE, population=6), 4)
    assert random.getstate() == before, "the global random generator was used"


def _failures(case: StrategyCase) -> None:
    for bad in FAILURES.values():
        check_failures_have_no_children(case, bad)


def _restore(case: StrategyCase, space: SearchSpace) -> None:
    for stop in (0, 1, 3):
        check_restored(case, space, stop)


def _on_spaces(check: Callable[[StrategyCase, SearchSpace], None]) -> Callable[[StrategyCase], None]:
    def on_each(case: StrategyCase) -> None:
        for space in SPACES.values():
            check(case, space)

    return on_each


#: Name -> check, called with a case; those of `_ON_SPACES` search each of `SPACES`.
STRATEGY_CHECKS: Mapping[str, Callable[[StrategyCase], Any]] = MappingProxyType(
    {
        "any count": check_any_count,
        "order of calls": check_order_of_calls,
        "all fail": check_all_fail,
        "failures have no children": _failures,
        "one network": check_one_network,
        "one feasible": check_one_feasible,
        "duplicates": check_duplicates,
        "new networks": check_new_networks,
        "initial genomes": check_initial_genomes,
        "global generator": check_global_generator,
        "candidates": _on_spaces(check_candidates),
        "seeds": _on_spaces(check_seeds),
        "directions": _on_spaces(check_directions),
        "restored": _on_spaces(_restore),
        "processes": check_processes,
    }
)
_ON_SPACES = ("candidates", "seeds", "directions", "restored")


def check_strategy(
    strategy: str | StrategyRow | Callable[..., Strategy],
    *,
    spaces: Mapping[str, SearchSpace] = SPACES,
    processes: bool = True,
    **options: Any,
) -> None:
    """Runs all checks of `STRATEGY_CHECKS`: determinism, resuming, failures, tiny spaces, other processes.

    Args:
        strategy: a name, a class, or an `evonas.strategies.StrategyRow`.
        spaces: spaces for checking candidates, seeds, directions and resuming; `SPACES` by default.
        processes: whether to start another process, which must be able to import the strategy.
        **options: fields of `evonas.Settings` that are always passed to the strategy.

    Raises:
        AssertionError: a promise of `evonas.protocols.Strategy` is broken; the message names it.
        InputError: it is not a strategy, or does not use an option.

    Example:
        >>> check_strategy("ga", spaces={"toy": ToySpace()}, processes=False, tournament=2)
    """
    case = StrategyCase(strategy, tuple(options.items()))
    for name, check in STRATEGY_CHECKS.items():
        if name not in _ON_SPACES and (processes or name != "processes"):
            check(case)
    for space in spaces.values():
        check_candidates(case, space)
        check_seeds(case, space)
        check_directions(case, space)
        for stop in range(6):
            check_restored(case, space, stop)
