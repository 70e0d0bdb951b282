"""A run in its own process, to be killed: `python -m tests.runner DIRECTORY GENERATIONS SLEEP [SEAM COUNT]`.

Starts the run or continues it; prints the number of committed evaluations after every commit. If a seam is given, it
kills itself the COUNT-th time it gets there. The environment sets the STRATEGY; the WINDOW of an asynchronous run (and
its GENERATIONS), which trains three candidates at a time and returns them in a different order each time; and the GATE,
a file that must exist before any training ends.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation
from evonas.evolution.asynchronous import loop_of
from evonas.evolution.finalists import retrain_finalists
from evonas.interruption import Interruption
from evonas.io import atomic
from evonas.runs import RunStore
from evonas.runs.progress import Progress, Stop
from evonas.runs.schema import DATABASE
from evonas.runs.weights import WeightFiles
from evonas.strategies import make_strategy
from tests.toy import RMSE, ToyEvaluator, ToySpace, ToyStreamingEvaluator, toy_evaluation, toy_settings, toy_store

#: Where a run can be cut: SQL statements, given by their beginning, and calls; before and after each.
STATEMENTS = ("BEGIN", "INSERT INTO candidate", "INSERT INTO evaluation", "UPDATE evaluation", "UPDATE state", "COMMIT")
STATEMENTS += ("INSERT INTO event", "INSERT INTO finals", "INSERT INTO retraining", "UPDATE retraining")
CALLS = ("put", "remove", "fsync", "replace", "link")
#: The seams of a run by generations.
SEAMS = (
    *(each for each in STATEMENTS if "event" not in each),
    *(f"{when} {call}" for call in CALLS for when in ("before", "after")),
)


class Trap:
    """Kills this process the `count`-th time it reaches a seam."""

    def __init__(self, seam: str, count: int) -> None:
        self.seam, self.left = seam, count

    def hit(self, seam: str) -> None:
        if seam == self.seam:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str) -> None:
        call: Callable[..., Any] = getattr(owner, name)

        def trapped(*arguments: Any, **named: Any) -> Any:
            self.hit(f"before {name}")
            result = call(*arguments, **named)
            self.hit(f"after {name}")
            return result

        setattr(owner, name, trapped)

    def statement(self, sql: str) -> None:
        for beginning in STATEMENTS:
            if sql.startswith(beginning):
                self.hit(beginning)

    def set(self) -> None:
        for owner, name in ((WeightFiles, "put"), (WeightFiles, "remove"), (atomic.os, "fsync"), (atomic.os, "link")):
            self.around(owner, name)
        self.around(Path, "replace")


def behind(gate: Path, candidate: Candidate) -> Evaluation:
    """Evaluates a candidate once the file exists."""
    if not gate.exists():
        print("training", flush=True)
    while not gate.exists():
        time.sleep(0.01)
    return toy_evaluation(candidate)


def main(directory: Path, generations: int, sleep_seconds: float, trap: Trap | None, grace_seconds: float) -> int:
    if trap is not None:
        trap.set()
    window = os.environ.get("WINDOW")
    turns: dict[str, Any] = {} if window is None else {"asynchronous": True, "window": int(window)}
    settings = toy_settings(seed=4, strategy=os.environ.get("STRATEGY", "ga"), epochs=9, **turns)
    store = RunStore.open(directory) if (directory / DATABASE).exists() else toy_store(directory, settings)
    if trap is not None:
        store._connection.set_trace_callback(trap.statement)
    strategy = make_strategy(store.settings.strategy, ToySpace(), objective=RMSE, settings=store.settings)
    gate = os.environ.get("GATE")
    evaluation = toy_evaluation if gate is None else partial(behind, Path(gate))
    print("ready", flush=True)

    def on_part(progress: Progress) -> None:
        print(progress.evaluated, flush=True)

    with store, Interruption(grace_seconds) as interruption:
        evaluator = ToyEvaluator(part_size=2, sleep_seconds=sleep_seconds, evaluation=evaluation)
        if window is not None:
            evaluator = ToyStreamingEvaluator(3, seed=os.getpid(), sleep_seconds=sleep_seconds)
        budget = Budget(generations=int(os.environ.get("GENERATIONS", generations)))
        for _ in loop_of(strategy, evaluator, store, ToySpace(), budget, interruption=interruption, on_part=on_part):
            pass
        if store.stop == Stop.INTERRUPTED:
            return interruption.exit_code
        finished = retrain_finalists(store, evaluator, ToySpace(), 2, 3, interruption=interruption)
        return 0 if finished else interruption.exit_code


def run(given: list[str]) -> int:
    """As the command line says."""
    seam = Trap(given[3], int(given[4])) if len(given) > 4 else None
    return main(Path(given[0]), int(given[1]), float(given[2]), seam, float(os.environ.get("GRACE_SECONDS", "8")))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
