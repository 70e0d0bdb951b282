"""The worker process of a run: what it trains with, what bounds it, and when it is started. Imports no Keras."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.devices import chosen_trainer
from evonas.machine import machine_bytes, usable_cores
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.config import Settings
    from evonas.evaluation import Evaluator
    from evonas.execution import WorkerEvaluator
    from evonas.execution.worker_process import WorkerProcess
    from evonas.user_model import Build
    from genomes.space import SearchSpace

__all__ = ["checked_threads", "standby_for", "started_worker", "worker_for"]

#: Seconds beyond a network's time before the process is ended whose trainer should have ended it.
_GRACE_SECONDS = 10.0


def checked_threads(threads: Any) -> int:
    """Networks to train at a time: as many as this process has cores if None.

    Raises:
        InputError: it is no whole number from 1 to 1024.
    """
    if threads is None:
        return usable_cores()
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024:
        raise InputError(f"threads must be a whole number from 1 to 1024, not {threads!r}: leave it out for one a core")
    return threads


def standby_for(settings: Settings, build: Any) -> AbstractContextManager[WorkerProcess | None]:
    """A process that loads its libraries while the driver reads the data, to be the run's first worker.

    Args:
        settings: of the run.
        build: what builds the models, in any form; None for evonas's own.

    Raises:
        InputError: it may take more memory than the machine has.
    """
    from evonas.execution import standing_by

    if (settings.worker_memory or 0) > machine_bytes():
        raise InputError(
            f"worker_memory must be at most the {machine_bytes()} bytes that this machine has, not "
            f"{settings.worker_memory}: give less, or leave it out for 80% of that"
        )
    own = build is not None
    return standing_by(chosen_trainer(settings.trainer, own, settings.precision), own)


def worker_for(
    space: SearchSpace,
    data: Path,
    settings: Settings,
    build: Build | None = None,
    standby: WorkerProcess | None = None,
    threads: int | None = None,
) -> WorkerEvaluator:
    """The worker process that trains for a run, not started yet. What it prints goes to `worker.log` by the data,
    if this process owns the run: else nowhere.

    Raises:
        InputError: `threads`, the networks that it is to train at a time, is below 1.
    """
    from evonas.execution import Limits, WorkerEvaluator
    from evonas.runs.directory import log_of
    from evonas.tasks.train import TrainingSettings

    known = {field.name for field in fields(TrainingSettings)}
    chosen = {name: value for name, value in settings.model_dump().items() if name in known}
    seconds = settings.candidate_timeout
    by_itself = chosen["trainer"] == "native"  # such a trainer ends a network by itself; the process is a last resort
    limits = Limits(
        candidate_seconds=seconds + _GRACE_SECONDS if seconds and by_itself else seconds,
        memory_bytes=settings.worker_memory,
    )
    chosen |= {"threads": checked_threads(threads), "candidate_seconds": seconds, "worker_bytes": limits.memory}
    packed = None if build is None else build.packed()
    log = log_of(data.parent)
    return WorkerEvaluator(space, data, TrainingSettings(**chosen), log, limits, packed, standby)


def started_worker(
    space: SearchSpace,
    data: Path,
    settings: Settings,
    build: Build | None = None,
    standby: WorkerProcess | None = None,
    threads: int | None = None,
) -> Evaluator:
    """The same, reading the data and loading its libraries while the driver goes on."""
    worker = worker_for(space, data, settings, build, standby, threads)
    worker.start()
    return worker
