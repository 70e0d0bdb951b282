"""The worker process of a run: what it trains with, what bounds it, and when it is started. Imports no Keras."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from evonas.building import Build
from evonas.config import Settings
from evonas.evaluation import Evaluator
from evonas.memory import machine_bytes
from evonas.runs.directory import log_of
from genomes.errors import InputError
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.execution import WorkerEvaluator
    from evonas.execution.child import WorkerProcess

__all__ = ["standby_for", "started_worker", "worker_for"]


def standby_for(settings: Settings, build: Build | None) -> AbstractContextManager[WorkerProcess | None]:
    """A process that loads its libraries while the driver reads the data, to be the run's first worker.

    Raises:
        InputError: it may take more memory than the machine has.
    """
    from evonas.execution import standing_by

    if (settings.worker_memory or 0) > machine_bytes():
        raise InputError(
            f"worker_memory must be at most the {machine_bytes()} bytes that this machine has, not "
            f"{settings.worker_memory}: give less, or leave it out for 80% of that"
        )
    return standing_by(settings.trainer, build is not None)


def worker_for(
    space: SearchSpace,
    data: Path,
    settings: Settings,
    build: Build | None = None,
    standby: WorkerProcess | None = None,
) -> WorkerEvaluator:
    """The worker process that trains for a run, not started yet. What it prints goes to `worker.log` by the data,
    if this process owns the run: else nowhere."""
    from evonas.execution import Limits, WorkerEvaluator
    from evonas.training.trainer import TrainingSettings

    known = {field.name for field in fields(TrainingSettings)}
    chosen = {name: value for name, value in settings.model_dump().items() if name in known}
    packed = None if build is None else build.packed()
    limits = Limits(candidate_seconds=settings.candidate_timeout, memory_bytes=settings.worker_memory)
    log = log_of(data.parent)
    return WorkerEvaluator(space, data, TrainingSettings(**chosen), log, limits, packed, standby)


def started_worker(
    space: SearchSpace,
    data: Path,
    settings: Settings,
    build: Build | None = None,
    standby: WorkerProcess | None = None,
) -> Evaluator:
    """The same, reading the data and loading its libraries while the driver goes on."""
    worker = worker_for(space, data, settings, build, standby)
    worker.start()
    return worker
