"""Networks that do what they can to end the search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evonas.config import Budget
from evonas.evaluation import Evaluation, Status
from evonas.evolution.loop import evolve
from evonas.execution import WorkerLimits
from evonas.strategies import make_strategy
from evonas.training_tasks import TrainingSettings
from genomes.population import read_population
from tests.execution import stub_worker as stub
from tests.execution.stubs import StubEvaluator, UnitsSpace
from tests.reliability.battery import Row
from tests.reliability.counts import count
from tests.toy import RMSE, ToyGenome, ToySpace, toy_settings, toy_store

KINDS = (
    stub.EXIT,
    stub.SEGFAULT,
    stub.KILL,
    stub.NAN,
    stub.INFINITE,
    stub.RAISE,
    stub.GROW,
    stub.SPIN,
    stub.STOP,
    stub.HUGE,
)
LIMITS = WorkerLimits(silence_seconds=4.0, beat_seconds=2.5, memory_bytes=600 << 20)


class HostileSpace(ToySpace):
    """Three of ten networks are hostile, in ways that take turns."""

    def units(self, digest: str) -> int:
        number = int(digest[:8], 16)
        return KINDS[number // 10 % len(KINDS)] if number % 10 < 3 else 1 + number % 800

    def architecture(self, genome: ToyGenome) -> Any:
        return UnitsSpace().architecture(self.units(self.digest(genome)))


class TwoScores(StubEvaluator):
    """What is well has a second score, so that there is a front."""

    def evaluate(self, *arguments: Any) -> Iterator[dict[int, Evaluation]]:
        for part in super().evaluate(*arguments):
            yield {
                place: replace(each, scores={**each.scores, "mae": 1000 - each.scores["rmse"]}) if each.scores else each
                for place, each in part.items()
            }


@pytest.mark.soak
def test_hostile_candidates(tmp_path: Path, data_path: Path, row: Row) -> None:
    row(
        "30% hostile candidates: NaN, infinity, exception, `os._exit`, SIGSEGV, SIGKILL, out of memory, endless loop, "
        "stopped process, absurdly large layer",
        "run completes; each classified, with a reason; none in the population, the front or among the best",
    )
    space, size = HostileSpace(), count(6, 40)
    settings = toy_settings(
        population=size, seed=5, epochs=1, strategy="nsga2", objectives=("rmse", "mae"), inherit=False
    )
    strategy = make_strategy(settings.strategy, space, objective=RMSE, settings=settings)
    budget = Budget(evaluations=count(8, 100))
    with (
        toy_store(tmp_path / "run", settings, space) as store,
        TwoScores(space, data_path, TrainingSettings(), tmp_path / "worker.log", LIMITS) as evaluator,
    ):
        for _ in evolve(strategy, evaluator, store, space, budget):
            pass
        assert store.stop == "evaluations"
        store.write_reports()
        records = list(store.records())
        best = {record.digest for record in store.best(len(records))}
        front = {record.digest for record in store.front()}
    hostile = [record for record in records if space.units(record.digest) in KINDS]
    assert all(record.evaluation.status is Status.FAILED for record in hostile)
    assert all(record.evaluation.reason for record in hostile)
    assert all(record.evaluation.status is Status.OK for record in records if record not in hostile)
    bad = {record.digest for record in hostile}
    assert not bad & best
    assert front
    assert not bad & front
    assert not bad & {space.digest(g) for g in read_population(tmp_path / "run" / "population.json", space).genomes}
    row.count = len(records)
    kinds = Counter(space.units(record.digest) for record in hostile)
    row.notes = f"{len(hostile)} hostile, of {len(kinds)} kinds"
    assert hostile
