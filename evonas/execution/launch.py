"""Creation of the workers of a run: location, settings, limits and start.

Imports no Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.devices import chosen_trainer, has_gpu
from evonas.execution_options import Execution, share_of
from evonas.machine import machine_bytes, usable_cores
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.config import Settings
    from evonas.data.prepared import PreparedData
    from evonas.execution import WorkerEvaluator, WorkerLimits
    from evonas.execution.assignments import Assignments
    from evonas.execution.local import LocalEvaluator
    from evonas.execution.pool import Fleet
    from evonas.execution.worker_process import WorkerProcess
    from evonas.protocols import Evaluator
    from evonas.training_tasks import TrainingSettings
    from evonas.user_model import Build, PackedBuild
    from genomes.space import SearchSpace

__all__ = [
    "evaluator_for_trials",
    "local_evaluator",
    "local_evaluator_for_trials",
    "networks_at_a_time",
    "one_network_a_worker",
    "resolve_threads",
    "standby_for",
    "start_worker",
    "worker_for",
    "worker_share",
]

#: Seconds after the time limit of a network before the process is killed, if its trainer does not end it.
_GRACE_SECONDS = 10.0
#: Smallest memory limit of a worker, however many share the machine.
_LEAST_BYTES = 2 << 30
#: Values of `execution` with worker processes on this machine.
_HERE = ("processes", "shared")
#: Expected memory of a worker that trains with Keras.
_KERAS_BYTES = 3 << 29


def resolve_threads(threads: Any) -> int:
    """Number of networks to train at a time; by default the available cores.

    Raises:
        InputError: the number is not a whole number from 1 to 1024.
    """
    if threads is None:
        return usable_cores()
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024:
        raise InputError(f"threads must be a whole number from 1 to 1024, not {threads!r}: leave it out for all cores")
    return threads


def networks_at_a_time(threads: int | None, execution: Execution = Execution()) -> int:  # noqa: B008 (frozen)
    """Expected number of networks trained at a time, before workers have started."""
    if execution.place == "ray":
        return (execution.workers or usable_cores()) * (threads or 1)
    return max(resolve_threads(threads), execution.worker_count)


def standby_for(
    settings: Settings,
    build: Any,
    execution: Execution = Execution(),  # noqa: B008 (frozen)
) -> AbstractContextManager[WorkerProcess | None]:
    """A context with a process that loads its libraries while the driver reads the data, and becomes the first worker.

    Args:
        settings: of the run.
        build: user-defined build function, in any form; None for evonas's own models.
        execution: where networks are trained; there is a process only if they are trained in processes on this machine.

    Raises:
        InputError: the memory limit exceeds the machine's memory.
    """
    from evonas.execution import standing_by

    if (settings.worker_memory or 0) > machine_bytes():
        raise InputError(
            f"worker_memory must be at most the {machine_bytes()} bytes that this machine has, not "
            f"{settings.worker_memory}: give less, or leave it out for 80% of that"
        )
    if execution.place == "ray":
        from evonas.execution.cluster import check_ray

        check_ray()
    if execution.place not in _HERE:
        return nullcontext()
    own = build is not None
    return standing_by(chosen_trainer(settings.trainer, own, settings.precision), own, execution.environment(0))


def worker_for(
    space: SearchSpace,
    data: Path,
    settings: Settings,
    build: Build | None = None,
    standby: WorkerProcess | None = None,
    threads: int | None = None,
) -> WorkerEvaluator:
    """Creates the worker process of a run without starting it.

    Its output goes to `worker.log` next to the data if this process owns the run; otherwise it is discarded.

    Raises:
        InputError: `threads`, the number of networks to train at a time, is below 1.
    """
    from evonas.execution import WorkerEvaluator
    from evonas.runs.directory import log_of

    chosen, limits = _worker_options(settings, resolve_threads(threads), space)
    packed = None if build is None else build.pack()
    return WorkerEvaluator(space, data, chosen, log_of(data.parent), limits, packed, standby)


def local_evaluator(
    data: PreparedData, threads: int | None, space: SearchSpace, path: Path, settings: Settings
) -> LocalEvaluator:
    """Creates an evaluator that trains in this process.

    Args:
        data: to train on; `path`, the file where the run keeps them, is not read.
        threads: number of networks to train at a time; None for all cores.
        space, settings: of the search.
    """
    from evonas.execution.local import LocalEvaluator
    from evonas.training.registry import make_trainer
    from evonas.training_tasks import TrainingSettings

    chosen = TrainingSettings(**{**_training_settings(settings), "threads": threads})
    return LocalEvaluator(space, lambda: make_trainer(data, chosen))


def _training_settings(settings: Settings) -> dict[str, Any]:
    """The settings of a run that are settings of training, by name."""
    from evonas.training_tasks import TrainingSettings

    known = {field.name for field in fields(TrainingSettings)}
    return {name: value for name, value in settings.model_dump().items() if name in known}


def _worker_options(settings: Settings, threads: int, space: SearchSpace) -> tuple[TrainingSettings, WorkerLimits]:
    """Training settings and limits of a worker that is alone on its machine."""
    from evonas.execution import WorkerLimits
    from evonas.training.extensions import packed_extensions
    from evonas.training_tasks import TrainingSettings

    chosen = _training_settings(settings)
    seconds = settings.candidate_timeout
    by_itself = (
        chosen["trainer"] == "native"
    )  # such trainers enforce the limit themselves; killing the process is a last resort
    limits = WorkerLimits(
        candidate_seconds=seconds + _GRACE_SECONDS if seconds and by_itself else seconds,
        memory_bytes=settings.worker_memory,
    )
    chosen |= {"threads": threads, "candidate_seconds": seconds, "worker_bytes": limits.memory}
    chosen["extensions"] = packed_extensions(settings.objective, space)
    return TrainingSettings(**chosen), limits


def start_worker(
    space: SearchSpace,
    data: Path,
    settings: Settings,
    build: Build | None = None,
    standby: WorkerProcess | None = None,
    threads: int | None = None,
    execution: Execution = Execution(),  # noqa: B008 (frozen)
) -> Evaluator:
    """Starts the evaluator of a run, which reads the data and loads its libraries in the background.

    Args:
        space: the space of the genomes.
        data: file of `PreparedData.save`.
        settings: of the run.
        build: user-defined build function, if any.
        standby: see `standby_for`.
        threads: number of networks trained at a time, divided among the workers on this machine; on Ray, the number per
            worker, which requests as many CPUs (default 1).
        execution: where networks are trained.

    Raises:
        InputError: `threads` or `execution` is invalid.
    """
    if settings.trainer == "single" and build is None:
        execution = one_network_a_worker(execution, threads)
    if execution.is_default:
        worker = worker_for(space, data, settings, build, standby, threads)
        worker.start()
        return worker
    each = 1 if execution.place == "ray" and threads is None else resolve_threads(threads)
    chosen, limits = _worker_options(settings, each, space)
    packed = None if build is None else build.pack()
    record = None if build is None else build.to_json()
    return _evaluator(space, data, chosen, limits, packed, execution, standby, record=record)


def one_network_a_worker(execution: Execution, threads: int | None) -> Execution:
    """For Keras, which trains one network per process: one worker per network trained at a time.

    Each has one thread: two networks on two cores finish sooner in parallel than one after the other.
    """
    if execution.place not in _HERE or execution.workers is not None or execution.devices or has_gpu():
        return execution
    most = max(1, machine_bytes() // _KERAS_BYTES)
    return replace(execution, workers=min(resolve_threads(threads), most))


def evaluator_for_trials(
    space: SearchSpace, directory: Path, settings: Settings, trial: PackedBuild, execution: Execution
) -> Evaluator:
    """The evaluator of user-defined trials, which have their own data; see `evonas.api.trials`."""
    from evonas.execution import WorkerLimits
    from evonas.training_tasks import TrainingSettings

    limits = WorkerLimits(candidate_seconds=settings.candidate_timeout, memory_bytes=settings.worker_memory)
    if execution.place == "shared":
        raise InputError(
            "execution must be local, processes or ray for trials, not shared: they bring their own data, which "
            "other machines do not have"
        )
    threads = usable_cores() if execution.place == "processes" else 1
    chosen = TrainingSettings(trainer=settings.trainer, threads=threads)
    if execution.is_default:
        from evonas.execution import WorkerEvaluator
        from evonas.runs.directory import log_of

        chosen = replace(chosen, threads=None)
        return WorkerEvaluator(space, None, chosen, log=log_of(directory), limits=limits, build=trial)
    return _evaluator(space, None, chosen, limits, trial, execution, log=directory)


def local_evaluator_for_trials(space: SearchSpace, trial: Callable[..., Any], trainer: str) -> LocalEvaluator:
    """The evaluator that runs user-defined trials in this process.

    Args:
        space: the space of the genomes.
        trial: see `evonas.training.single.trials.Trial`.
        trainer: "native", or "single" for Keras alone.
    """
    from evonas.execution.local import LocalEvaluator
    from evonas.training.registry import trial_trainer

    here = LocalEvaluator(space, lambda: trial_trainer(trial, lambda: here.report_progress(), trainer))
    return here


def _evaluator(
    space: SearchSpace,
    data: Path | None,
    settings: TrainingSettings,
    limits: WorkerLimits,
    build: PackedBuild | None,
    execution: Execution,
    standby: WorkerProcess | None = None,
    log: Path | None = None,
    record: dict[str, Any] | None = None,
) -> Evaluator:
    """Creates the evaluator for several workers or this process; `record` is `Build.to_json` of user-defined models."""
    if execution.place == "local":
        from evonas.execution.local import LocalRun

        return LocalRun(space, data, settings, build)
    from evonas.execution.assignments import Assignments
    from evonas.execution.pool import PoolEvaluator

    assignments = Assignments()
    # Compiled programs hold many networks and plan whole generations. This applies to evonas's own networks only.
    grouped = settings.trainer == "population" and build is None
    if execution.place == "ray":
        from evonas.execution.ray_fleet import RayFleet, WorkerSpec

        spec = WorkerSpec(settings, limits, build, grouped)
        pool = PoolEvaluator(space, RayFleet(spec, data, execution, assignments), assignments, grouped)
    else:
        from evonas.execution.fleet import ProcessFleet
        from evonas.runs.directory import log_of

        count = execution.worker_count
        folder = log or (data.parent if data is not None else None)
        path = None if folder is None else log_of(folder)

        def make(number: int) -> WorkerEvaluator:
            from evonas.execution import WorkerEvaluator

            own, bounds = worker_share(settings, limits, count, number)
            first = standby if number == 0 else None
            return WorkerEvaluator(space, data, own, path, bounds, build, first, execution.environment(number))

        fleet: Fleet = ProcessFleet(make, count, assignments, grouped)
        if execution.place == "shared":
            assert data is not None, "trials are not shared"
            fleet = _with_others(fleet, data, settings, limits, record, assignments)
        pool = PoolEvaluator(space, fleet, assignments, grouped)
    pool.start()
    return pool


def _with_others(
    local: Fleet,
    data: Path,
    settings: TrainingSettings,
    limits: WorkerLimits,
    record: dict[str, Any] | None,
    assignments: Assignments,
) -> Fleet:
    """Workers on this machine and on machines that join the run (`joining.py`).

    Raises:
        InputError: the trainer plans for a whole generation.
    """
    from evonas.execution.shared_fleet import SharedFleet, session_of
    from evonas.runs.directory import sha256

    if settings.trainer == "population":
        raise InputError(
            "trainer must be native or single with execution shared, not population, whose programs hold a whole "
            "generation: choose another, or --execution ray"
        )
    return SharedFleet(local, data.parent, session_of(settings, limits, sha256(data), record), assignments)


def worker_share(
    settings: TrainingSettings, limits: WorkerLimits, workers: int, number: int
) -> tuple[TrainingSettings, WorkerLimits]:
    """A worker's share of this machine's cores and memory; an explicit memory limit applies to each worker."""
    memory = limits.memory_bytes or max(_LEAST_BYTES, limits.memory // workers)
    memory = min(memory, limits.memory)
    threads = share_of(settings.threads or usable_cores(), workers, number)
    worker_bytes = None if settings.worker_bytes is None else memory
    return replace(settings, threads=threads, worker_bytes=worker_bytes), replace(limits, memory_bytes=memory)
