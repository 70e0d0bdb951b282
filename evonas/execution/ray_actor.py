"""`RayWorker`: an actor with one monitored worker process. Imports no Ray.

The actor is a port for `worker_loop.drive`: leases come in with `give`, outcomes go out with `news`, which returns
after a few seconds even if there are none, so that the driver knows the actor is alive. The worker process holds data,
kernels and compiled programs from one generation to the next; the actor itself imports no Keras.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.evaluation import TRAINER_VERSION
from evonas.execution.assignments import Lease
from evonas.execution.evaluator import WorkerEvaluator
from evonas.execution.mailbox import Mailbox, News, Started
from evonas.execution.worker_loop import drive
from evonas.machine import machine_bytes, usable_cores

if TYPE_CHECKING:
    from evonas.execution.worker_process import WorkerLimits
    from evonas.training_tasks import TrainingSettings
    from evonas.user_model import PackedBuild

__all__ = ["RayWorker", "Started", "WorkerSpec", "versions"]

_LEAST_BYTES = 2 << 30
#: Interval of looks at the worker process: it is not asked to give up as often as one of the driver's own machine is.
_LOOK_SECONDS = 0.25
#: Seconds for the worker process to end.
_STOP_SECONDS = 2.0


@dataclass(frozen=True)
class WorkerSpec:
    """The specification common to all workers of a run.

    Attributes:
        settings: of the trainer; `threads` applies to each worker, which requests as many CPUs.
        limits: of a worker process.
        build: a user's function or trial.
        grouped: see `PoolEvaluator`.
        command: of a worker process, in place of the default.
    """

    settings: TrainingSettings
    limits: WorkerLimits
    build: PackedBuild | None = None
    grouped: bool = False
    command: tuple[str, ...] = ()


def versions() -> dict[str, str]:
    """Versions that must be equal on all machines."""
    import evonas

    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"evonas": f"{evonas.__version__} (trainer {TRAINER_VERSION})", "Python": python}


class RayWorker:
    """The actor. The driver calls its methods concurrently, in separate threads."""

    def __init__(self, spec: WorkerSpec, data: Any, cpus: float) -> None:
        """Starts the worker process, without waiting for it.

        Args:
            spec: the specification of the worker.
            data: bytes of a file of `PreparedData.save` as an array, None if a trial brings its own.
            cpus: number of CPUs assigned to it.
        """
        # Ray limits the threads of libraries; undone here, so that workers behave as on one machine.
        os.environ.pop("OMP_NUM_THREADS", None)
        self._folder = None if data is None else tempfile.TemporaryDirectory(prefix="evonas-ray-")
        path = None if self._folder is None else Path(self._folder.name) / "data.npz"
        if path is not None:
            path.write_bytes(memoryview(data))
        share = min(1.0, cpus / usable_cores())
        memory = spec.limits.memory_bytes or max(_LEAST_BYTES, int(0.8 * machine_bytes() * share))
        memory = min(memory, int(0.8 * machine_bytes()))
        limits = replace(spec.limits, memory_bytes=memory, look_seconds=_LOOK_SECONDS)
        settings = replace(spec.settings, worker_bytes=limits.memory)
        kind = WorkerEvaluator if not spec.command else _with_command(spec.command)
        self._evaluator = kind(None, path, settings, None, limits, spec.build)
        self._port = Mailbox()
        self._evaluator.start()
        self._thread = threading.Thread(target=drive, args=(self._evaluator, self._port, spec.grouped), daemon=True)
        self._thread.start()

    def versions(self) -> dict[str, str]:
        """See `versions`."""
        return versions()

    def pid(self) -> int:
        """Process id of the actor."""
        return os.getpid()

    def give(self, floor: int, leases: Sequence[Lease] = (), tasks: Any = None) -> None:
        """Leases for the worker.

        Args:
            floor: leases with tokens below are not wanted any more.
            leases: new ones.
            tasks: of the whole generation, if those are not in the leases.
        """
        self._port.revoke(floor)
        if leases:
            self._port.give([lease if tasks is None else replace(lease, tasks=tasks) for lease in leases])

    def news(self, progress_seconds: float, floor: int, leases: Sequence[Lease] = (), tasks: Any = None) -> list[News]:
        """Returns what has arrived since the last call; waits a while for something. See `Mailbox.news` and `give`."""
        self.give(floor, leases, tasks)
        return self._port.news(progress_seconds=progress_seconds)

    def stop(self) -> None:
        """Ends the worker process, and deletes its copy of the data."""
        self._port.close()
        self._thread.join(_STOP_SECONDS)
        if self._folder is not None:
            self._folder.cleanup()


def _with_command(command: tuple[str, ...]) -> type[WorkerEvaluator]:
    class Other(WorkerEvaluator):
        def _command(self) -> list[str]:
            return list(command)

    return Other
