"""A search space and an evaluator without training, for tests of the search, the store and the loop.

A toy genome (`evonas.testing.ToySpace`) is a tuple of three numbers in 0..9 and a letter that has no effect: genomes
that differ only in the letter have the same digest. The score is a pure function of the digest.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation, Snapshot, Start, Status
from evonas.objective import Objective
from evonas.runs import RunStore
from evonas.strategies import make_strategy
from evonas.testing import ToyGenome, ToySpace


def toy_score(genome: ToyGenome) -> float:
    """The minimum is 0.5, at (3, 7, 5)."""
    return 0.5 + sum((number - best) ** 2 for number, best in zip(genome[:3], (3, 7, 5), strict=True)) / 7


def toy_evaluation(candidate: Candidate) -> Evaluation:
    """A pure function of the genome; some evaluations fail, in every way that a training can."""
    number = int(candidate.digest[:8], 16)
    if number % 11 == 0:
        return Evaluation(Status.FAILED, reason="diverged", epochs=3, curve=(1.0, float("inf"), float("nan")))
    if number % 13 == 0:
        return Evaluation(Status.OK, {"rmse": float("nan")})
    weights = {"output/kernel": np.full((2, 3), number % 97, np.float32), "output/bias": np.zeros(3, np.float32)}
    score = toy_score(candidate.genome)
    return Evaluation(
        Status.OK,
        {"rmse": score, "r2": 1 - score},
        best_epoch=2,
        epochs=candidate.epochs,
        curve=(score + 1, score),
        train_curve=(score + 2, score + 1),
        train_seconds=time.monotonic() % 1,
        parameters=sum(candidate.genome[:3]),
        weights=weights,
    )


def toy_evaluation_from(candidate: Candidate, evaluation: Evaluation, start: Start | None) -> Evaluation:
    """Evaluates a candidate that may start from another one: its curve continues the other one's."""
    weights = evaluation.weights or {}
    before = start.snapshots[0] if start else None
    if before is not None and candidate.origin is not None and candidate.origin.kind == "inherit":
        curve = (float(before.weights["output/kernel"][0, 0]), *evaluation.curve)
    else:
        curve = (*(before.curve if before else ()), *evaluation.curve)
    evaluation = replace(evaluation, curve=curve)
    if not candidate.keep_snapshots or evaluation.status is not Status.OK:
        return evaluation
    outputs = np.zeros((2, 1), np.float32)
    return replace(evaluation, snapshots=(Snapshot(weights, {}, {}, weights, outputs, 1.0, 2.0, 3, curve, curve),))


class ToyEvaluator:
    """Returns parts of `part_size` and records what it trained. What is already done does not move the parts."""

    def __init__(
        self,
        part_size: int = 3,
        sleep_seconds: float = 0.0,
        evaluation: Callable[[Candidate], Evaluation] = toy_evaluation,
    ) -> None:
        self.part_size, self.sleep_seconds, self.evaluation = part_size, sleep_seconds, evaluation
        self.trained: list[str] = []
        self.plans: list[tuple[str, ...]] = []
        self.closed = False
        self.remembered = 0

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        self.plans.append(tuple(candidate.digest for candidate in candidates))
        self.remembered += 1
        for start in range(0, len(candidates), self.part_size):
            indices = [
                index for index in range(start, min(start + self.part_size, len(candidates))) if index not in done
            ]
            if indices:
                time.sleep(self.sleep_seconds)
                self.trained += [candidates[index].digest for index in indices]
                yield {
                    index: toy_evaluation_from(candidates[index], self.evaluation(candidates[index]), starts.get(index))
                    for index in indices
                }

    def close(self) -> None:
        self.closed = True

    def state(self) -> Any:
        """State: how many generations it has planned."""
        return self.remembered

    def restore(self, state: Any) -> None:
        self.remembered = state or 0


RMSE = Objective("rmse", "min")


def toy_settings(**values: Any) -> Settings:
    return Settings(**{"strategy": "ga", "population": 8, "seed": 0, "keep": 4, **values}).resolve("rmse")


def toy_store(
    directory: Any, settings: Settings | None = None, space: ToySpace | None = None, **values: Any
) -> RunStore:
    settings, space = settings or toy_settings(), space or ToySpace()
    strategy = make_strategy(settings.strategy, space, objective=RMSE, settings=settings)
    return RunStore.create(directory, settings=settings, space=space, state=strategy.state(), **values)


class ToyStreamingEvaluator(ToyEvaluator):
    """Trains `slots` candidates at a time and returns them in random order."""

    def __init__(self, slots: int = 1, seed: int = 0, sleep_seconds: float = 0.0, **options: Any) -> None:
        super().__init__(1, sleep_seconds, **options)
        self.slots, self.rng = slots, random.Random(seed)

    def stream(self) -> ToyStream:
        return ToyStream(self)


class ToyStream:
    """Implements `Stream`."""

    def __init__(self, evaluator: ToyStreamingEvaluator) -> None:
        self.evaluator, self.slots = evaluator, evaluator.slots
        self.training: dict[int, tuple[Candidate, Start | None]] = {}
        self.most = 0

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        assert number not in self.training
        self.training[number] = (candidate, start)
        self.most = max(self.most, len(self.training))

    def wait(self) -> Mapping[int, Evaluation]:
        time.sleep(self.evaluator.sleep_seconds)
        if self.evaluator.rng.random() < 0.1:
            return {}
        number = self.evaluator.rng.choice(sorted(self.training))
        candidate, start = self.training.pop(number)
        self.evaluator.trained.append(candidate.digest)
        return {number: toy_evaluation_from(candidate, self.evaluator.evaluation(candidate), start)}

    def close(self) -> None:
        self.training.clear()
