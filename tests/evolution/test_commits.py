"""Which results are committed together, and that none is left uncommitted, however a generation ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation
from evonas.evolution import commits, loop
from evonas.interruption import Abandoned
from evonas.runs import RunStore
from evonas.strategies import make_strategy
from tests.clock import Clock
from tests.toy import RMSE, ToyEvaluator, ToySpace, toy_store

COMMIT_SECONDS = 0.1  # of a store on a slow disk; results may then wait 0.4 s for their commit


class PromptEvaluator(ToyEvaluator):
    """Evaluates one network at a time, each in that many seconds; raises an exception after a given number."""

    part_seconds = 1.0

    def __init__(self, clock: Clock, seconds: float, fails_after: int = -1, error: type[Exception] = Abandoned) -> None:
        super().__init__(part_size=1)
        self._clock, self._seconds, self._left, self._error = clock, seconds, fails_after, error

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Any] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        for part in super().evaluate(candidates, done, starts):
            if not self._left:
                raise self._error
            self._left -= 1
            self._clock.sleep(self._seconds)
            yield part


def commit_sizes(directory: Path, patch: pytest.MonkeyPatch, evaluator: PromptEvaluator) -> list[int]:
    """The number of networks in each commit of two generations of six."""
    sizes: list[int] = []
    put = RunStore.commit_part

    def slow(self: RunStore, part: Any, seconds: float) -> None:
        sizes.append(len(part))
        evaluator._clock.sleep(COMMIT_SECONDS)
        put(self, part, seconds)

    patch.setattr(RunStore, "commit_part", slow)
    with toy_store(directory) as store:
        strategy = make_strategy(store.settings.strategy, ToySpace(), objective=RMSE, settings=store.settings)
        try:
            list(loop.evolve(strategy, evaluator, store, ToySpace(), Budget(generations=2)))
        finally:
            assert store.evaluated == sum(sizes)
    return sizes


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock().replace_time_in(monkeypatch, loop, commits)


def test_results_that_come_faster_than_the_disk_takes_them_are_committed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    sizes = commit_sizes(tmp_path / "run", monkeypatch, PromptEvaluator(clock, 0.15))
    assert sizes[:2] == [1, 3]
    assert max(sizes) == 3


def test_results_that_come_slowly_are_committed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    assert set(commit_sizes(tmp_path / "run", monkeypatch, PromptEvaluator(clock, 1.0))) == {1}


def test_results_of_an_evaluator_that_may_wait_for_long_are_committed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    evaluator = PromptEvaluator(clock, 0.0)
    evaluator.part_seconds = 10.0
    assert set(commit_sizes(tmp_path / "run", monkeypatch, evaluator)) == {1}


@pytest.mark.parametrize("error", [Abandoned, RuntimeError])
def test_waiting_results_are_committed_when_the_wait_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock, error: type[Exception]
) -> None:
    evaluator = PromptEvaluator(clock, 0.0, fails_after=3, error=error)
    sizes: list[int] = []
    if error is RuntimeError:
        with pytest.raises(RuntimeError):
            commit_sizes(tmp_path / "run", monkeypatch, evaluator)
    else:
        sizes = commit_sizes(tmp_path / "run", monkeypatch, evaluator)
        assert sizes == [1, 2]
