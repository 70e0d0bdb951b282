"""The loop: what is trained, when it stops, and that nothing is trained twice."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.evolution.loop import evolve, spent
from evonas.interruption import Interruption
from evonas.runs import RunStore
from evonas.runs.progress import IDLE_GENERATIONS, Generation, Progress, Stop, describe_stop
from evonas.strategies import make_strategy
from genomes.population import read_population
from tests.clock import Clock
from tests.toy import RMSE, ToyEvaluator, ToySpace, toy_settings, toy_store


def run(store: RunStore, budget: Budget, evaluator: ToyEvaluator | None = None, **options: Any) -> list[Generation]:
    space = ToySpace(store.space_json["size"])
    strategy = make_strategy(store.settings.strategy, space, objective=RMSE, settings=store.settings)
    return list(evolve(strategy, evaluator or ToyEvaluator(), store, space, budget, **options))


def straight(directory: Path, generations: int, **settings: Any) -> str:
    with toy_store(directory, toy_settings(**settings)) as store:
        run(store, Budget(generations=generations))
        return store.digest()


def test_a_run_improves_and_stops_at_its_generations(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        generations = run(store, Budget(generations=12))
        assert [generation.number for generation in generations] == list(range(12))
        assert store.stop == Stop.GENERATIONS
        assert store.generations == 12
        best = [generation.best.loss for generation in generations if generation.best]
        assert best == sorted(best, reverse=True)
        assert best[-1] < best[0]
        assert generations[-1].best == store.ranked(1)
        assert describe_stop(store.stop or "", store.budget) == "all 12 generations are done"


def test_no_network_is_trained_twice(tmp_path: Path) -> None:
    evaluator = ToyEvaluator()
    with toy_store(tmp_path / "run", toy_settings(population=30), ToySpace(3)) as store:
        generations = run(store, Budget(generations=6), evaluator)
        assert len(evaluator.trained) == len(set(evaluator.trained)) == store.evaluated
        assert store.evaluated < sum(len(generation.candidates) for generation in generations)
    for generation in generations:
        for candidate, evaluation in zip(generation.candidates, generation.evaluations, strict=True):
            if evaluation.status is Status.OK:
                assert evaluation.parameters == sum(candidate.genome[:3])


def test_a_space_without_new_networks_ends_the_run(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run", toy_settings(population=2), ToySpace(1)) as store:
        generations = run(store, Budget(evaluations=100))
        assert store.stop == Stop.EXHAUSTED
        assert len(generations) == IDLE_GENERATIONS + 1
        assert store.evaluated == 1


def test_evaluations_are_bounded_exactly_and_can_be_extended(tmp_path: Path) -> None:
    expected = straight(tmp_path / "straight", 5)
    with toy_store(tmp_path / "run") as store:
        run(store, Budget(evaluations=21), ToyEvaluator(part_size=4))
        assert (store.evaluated, store.generations, store.stop) == (21, 2, Stop.EVALUATIONS)
        assert run(store, Budget(evaluations=21)) == []
        budget = store.budget.extend(spent(store), {"generations": "+3"})
        assert budget == Budget(generations=5)
        run(store, budget)
        assert store.digest() == expected


def test_a_target_stops_between_parts(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        run(store, Budget(generations=50, target=3.0))
        assert store.stop == Stop.TARGET
        assert (store.ranked(1).loss or 9) <= 3.0
        assert spent(store).target == 3.0
        assert store.budget.extend(spent(store), {"generations": 4}) == Budget(generations=4)


def test_time_counts_across_sessions(tmp_path: Path, clock: Clock) -> None:
    with toy_store(tmp_path / "run") as store:
        run(store, Budget(seconds=0.3), ToyEvaluator(sleep_seconds=0.05))
        assert store.stop == Stop.TIME
        first, seconds = store.evaluated, store.seconds
        assert 0.3 <= seconds < 0.4
        run(store, Budget(seconds=0.3), ToyEvaluator(sleep_seconds=0.05))
        assert (store.evaluated, store.stop) == (first, Stop.TIME)
        run(store, store.budget.extend(spent(store), {"time": "+0.3s"}), ToyEvaluator(sleep_seconds=0.05))
        assert store.evaluated > first
        assert store.seconds >= seconds + 0.3


def test_parts_and_sessions_do_not_change_the_outcome(tmp_path: Path) -> None:
    expected = straight(tmp_path / "straight", 4)
    for part_size in (1, 5, 100):
        with toy_store(tmp_path / f"parts_of_{part_size}") as store:
            for generation in range(1, 5):
                run(store, Budget(generations=generation), ToyEvaluator(part_size))
            assert store.digest() == expected


def test_a_resumed_generation_is_planned_as_the_straight_one(tmp_path: Path) -> None:
    evaluator = ToyEvaluator()
    with toy_store(tmp_path / "straight") as store:
        run(store, Budget(generations=3), evaluator)
    halves = ToyEvaluator()
    with toy_store(tmp_path / "halves") as store:
        for evaluations in (5, 12, 18):
            run(store, Budget(evaluations=evaluations), halves)
    assert set(halves.plans) == set(evaluator.plans)


def test_a_request_to_stop_acts_between_parts(tmp_path: Path) -> None:
    expected = straight(tmp_path / "straight", 3)
    interruption = Interruption()

    def ask_to_stop(progress: Progress) -> None:
        if progress.evaluated >= 11:
            interruption.signal = 2

    with toy_store(tmp_path / "run") as store:
        run(store, Budget(generations=3), interruption=interruption, on_part=ask_to_stop)
        assert store.stop == Stop.INTERRUPTED
        assert store.evaluated == 11
    with RunStore.open(tmp_path / "run") as store:
        run(store, Budget(generations=3))
        assert store.digest() == expected


def test_leaving_the_loop_is_an_interruption(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        strategy = make_strategy(store.settings.strategy, ToySpace(), objective=RMSE, settings=store.settings)
        generations = evolve(strategy, ToyEvaluator(), store, ToySpace(), Budget(generations=9))
        next(generations)
        generations.close()
        assert store.stop == Stop.INTERRUPTED


def test_progress_shows_the_state_of_the_search(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with toy_store(tmp_path / "run") as store:
        run(store, Budget(generations=2), on_part=seen.append)
        assert [progress.trained for progress in seen] == [3, 6, 8, 3, 6, 8]
        assert {progress.planned for progress in seen} == {8}
        assert seen[-1].evaluated == store.evaluated == 16
        assert seen[-1].failed == store.failed
        assert seen[-1].best == store.ranked(1)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_an_evaluation_without_a_finite_score_has_failed(tmp_path: Path, score: float | None) -> None:
    def evaluation(candidate: Candidate) -> Evaluation:
        return Evaluation(Status.OK, {} if score is None else {"rmse": score})

    with toy_store(tmp_path / "run") as store:
        generations = run(store, Budget(generations=2), ToyEvaluator(evaluation=evaluation))
        assert {record.evaluation.status for record in store.records()} == {Status.FAILED}
        assert all("rmse" in record.evaluation.reason for record in store.records())
        assert generations[-1].best is None
        assert store.best(5) == []


def test_an_evaluator_that_breaks_its_contract_gets_an_error(tmp_path: Path) -> None:
    class Short(ToyEvaluator):
        def evaluate(self, *arguments: Any) -> Any:
            yield from list(super().evaluate(*arguments))[:-1]

    class Twice(ToyEvaluator):
        def evaluate(self, *arguments: Any) -> Any:
            for part in super().evaluate(*arguments):
                yield part
                yield part

    with toy_store(tmp_path / "short") as store, pytest.raises(RuntimeError, match="2 candidates left"):
        run(store, Budget(generations=1), Short())
    with toy_store(tmp_path / "twice") as store, pytest.raises(RuntimeError, match="not requested"):
        run(store, Budget(generations=1), Twice())


def test_reports_are_current_after_every_part(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def check(progress: Progress) -> None:
        with (folder / "results.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == progress.evaluated
        genomes = read_population(folder / "population.json", ToySpace()).genomes
        assert len(genomes) == min(8, progress.evaluated - progress.failed)

    with toy_store(folder) as store:
        store.report_share = 1.0
        run(store, Budget(generations=2), on_part=check)
        best = read_population(folder / "population.json", ToySpace()).genomes[0]
        assert ToySpace().digest(best) == store.ranked(1).digest
