"""The run of the battery: three small generations of a stub search, in a separate process."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from evonas.config import Budget
from evonas.errors import StorageError
from evonas.evolution.loop import evolve
from evonas.interruption import Interruption
from evonas.runs import RunStore
from evonas.runs.progress import Progress, Stop
from evonas.runs.schema import DATABASE
from evonas.strategies import make_strategy
from genomes.errors import InputError
from tests.reliability.counts import SOAK
from tests.toy import RMSE, ToyEvaluator, ToySpace, toy_settings, toy_store

__all__ = ["main"]

GENERATIONS = 3
#: In the soak, the command line's default; in `make test` a strategy with nothing to compute.
STRATEGY = "ga" if SOAK is None else "evolution"


def main(directory: str, sleep_seconds: float = 0.0, seconds: float | None = None) -> int:
    """Starts the run or continues it; prints "ready", then the number of evaluations after every commit.

    Args:
        sleep_seconds: duration of each part.
        seconds: budget that replaces the three generations.
    """
    try:
        return _search(Path(directory), sleep_seconds, seconds)
    except InputError as error:
        _say(error)
        return 2
    except StorageError as error:  # as the command line does
        _say(error)
        return 74


def _search(directory: Path, sleep_seconds: float, seconds: float | None) -> int:
    there = (directory / DATABASE).exists()
    store = RunStore.open(directory) if there else toy_store(directory, toy_settings(seed=4, strategy=STRATEGY))
    log = _owners(directory)
    _say(f"in {os.getpid()}", log)
    strategy = make_strategy(store.settings.strategy, ToySpace(), objective=RMSE, settings=store.settings)
    _say("ready")

    def on_part(progress: Progress) -> None:
        _say(progress.evaluated)

    with store, Interruption(float(os.environ.get("GRACE_SECONDS", "8"))) as interruption:
        evaluator = ToyEvaluator(part_size=2, sleep_seconds=sleep_seconds)
        budget = Budget(generations=GENERATIONS) if seconds is None else Budget(seconds=seconds)
        started = time.monotonic()
        for _ in evolve(strategy, evaluator, store, ToySpace(), budget, interruption=interruption, on_part=on_part):
            pass
        if seconds is not None:
            _say(f"spent {time.monotonic() - started} recorded {store.seconds}")
        _say(f"out {os.getpid()}", log)
        return interruption.exit_code if store.stop == Stop.INTERRUPTED else 0


def _owners(directory: Path) -> int:
    """The file that records the run's owners; standard output if the test allows no file to be opened."""
    with suppress(OSError):
        return os.open(directory.with_suffix(".owners"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return 1


def _say(words: object, file: int = 1) -> None:
    """Prints; if the test makes printing fail, the failure is ignored."""
    with suppress(OSError):
        os.write(file, f"{words}\n".encode())
