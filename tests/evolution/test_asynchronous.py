"""The asynchronous loop: bounds, exact resumption from any moment, and repetition of a run in its order of arrival."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.evolution.asynchronous import evolve_asynchronously
from evonas.evolution.candidate_streams import Repeated
from evonas.interruption import Interruption
from evonas.io import atomic
from evonas.runs import RunReader, RunStore, schema
from evonas.runs.progress import IDLE_GENERATIONS, Generation, Progress, Stop
from evonas.strategies import STRATEGIES, make_strategy
from genomes.errors import InputError
from tests.toy import RMSE, ToyEvaluator, ToySpace, ToyStreamingEvaluator, toy_settings, toy_store


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here simulates a power failure, so no write has to reach the disk before the run continues."""
    configure = schema._configure

    def relaxed(connection: sqlite3.Connection, mode: str) -> None:
        configure(connection, mode)
        connection.execute("PRAGMA synchronous = OFF")

    monkeypatch.setattr(schema, "_configure", relaxed)
    monkeypatch.setattr(atomic.os, "fsync", lambda _: None)


FAST = [name for name, row in STRATEGIES.items() if row.one_by_one and row.extra != "gp"]


def settings(**values: Any) -> Any:
    return toy_settings(**{"strategy": "aging", "asynchronous": True, "window": 0, **values})


def run(store: RunStore, budget: Budget, evaluator: Any = None, **options: Any) -> list[Generation]:
    space = ToySpace(store.space_json["size"])
    strategy: Any = make_strategy(store.settings.strategy, space, objective=RMSE, settings=store.settings)
    evaluator = evaluator or ToyStreamingEvaluator(3)
    return list(evolve_asynchronously(strategy, evaluator, store, space, budget, **options))


def records(store: RunReader) -> list[Any]:
    return [
        (each.generation, each.index, each.digest, repr(replace(each.evaluation, train_seconds=0.0)))
        for each in store.records()
    ]


def test_each_generation_has_as_many_results(tmp_path: Path) -> None:
    seen: list[Progress] = []
    evaluator = ToyStreamingEvaluator(3)
    with toy_store(tmp_path / "run", settings(offspring=5)) as store:
        generations = run(store, Budget(generations=6), evaluator, on_part=seen.append)
        assert [generation.number for generation in generations] == list(range(6))
        assert [len(generation.candidates) for generation in generations] == [8, 5, 5, 5, 5, 5]
        assert (store.stop, store.generations, store.evaluated) == (Stop.GENERATIONS, 6, 33)
        assert [(each.generation, each.trained, each.planned) for each in seen[6:10]] == [
            (0, 7, 8),
            (0, 8, 8),
            (1, 1, 5),
            (1, 2, 5),
        ]
        assert store.events.asked == len(evaluator.trained) == 33
        best = [generation.best.loss for generation in generations if generation.best and generation.best.loss]
        assert best == sorted(best, reverse=True)
        assert [summary.candidates for summary in store.summaries()] == [8, 5, 5, 5, 5, 5]


def test_a_candidate_is_asked_for_as_soon_as_a_slot_is_free(tmp_path: Path) -> None:
    """Nor earlier: each request takes into account every candidate except those in training."""
    with toy_store(tmp_path / "run", settings()) as store:
        run(store, Budget(generations=3), ToyStreamingEvaluator(3))
        kinds = [event.kind for event in store.events.since()]
        assert kinds[:7] == ["asked", "asked", "asked", "told", "asked", "told", "asked"]
        out = 0
        for index, kind in enumerate(kinds):
            out += 1 if kind == "asked" else -1
            assert out <= 3
            assert out > 1 or index == 0 or index > len(kinds) - 4


@pytest.mark.parametrize("strategy", FAST)
@pytest.mark.sampled(3)
def test_a_run_with_one_slot_is_the_same_however_it_is_cut(tmp_path: Path, strategy: str) -> None:
    chosen = settings(strategy=strategy)
    with toy_store(tmp_path / "straight", chosen) as store:
        run(store, Budget(evaluations=14), ToyStreamingEvaluator(1))
        expected, events = records(store), store.events.since()
        assert store.evaluated == 14
    for evaluator in (ToyStreamingEvaluator(1), ToyEvaluator()):
        with toy_store(tmp_path / type(evaluator).__name__, chosen) as store:
            for evaluations in (3, 9, 14):
                run(store, Budget(evaluations=evaluations), evaluator)
            assert records(store) == expected
            assert store.events.since() == events


@pytest.mark.parametrize("strategy", FAST)
def test_a_run_is_repeated_in_the_order_of_its_arrivals(tmp_path: Path, strategy: str) -> None:
    """With different slots and durations; also for a run that was stopped and continued with different slots."""
    chosen = settings(strategy=strategy)
    with toy_store(tmp_path / "first", chosen) as store:
        run(store, Budget(evaluations=9), ToyStreamingEvaluator(4, seed=1))
        run(store, Budget(generations=2), ToyStreamingEvaluator(2, seed=2))
        digest = store.digest()
    slots = 1 + (strategy == "aging")
    with RunReader(tmp_path / "first") as first, toy_store(tmp_path / "again", chosen) as store:
        run(store, Budget(generations=2), Repeated(ToyStreamingEvaluator(slots, seed=slots), first.events))
        assert store.digest() == digest


def test_a_repeated_run_may_continue(tmp_path: Path) -> None:
    with toy_store(tmp_path / "first", settings()) as store:
        run(store, Budget(generations=2), ToyStreamingEvaluator(3, seed=1))
    with RunReader(tmp_path / "first") as first, toy_store(tmp_path / "goes_on", settings()) as store:
        run(store, Budget(generations=3), Repeated(ToyStreamingEvaluator(2, seed=5), first.events))
        assert store.events.since()[: first.events.count] == first.events.since()
        assert store.generations == 3


@pytest.mark.parametrize("strategy", FAST)
@pytest.mark.sampled(2)
def test_in_the_order_of_asking_a_run_is_the_same_at_any_speed(tmp_path: Path, strategy: str) -> None:
    """A worker waits only when the window is full; a run cut by kills or its budget ends like an uninterrupted one."""
    chosen, digests = settings(strategy=strategy, window=4, offspring=5), []
    for slots in (1, 2, 4):
        evaluator = ToyStreamingEvaluator(slots, seed=slots)
        with toy_store(tmp_path / f"by_{slots}", chosen) as store:
            run(store, Budget(generations=3), evaluator)
            digests.append(store.digest())
            places = [event.place for event in store.events.since() if event.kind == "told"]
            assert places == sorted(places)
            assert (len(places), store.evaluated, store.events.asked) == (18, 18, 21)
            assert len(store.summaries()) == 3
    with toy_store(tmp_path / "extended", chosen) as store:
        for budget in (Budget(generations=1), Budget(evaluations=11), Budget(generations=3)):
            run(store, budget, ToyStreamingEvaluator(3, seed=9))
        digests.append(store.digest())
    assert len(set(digests)) == 1


def test_a_slow_network_blocks_nothing_before_the_window_is_full(tmp_path: Path) -> None:
    class Slow(ToyStreamingEvaluator):
        """Returns the first candidate last."""

        def stream(self) -> Any:
            stream = super().stream()
            stream.evaluator.rng.choice = lambda numbers: numbers[-1]  # type: ignore[assignment]
            return stream

    with toy_store(tmp_path / "run", settings(window=5)) as store:
        evaluator = Slow(2)
        run(store, Budget(generations=1), evaluator)
        first = store._row("SELECT digest FROM candidate WHERE generation = 0 AND position = 0")
        assert evaluator.trained.index(first[0] if first else "") == 4


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    "chosen",
    [
        {"strategy": "aging"},
        {"strategy": "aging", "window": 4},
        {"strategy": "evolution", "inherit": True, "window": 4},
        pytest.param({"strategy": "cmaes"}, marks=pytest.mark.soak),
        pytest.param({"strategy": "evolution", "rungs": 2, "eta": 2, "epochs": 6}, marks=pytest.mark.soak),
    ],
    ids=["as they arrive", "in order", "in order and inheriting", "cmaes", "in rungs"],
)
def test_a_run_cut_at_any_commit_continues_with_the_pending_candidates(
    tmp_path: Path, chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded events stay; exactly the candidates that were in training are asked for again and trained."""
    folder, commits = tmp_path / "run", 0
    known: list[Any] = []
    evaluator = ToyStreamingEvaluator(3, seed=7)
    toy_store(folder, settings(**chosen)).close()
    while True:
        commits += 1
        with RunStore.open(folder) as store:
            events, left = store.events.since(), commits
            asked = {event.place for event in events if event.kind == "asked" and event.place[0] < 3}
            out = asked - {event.place for event in events if event.kind == "told"}
            assert events[: len(known)] == known
            known, commit = events, store._commit

            def cut(*arguments: Any, commit: Any = commit, **named: Any) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    raise Killed
                commit(*arguments, **named)

            monkeypatch.setattr(store, "_commit", cut)
            monkeypatch.setattr(store.events, "_commit", cut)
            try:
                run(store, Budget(generations=3), evaluator)
            except Killed:
                continue
            told = [event.place for event in store.events.since() if event.kind == "told"]
            assert out <= set(told)
            assert store.generations == 3
            assert len(told) == len(set(told)) == 24
            assert store.evaluated == len({candidate.digest for candidate in store.records()}) or "rungs" in chosen
            digest = store.digest()
            break
    with RunReader(folder) as first, toy_store(tmp_path / "again", settings(**chosen)) as store:
        straight = ToyStreamingEvaluator(2)
        run(store, Budget(generations=3), straight if chosen.get("window") else Repeated(straight, first.events))
        assert records(store) == records(first)
        assert store.digest() == digest
    if chosen.get("inherit"):
        with RunReader(folder) as first:
            assert any(record.origin for record in first.records())


def test_no_network_is_trained_twice_and_an_exhausted_space_ends_the_run(tmp_path: Path) -> None:
    evaluator = ToyStreamingEvaluator(3)
    with toy_store(tmp_path / "few", settings(), ToySpace(2)) as store:
        generations = run(store, Budget(generations=4), evaluator)
        assert len(evaluator.trained) == len(set(evaluator.trained)) == store.evaluated == 8
        assert sum(generation.trained for generation in generations) == 8
        assert sum(len(generation.candidates) for generation in generations) == 32
    with toy_store(tmp_path / "one", settings(population=2), ToySpace(1)) as store:
        assert len(run(store, Budget(evaluations=100), evaluator)) == IDLE_GENERATIONS + 1
        assert (store.stop, store.evaluated) == (Stop.EXHAUSTED, 1)


@pytest.mark.parametrize("window", [0, 4])
def test_evaluating_every_network_of_the_space_ends_the_run(tmp_path: Path, window: int) -> None:
    with toy_store(tmp_path / "run", settings(population=2, window=window), ToySpace(2)) as store:
        run(store, Budget(evaluations=8), ToyStreamingEvaluator(3))
        assert (store.stop, store.evaluated) == (Stop.EVALUATIONS, 8)
        asked = store.events.asked
        run(store, Budget(evaluations=8), ToyStreamingEvaluator(3))
        assert (store.stop, store.events.asked) == (Stop.EVALUATIONS, asked)


def test_bounds_are_exact_even_with_pending_candidates(tmp_path: Path) -> None:
    interruption = Interruption()

    def stop(progress: Progress) -> None:
        if progress.evaluated == 5:
            interruption.signal = 2

    with toy_store(tmp_path / "run", settings()) as store:
        run(store, Budget(evaluations=30), ToyStreamingEvaluator(4), interruption=interruption, on_part=stop)
        assert (store.stop, store.evaluated, store.events.asked) == (Stop.INTERRUPTED, 5, 8)
        run(store, Budget(evaluations=6), ToyStreamingEvaluator(4))
        assert (store.stop, store.evaluated, store.events.asked) == (Stop.EVALUATIONS, 6, 8)
        run(store, Budget(target=99.0, evaluations=30), ToyStreamingEvaluator(4))
        assert (store.stop, store.evaluated) == (Stop.TARGET, 6)
        run(store, Budget(generations=1), ToyStreamingEvaluator(4))
        assert (store.stop, store.generations, store.events.asked) == (Stop.GENERATIONS, 1, 8)
        run(store, Budget(seconds=0.001), ToyStreamingEvaluator(4))
        assert (store.stop, store.evaluated) == (Stop.TIME, 8)


def test_leaving_the_loop_closes_the_stream(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run", settings()) as store:
        strategy: Any = make_strategy("aging", ToySpace(), objective=RMSE, settings=store.settings)
        loop = evolve_asynchronously(strategy, ToyStreamingEvaluator(2), store, ToySpace(), Budget(generations=9))
        next(loop)
        loop.close()
        assert store.stop == Stop.INTERRUPTED


def test_evaluations_without_a_score_fail_and_are_never_parents(tmp_path: Path) -> None:
    def evaluation(candidate: Candidate) -> Evaluation:
        return Evaluation(Status.OK, {"rmse": float("nan")})

    with toy_store(tmp_path / "run", settings()) as store:
        run(store, Budget(generations=2), ToyStreamingEvaluator(2, evaluation=evaluation))
        assert {record.evaluation.status for record in store.records()} == {Status.FAILED}


def test_an_evaluator_that_breaks_its_contract_gets_an_error(tmp_path: Path) -> None:
    class Twice(ToyEvaluator):
        def evaluate(self, candidates: Sequence[Candidate], *others: Any) -> Any:
            for part in super().evaluate(candidates, *others):
                yield {index + 1: evaluation for index, evaluation in part.items()}

    with toy_store(tmp_path / "run", settings()) as store, pytest.raises(RuntimeError, match="return it exactly once"):
        run(store, Budget(generations=1), Twice())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"strategy": "ga"}, "whole generation: leave it out, or choose evolution, aging, random, tpe, gp, cmaes"),
        ({"strategy": "nsga2"}, "off with strategy nsga2"),
        ({"strategy": "hyperband"}, "off with strategy hyperband"),
        ({"strategy": "evolution", "repair": True}, "off with repair"),
        ({"strategy": "evolution", "trainer": "population"}, "off with trainer population"),
    ],
)
def test_impossible_asynchronous_runs_are_refused_with_a_message(values: dict[str, Any], text: str) -> None:
    from evonas.strategies import check_settings

    with pytest.raises(InputError, match=text):
        check_settings(toy_settings(**{"trainer": "single", **values, "asynchronous": True}))


def test_which_runs_are_asynchronous_by_default() -> None:
    chosen = {name: toy_settings(strategy=name, trainer="single").asynchronous for name in STRATEGIES}
    assert [name for name, is_on in chosen.items() if is_on] == ["evolution", "aging"]
    assert toy_settings(strategy="evolution", trainer="single", asynchronous=False).asynchronous is False
    for values in ({"trainer": "population"}, {"repair": True}, {"max_latency_ms": 1.0}):
        assert toy_settings(**{"strategy": "evolution", "trainer": "single", **values}).asynchronous is False
