"""Candidates and evaluations to fill a store with, and small data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evonas.config import Budget
from evonas.data.prepared import PreparedData, Problem, Split
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.runs import RunStore
from tests.toy import ToySpace

__all__ = ["candidates", "files_under", "fill", "scored", "toy_data"]


def candidates(count: int, generation: int = 0) -> list[Candidate]:
    space = ToySpace()
    genomes = [(number // 100 % 10, number // 10 % 10, number % 10, "a") for number in range(count)]
    return [Candidate(genome, space.digest(genome), 5, 50, generation, index) for index, genome in enumerate(genomes)]


def scored(score: float, number: float = 0.0) -> Evaluation:
    weights = {"output/kernel": np.full((2, 2), number, np.float32)}
    return Evaluation(Status.OK, {"rmse": score}, curve=(2.0, float("nan"), score), epochs=3, weights=weights)


def fill(store: RunStore, scores: list[float]) -> list[Candidate]:
    asked = candidates(len(scores))
    store.begin_session(Budget(generations=1))
    store.add_candidates(asked, ToySpace())
    for number, (candidate, score) in enumerate(zip(asked, scores, strict=True)):
        store.commit_part([(candidate, scored(score, number))], seconds=number + 1.0)
    return asked


def files_under(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def toy_data(shift: float = 0.0) -> PreparedData:
    x, y = np.arange(12, dtype=np.float32).reshape(6, 2) + shift, np.ones((6, 1), np.float32)
    problem = Problem("regression", 2, 1, (0.0,), (1.0,))
    return PreparedData(problem, (Split(x[:4], y[:4], x[4:], y[4:]),), fingerprint=f"fingerprint {shift}")
