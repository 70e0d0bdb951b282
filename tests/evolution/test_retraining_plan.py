"""What is trained after a search of limited time: the plan, its forecast, and that no time is reserved in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evonas.config import Budget, Settings
from evonas.evolution.deadline import MOST_FOR_RETRAINING, Timetable
from evonas.evolution.finalists import train_on_all_rows
from evonas.evolution.retraining_plan import RETRAINING_FACTOR, RetrainingCosts, plan_retrainings
from evonas.runs import RunStore
from tests.clock import Clock
from tests.evolution.test_deadline import Worker, finals, search, taking
from tests.toy import ToyEvaluator, ToySpace, toy_settings, toy_store

#: Seconds of a network's training as measured in the search, and afterwards, when nothing starts beside it.
IN_SEARCH, AFTERWARDS = 10.0, 1.0


def planned(costs: RetrainingCosts, limit: float, slots: float = 1) -> tuple[list[int], list[int]]:
    plan = plan_retrainings(costs, slots, limit)
    assert plan.seconds <= limit
    return sorted(plan.finalists), sorted(plan.members)


def test_first_seeds_and_the_fewest_members_then_both_in_turn() -> None:
    costs = RetrainingCosts([1.0] * 6, 3, [1.0] * 8, fewest=3)
    assert planned(costs, 2.5) == ([0, 1], [])
    assert planned(costs, 3.5) == ([0, 1, 2], [])  # two members would be of no use
    assert planned(costs, 5.5) == ([0, 1], [0, 1, 2])
    assert planned(costs, 6.0) == ([0, 1, 2], [0, 1, 2])
    assert planned(costs, 8.0) == ([0, 1, 2, 3], [0, 1, 2, 3])
    assert planned(costs, 4.0, slots=2) == planned(costs, 8.0)
    assert planned(costs, 100.0) == ([*range(6)], [*range(8)])
    assert planned(costs, 0.0) == ([], [])


def test_a_network_that_does_not_fit_is_left_out_for_a_shorter_one() -> None:
    assert planned(RetrainingCosts([1.0, 1.0, 5.0, 1.0], 2, [5.0, 1.0]), 5.0) == ([0, 1, 3], [1])
    # But a finalist is not ranked before one that was never retrained.
    assert planned(RetrainingCosts([1.0, 5.0, 1.0, 1.0, 5.0, 1.0], 3), 4.0) == ([0, 3], [])
    assert planned(RetrainingCosts([5.0, 1.0], 2, [1.0]), 4.0) == ([], [])


def test_what_is_trained_already_takes_no_time_and_keeps_its_turn() -> None:
    assert planned(RetrainingCosts([0.0, 0.0, 0.0, 1.0], 2, [1.0] * 3), 1.0) == ([0, 1, 2], [0])
    assert planned(RetrainingCosts([], 0, [1.0, 1.0, 1.0, 0.0, 0.0], fewest=3), 1.0) == ([], [0, 3, 4])


def worker() -> ToyEvaluator:
    return ToyEvaluator(part_size=1, sleep_seconds=AFTERWARDS, evaluation=taking(AFTERWARDS))


def after_search(directory: Path, settings: Settings | None = None, seconds: float = IN_SEARCH) -> RunStore:
    store = toy_store(directory, settings)
    search(store, ToyEvaluator(evaluation=taking(seconds)), Budget(generations=2))
    return store


def test_time_left_by_a_forecast_that_was_too_long_goes_to_more_retrainings(tmp_path: Path, clock: Clock) -> None:
    with after_search(tmp_path / "run") as store:
        counts: list[tuple[int, int]] = []
        evaluator = worker()
        timetable = Timetable(store, store.seconds + 1.5 * IN_SEARCH)
        assert finals(store, evaluator, timetable, on_part=lambda *count: counts.append(count))
        assert len(evaluator.trained) == 6
        assert counts[0] == (0, 1)  # by the search's times, only one fits
        assert counts[-1] == (6, 6)
        assert store.retrainings.stopped == 0
        digest = store.digest()
    with after_search(tmp_path / "straight") as store:
        assert finals(store, worker())
        assert store.digest() == digest


def test_the_best_network_is_retrained_even_if_it_took_longer_in_the_search(tmp_path: Path, clock: Clock) -> None:
    with after_search(tmp_path / "run") as store:
        options: dict[str, Any] = {"sleep_seconds": AFTERWARDS, "part_size": 1, "evaluation": taking(AFTERWARDS)}
        evaluator = Worker(clock, lambda phase: len(evaluator.trained) > 3, **options)
        timetable = Timetable(store, store.seconds + 4.5)
        assert finals(store, evaluator, timetable)
        assert evaluator.trained[:3] == [store.best(1)[0].digest] * 3
        # What is left is tried with the second network, which is abandoned in time.
        assert store.retrainings.stopped == 3
        assert timetable.left == pytest.approx(0.0, abs=0.01)


def test_a_kill_between_two_plans_changes_no_bit(tmp_path: Path, clock: Clock) -> None:
    def ended(directory: Path, stop_after: int) -> str:
        class Killed(Exception):
            pass

        class Dying(ToyEvaluator):
            def evaluate(self, *arguments: Any) -> Any:
                for part in super().evaluate(*arguments):
                    if len(self.trained) > stop_after:
                        raise Killed
                    yield part

        with after_search(directory) as store:
            first = Dying(part_size=1, sleep_seconds=AFTERWARDS, evaluation=taking(AFTERWARDS))
            try:
                finals(store, first, Timetable(store, store.seconds + 1.5 * IN_SEARCH))
            except Killed:
                assert finals(store, worker(), Timetable(store, store.seconds + 1.5 * IN_SEARCH))
            assert store.retrainings.stopped == 0
            return store.digest()

    assert len({ended(tmp_path / f"{count}", count) for count in (1, 2, 4, 6)}) == 1


def mean_of(count: int) -> Settings:
    return toy_settings(finalists=2, average=count, all_rows=True)


def train_members(store: RunStore, seconds: float) -> ToyEvaluator:
    evaluator = worker()
    assert train_on_all_rows(store, evaluator, ToySpace(), 8, timetable=Timetable(store, store.seconds + seconds))
    return evaluator


@pytest.mark.parametrize(("seconds", "count"), [(2.9, 0), (3.1, 3), (20.0, 8)])
def test_fewer_members_than_the_final_model_uses_are_not_trained(
    tmp_path: Path, clock: Clock, seconds: float, count: int
) -> None:
    with after_search(tmp_path / "run", mean_of(8)) as store:
        assert finals(store, worker())
        assert len(train_members(store, seconds).trained) == count


@pytest.mark.parametrize(
    ("in_search", "seconds", "finalists"),
    [(1.0, 3.6, 3), (2.0, 3.6, 3), (1.0, 4.6, 1), (2.0, 5.1, 2), (1.0, 5.1, 2), (1.0, 7.1, 3), (2.0, 9.1, 4)],
)
def test_finalists_leave_time_for_members_unless_these_are_too_few(
    tmp_path: Path, clock: Clock, in_search: float, seconds: float, finalists: int
) -> None:
    with after_search(tmp_path / "run", mean_of(8), in_search) as store:
        evaluator = worker()
        assert finals(store, evaluator, Timetable(store, store.seconds + seconds, members=8))
        assert len(evaluator.trained) == finalists


@pytest.mark.parametrize("members", [0, 8])
def test_a_search_leaves_a_quarter_of_its_time_at_most_and_what_can_be_used(
    tmp_path: Path, clock: Clock, members: int
) -> None:
    def left_by_search(seconds: float) -> float:
        with toy_store(tmp_path / f"{seconds}", mean_of(8) if members else None) as store:
            timetable = Timetable(store, 40.0, retrainings=(2, 3), members=members)
            evaluator = ToyEvaluator(part_size=1, sleep_seconds=0.1, evaluation=taking(seconds))
            search(store, evaluator, Budget(seconds=40.0), timetable)
            return timetable.left

    share = 40.0 * MOST_FOR_RETRAINING
    assert left_by_search(0.1) == pytest.approx(0.1 * (6 + members) * RETRAINING_FACTOR, abs=0.11)
    assert left_by_search(6.0) == pytest.approx(6.0 * RETRAINING_FACTOR, abs=0.11)  # a second one would not fit
    assert left_by_search(share) == pytest.approx(0.0, abs=0.11)  # nor would the first


def test_time_to_choose_members_is_reserved_only_if_they_are_chosen(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run", toy_settings(average=4, all_rows=False, finalists=2)) as store:
        ends = [Timetable(store, 100.0, has_end=True, has_choice=choice).end_seconds for choice in (False, True)]
        assert ends[1] - ends[0] == pytest.approx(3.0)
