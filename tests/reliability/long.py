"""A long search in a process of its own that watches what it takes: memory, descriptors, threads, time of a commit."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import numpy as np

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.evolution import Progress, evolve
from evonas.strategies import make_strategy
from tests.toy import RMSE, ToyEvaluator, ToyGenome, ToySpace, toy_settings, toy_store

__all__ = ["main"]


class WideSpace(ToySpace):
    """Of more networks than any search tries."""

    def __init__(self) -> None:
        super().__init__(1000)


def _evaluation(candidate: Candidate) -> Evaluation:
    genome: ToyGenome = candidate.genome
    score = 1 + sum((number - 500) ** 2 for number in genome[:3]) / 1e6
    curve = tuple(score + 1 / (1 + epoch) for epoch in range(50))
    weights = {"output/kernel": np.full((8, 8), score, np.float32)}
    return Evaluation(
        Status.OK, {"rmse": score}, best_epoch=50, epochs=50, curve=curve, train_curve=curve, weights=weights
    )


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(directory: str, evaluations: int, warm: int) -> int:
    """Prints what was taken at `warm` evaluations and at the end, and how long commits took at 100 rows and then."""
    settings = toy_settings(population=50)
    space = WideSpace()
    strategy = make_strategy(settings.strategy, space, objective=RMSE, settings=settings)
    marks: list[dict[str, int]] = []
    commits: list[float] = []
    with toy_store(directory, settings, space) as store:
        store.report_share = 1e-9  # the time of a commit is that of the database
        plain = store.commit_part

        def timed(part: list[tuple[Candidate, Evaluation]], seconds: float) -> None:
            # Of the processor: what others do with the machine is no part of it, nor is the disk, whose is constant.
            started = time.thread_time()
            plain(part, seconds)
            commits.append(time.thread_time() - started)

        store.commit_part = timed  # type: ignore[method-assign, assignment]

        def on_part(progress: Progress) -> None:
            if (progress.evaluated >= warm and not marks) or progress.evaluated >= evaluations:
                taken = {
                    "bytes": _memory(),
                    "files": len(os.listdir("/proc/self/fd")),
                    "threads": threading.active_count(),
                }
                marks.append(taken)

        evaluator = ToyEvaluator(part_size=5, evaluation=_evaluation)
        for _ in evolve(strategy, evaluator, store, space, Budget(evaluations=evaluations), on_part=on_part):
            pass
    early, late = sorted(commits[:100]), sorted(commits[-max(100, len(commits) // 20) :])
    print(json.dumps({"marks": [marks[0], marks[-1]], "early": early[-2], "late": late[int(0.99 * len(late)) - 1]}))
    return 0
