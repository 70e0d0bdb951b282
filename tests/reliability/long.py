"""A long search in a separate process that records its resources: memory, descriptors, threads, time of a commit."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.evolution.loop import evolve
from evonas.runs import RunStore
from evonas.runs.progress import Progress
from evonas.strategies import make_strategy
from tests.toy import RMSE, ToyEvaluator, ToyGenome, ToySpace, toy_settings, toy_store

__all__ = ["main"]


class WideSpace(ToySpace):
    """Contains more networks than any search tries."""

    def __init__(self) -> None:
        super().__init__(1000)


def _evaluation(candidate: Candidate) -> Evaluation:
    genome: ToyGenome = candidate.genome
    return _evaluation_with(1 + sum((number - 500) ** 2 for number in genome[:3]) / 1e6)


def _evaluation_with(score: float) -> Evaluation:
    curve = tuple(score + 1 / (1 + epoch) for epoch in range(50))
    weights = {"output/kernel": np.full((8, 8), score, np.float32)}
    return Evaluation(
        Status.OK, {"rmse": score}, best_epoch=50, epochs=50, curve=curve, train_curve=curve, weights=weights
    )


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(directory: str, evaluations: int, warm: int, disk: str, rounds: int) -> int:
    """Prints the resources in use at `warm` evaluations and at the end, and commit times after 100 and after all.

    Args:
        disk: folder on the disk whose commits are timed.
        rounds: repetitions of twenty commits in each of two stores.
    """
    settings = toy_settings(population=50, strategy="evolution")
    space = WideSpace()
    strategy = make_strategy(settings.strategy, space, objective=RMSE, settings=settings)
    marks: list[dict[str, int]] = []
    early = Path(disk) / "early"
    with toy_store(directory, settings, space) as store:
        store.report_share = 1e-9  # the time of a commit is that of the database

        def on_part(progress: Progress) -> None:
            if progress.evaluated >= 100 and not early.exists():
                shutil.copytree(directory, early)
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
    seconds = _time_commits(early, Path(shutil.copytree(directory, Path(disk) / "late")), rounds)
    found = {name: {"p50": _percentile(times, 0.5), "p99": _percentile(times, 0.99)} for name, times in seconds.items()}
    print(json.dumps({"marks": [marks[0], marks[-1]], **found}))
    return 0


def _time_commits(early: Path, late: Path, rounds: int) -> dict[str, list[float]]:
    """Wall-clock seconds of commits to a store of about 100 rows and to another one.

    They alternate, so that other load on the machine and its disk affects both alike. Every fourth commit includes a
    new best network, whose weights are written.
    """
    space, rng = WideSpace(), np.random.default_rng(1)
    seconds: dict[str, list[float]] = {"early": [], "late": []}
    with RunStore.open(late) as old:
        old.report_share = 1e-9
        old.begin_session(Budget())
        for number in range(rounds):
            copy = early.with_name(f"early-{number}")
            shutil.copytree(early, copy)
            with RunStore.open(copy) as young:
                young.report_share = 1e-9
                young.begin_session(Budget())
                genomes = [space.sample(rng) for _ in range(100)]
                parts = {}
                for name, store in (("early", young), ("late", old)):
                    at = 1_000_000 + number
                    asked = [Candidate(g, space.digest(g), 10**6 + number, 50, at, k) for k, g in enumerate(genomes)]
                    store.add_candidates(asked, space)
                    parts[name] = [asked[k : k + 5] for k in range(0, 100, 5)]
                for turn in range(20):
                    for name, store in (("early", young), ("late", old)):
                        score = 1e-6 / (1 + 20 * number + turn) if turn % 4 == 0 else 9.0
                        part = [(each, _evaluation_with(score)) for each in parts[name][turn]]
                        started = time.perf_counter()
                        store.commit_part(part, 0.0)
                        seconds[name].append(time.perf_counter() - started)
            shutil.rmtree(copy)
    return seconds


def _percentile(times: list[float], share: float) -> float:
    return sorted(times)[max(0, round(share * len(times)) - 1)]
