"""Children whose learning rate a range test sets: which, to what, the same after a stop, and one real search."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.config import Budget, Settings
from evonas.data.prepare import prepare_arrays
from evonas.errors import Interrupted
from evonas.evolution.rate_repair import RateRepair, check_repair
from evonas.execution import WorkerError
from evonas.interruption import Abandoned, Interruption
from evonas.rate_sweep import LearningRateCurve, SweepTask
from evonas.runs import RunReader
from evonas.strategies import STRATEGIES, make_strategy
from evonas.strategies.repairs import REPAIRED
from genomes import DenseSpace, HyperparameterSpace, InputError, Range
from genomes.dense.genes import with_gene
from tests.stub import StubEvaluator
from tests.toy import RMSE, ToyGenome, ToySpace

SPACE = DenseSpace(layers=Range(1, 3), units=Range(2, 16))


class Turned:
    """Mends the children of one mutation of the toy space: their last number becomes another."""

    operators = frozenset({"step"})

    def __init__(self) -> None:
        self.given: list[ToyGenome] = []

    def __call__(self, genomes: Sequence[ToyGenome]) -> list[ToyGenome]:
        self.given += genomes
        return [(a, b, 9 - c, letter) for a, b, c, letter in genomes]


def falling(task: SweepTask, at: float) -> LearningRateCurve:
    """A loss that falls at one rate."""
    rates = np.array(task.rates)
    losses = 1 - 0.8 / (1 + (at / rates) ** 3) + (rates / (30 * at)) ** 4
    return LearningRateCurve(tuple(rates), tuple(losses))


def wanted(task: SweepTask) -> float:
    """What the stub's tests suggest: a function of the task alone."""
    return float(2e-4 * 1.5 ** (task.seeds[0] % 10))


class Sweeping(StubEvaluator):
    """An evaluator that sweeps; at a certain sweep, it is as if Ctrl-C had been pressed."""

    interruption: Interruption | None = None
    left = 0

    def sweep(self, task: SweepTask) -> LearningRateCurve:
        Sweeping.left -= 1
        if Sweeping.left == 0 and Sweeping.interruption is not None:
            Sweeping.interruption.signal = 2
        return falling(task, wanted(task))


def data() -> Any:
    x = np.random.default_rng(0).normal(size=(60, 3))
    return prepare_arrays(x, x @ [1.0, -2.0, 0.5], seed=0)


@pytest.mark.parametrize("name", [name for name, row in STRATEGIES.items() if row.mutates])
def test_children_of_such_mutations_are_repaired_and_say_so(name: str) -> None:
    options = {"objective": RMSE, "population": 8, "seed": 2}
    repair = Turned()
    strategy = make_strategy(name, ToySpace(), repair=repair, **options)  # type: ignore[arg-type]
    repaired, seen, space = [], set(), ToySpace()
    for generation in range(6):
        if generation == 4:  # also continues from a state
            state = json.loads(json.dumps(strategy.state()))
            strategy = make_strategy(name, space, repair=repair, **options)  # type: ignore[arg-type]
            strategy.restore(state)
        candidates = strategy.ask()
        for candidate in candidates:
            assert candidate.digest == space.digest(candidate.genome)
            if candidate.operator.endswith(REPAIRED):
                assert candidate.operator == "step" + REPAIRED
                assert candidate.digest not in seen
                a, b, c, letter = candidate.genome
                assert (a, b, 9 - c, letter) in repair.given
                repaired.append(candidate)
        seen |= {candidate.digest for candidate in candidates}
        strategy.tell([1.0 + sum(candidate.genome[:3]) for candidate in candidates])
    assert len(repaired) > 3
    # Samples, and children of other mutations and of crossover, are not.
    assert len(repaired) <= len(repair.given) < 48


def repair_with(space: DenseSpace, sweep: Any) -> RateRepair:
    return RateRepair(space, sweep, 0, Interruption())


def test_the_rate_is_the_suggested_one_within_the_space() -> None:
    genome = with_gene(SPACE.sample(np.random.default_rng(0)), "learning_rate", 0.02)
    tasks: list[SweepTask] = []

    def sweep(task: SweepTask) -> LearningRateCurve:
        tasks.append(task)
        return falling(task, 1e-3)

    (found,) = repair_with(SPACE, sweep)([genome])
    assert SPACE.contains(found)
    assert found == with_gene(genome, "learning_rate", found.training.learning_rate)
    assert found.training.learning_rate == pytest.approx(1e-3, rel=0.5)
    assert len(tasks[0].seeds) == 1
    assert tasks[0].rates[0] == pytest.approx(1e-5)
    assert tasks[0].rates[-1] == pytest.approx(0.3)
    (low,) = repair_with(SPACE, lambda task: falling(task, 2e-5))([genome])
    assert low.training.learning_rate == 1e-4
    few = DenseSpace(layers=Range(1, 3), units=Range(2, 16), learning_rate=[1e-4, 2e-3, 3e-2])
    (chosen,) = repair_with(few, lambda task: falling(task, 1e-3))([genome])
    assert chosen.training.learning_rate == 2e-3


def test_a_test_that_shows_nothing_leaves_the_child_as_it_is() -> None:
    genome = SPACE.sample(np.random.default_rng(0))

    def dies(_: SweepTask) -> LearningRateCurve:
        raise WorkerError("the worker died")

    flat = [lambda task: LearningRateCurve(task.rates, (1.0,) * len(task.rates)), dies]
    flat.append(lambda task: LearningRateCurve(task.rates[:2], (1.0, 2.0)))
    flat.append(lambda task: LearningRateCurve((), ()))
    for sweep in flat:
        assert repair_with(SPACE, sweep)([genome]) == [genome]
    asked = Interruption()
    asked.signal = 15
    with pytest.raises(Abandoned):
        RateRepair(SPACE, dies, 0, asked)([genome])


@pytest.mark.parametrize(
    ("settings", "space", "words"),
    [
        ({}, HyperparameterSpace({"rate": Range(0.1, 1.0)}), "with HyperparameterSpace"),
        ({}, DenseSpace(learning_rate=1e-3), "one learning rate only, 0.001"),
        ({"strategy": "tpe"}, SPACE, "strategy tpe, .* choose one of evolution, ga, aging, nsga2"),
        ({"strategy": "neuroevolution"}, SPACE, "strategy neuroevolution"),
        ({"strategy": "pbt"}, SPACE, "strategy pbt"),
        ({"inherit": True}, SPACE, "inherit on"),
    ],
)
def test_where_nothing_can_be_repaired_it_is_refused(settings: dict[str, Any], space: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_repair(Settings(repair=True, **settings), space)
    check_repair(Settings(**settings), space)


def test_a_loop_of_ones_own_has_nothing_to_repair_with() -> None:
    with pytest.raises(InputError, match="in your own loop"):
        evonas.strategy("evolution", SPACE, repair=True)


def test_an_evaluator_has_to_sweep(tmp_path: Path) -> None:
    chosen, out = Settings(seed=1, repair=True), tmp_path / "run"
    with pytest.raises(InputError, match="method sweep"):
        api.search_prepared(data(), space=SPACE, settings=chosen, out=out, evaluator=StubEvaluator)


class Dying(Sweeping):
    """Is killed in the midst of a certain sweep."""

    def sweep(self, task: SweepTask) -> LearningRateCurve:
        Dying.left -= 1
        if Dying.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return falling(task, wanted(task))


def search(out: Path, interruption: Interruption | None = None, evaluator: Any = Sweeping) -> str:
    chosen = Settings(seed=1, population=6, finalists=0, strategy="ga", repair=True)
    budget = Budget(generations=4)
    api.search_prepared(
        data(), space=SPACE, settings=chosen, budget=budget, out=out, evaluator=evaluator, interruption=interruption
    )
    return digest(out)


def digest(out: Path) -> str:
    with RunReader(out) as run:
        return run.digest()


def test_a_search_that_is_stopped_in_the_midst_of_repairs_ends_as_the_straight_one(tmp_path: Path) -> None:
    Sweeping.left = 0
    straight = search(tmp_path / "straight")
    with RunReader(tmp_path / "straight") as run:
        operators = [record.operator for record in run.records()]
    assert sum(operator.endswith(REPAIRED) for operator in operators) > 2
    Sweeping.interruption, Sweeping.left = Interruption(quiet=True), 3
    with pytest.raises(Interrupted):
        search(tmp_path / "stopped", Sweeping.interruption)
    assert digest(tmp_path / "stopped") != straight
    Sweeping.interruption = None
    evonas.resume(tmp_path / "stopped", evaluator=Sweeping)
    assert digest(tmp_path / "stopped") == straight


def search_until_killed(out: Path, sweeps: int) -> None:
    Dying.left = sweeps
    search(out, evaluator=Dying)


@pytest.mark.parametrize("sweeps", [1, 4])
@pytest.mark.sampled(1)
def test_a_search_that_is_killed_in_the_midst_of_repairs_ends_as_the_straight_one(tmp_path: Path, sweeps: int) -> None:
    Sweeping.left = 0
    straight = search(tmp_path / "straight")
    process = multiprocessing.get_context("spawn").Process(
        target=search_until_killed, args=(tmp_path / "killed", sweeps)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert digest(tmp_path / "killed") != straight
    evonas.resume(tmp_path / "killed", evaluator=Sweeping)
    assert digest(tmp_path / "killed") == straight


@pytest.mark.soak
@pytest.mark.keras
def test_a_real_search_repairs(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(400, 3))
    fixed: dict[str, Any] = {
        "dropout": 0.0,
        "normalization": "none",
        "activation": "relu",
        "optimizer": "adam",
        "numbers": "standard",
    }
    evonas.search(
        x,
        x @ [1.0, -2.0, 0.5],
        space=DenseSpace(layers=Range(1, 3), units=Range(8, 16), batch_size=32, **fixed),
        repair=True,
        strategy="ga",
        crossover=0.0,
        population=3,
        generations=2,
        epochs=2,
        finalists=0,
        out=tmp_path / "run",
    )
    with RunReader(tmp_path / "run") as run:
        repaired = [record for record in run.records() if record.operator.endswith(REPAIRED)]
        assert repaired
        assert all(1e-4 <= record.genome["training"]["learning_rate"] <= 3e-2 for record in repaired)
