"""The messages between driver and worker, pickled over a private socket pair; never read from disk.

Requests are numbered, and answers carry the number of their request, so that late answers to abandoned requests are
recognised. Imports no Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.errors import WorkerError
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.evaluation import Evaluation, InTraining, Weights
    from evonas.export_tasks import EnsembleTask, ExportTask
    from evonas.rate_sweep import SweepTask
    from evonas.training_tasks import TrainingSettings, TrainingTask
    from evonas.user_model import PackedBuild

__all__ = [
    "Beat",
    "Cancel",
    "Export",
    "Finished",
    "Give",
    "Open",
    "Opened",
    "PartialResult",
    "Ping",
    "Ready",
    "Refused",
    "Retiring",
    "StartWorker",
    "Sweep",
    "Test",
    "Train",
    "Warm",
]

#: Most characters of an exception that stand in one line.
_REASON_CHARACTERS = 200


@dataclass(frozen=True)
class Warm:
    """Load the libraries of the trainer while the data are read. Optional, before `StartWorker`; not answered.

    `own` is whether the models are user-defined.
    """

    trainer: str
    own: bool


@dataclass(frozen=True)
class StartWorker:
    """Start training: the data to read, the settings, and the memory limit of the worker.

    `build` is the user's function if the models are user-defined; without data, it is a `Trial`. `log` is a file to
    which output is redirected, unless it already is.
    """

    data_path: Path | None
    settings: TrainingSettings
    memory_bytes: int
    build: PackedBuild | None = None
    log: Path | None = None


@dataclass(frozen=True)
class Train:
    """Train a generation, except for positions already done. Answered by `PartialResult`s, then `Finished` or
    `Retiring`.

    `state` is the trainer's state from earlier generations, and the value of `Finished` its state after this one.
    """

    number: int
    tasks: tuple[TrainingTask, ...]
    done: frozenset[int]
    state: Any = None


@dataclass(frozen=True)
class Open:
    """Train the tasks of `Give` messages, in order. Answered by `Opened`, then `PartialResult`s, until it is cancelled.

    Each `PartialResult` that has evaluations is answered by a `Give`, which may be empty: the worker waits for it
    before it looks for other work.
    """

    number: int


@dataclass(frozen=True)
class Opened:
    """The worker trains this many networks at a time."""

    number: int
    slots: int


@dataclass(frozen=True)
class Give:
    """Tasks for the request with that number, by the positions that identify them in results. Not answered."""

    number: int
    tasks: tuple[tuple[int, TrainingTask], ...]


@dataclass(frozen=True)
class Export:
    """Write a network, or several as one, as a Keras file. Answered by `Finished`, whose value is an `Exported`."""

    number: int
    task: ExportTask | EnsembleTask


@dataclass(frozen=True)
class Sweep:
    """Sweep a network's learning rate. Answered by `Finished`, whose value is a `LearningRateCurve`."""

    number: int
    task: SweepTask


@dataclass(frozen=True)
class Test:
    """Score weights on the test split. Answered by `Finished`, whose value is metric name -> score."""

    number: int
    architecture: Mapping[str, Any]
    weights: Weights


@dataclass(frozen=True)
class Ping:
    """Check that the worker is alive. Answered by `Finished`, even while it trains."""

    number: int


@dataclass(frozen=True)
class Cancel:
    """The answers to that request are no longer wanted: stop at the next part. Not answered."""

    number: int


@dataclass(frozen=True)
class Ready:
    """The first message from a worker: data read, libraries loaded."""

    number: int = 0


@dataclass(frozen=True)
class Beat:
    """Sent every second while a request is processed: the process runs, whether or not it makes progress."""

    number: int = 0


@dataclass(frozen=True)
class PartialResult:
    """Evaluations by position in the generation; an empty part signals progress.

    `in_training` is what is being trained at that moment, None if not determined.
    """

    number: int
    evaluations: dict[int, Evaluation]
    in_training: tuple[InTraining, ...] | None = None


@dataclass(frozen=True)
class Finished:
    """The request is done."""

    number: int
    value: Any = None


@dataclass(frozen=True)
class Retiring:
    """The worker uses too much memory and exits; a new one continues the request."""

    number: int


@dataclass(frozen=True)
class Refused:
    """The request raised a user error (InputError, with a message) or another exception (with a traceback)."""

    number: int
    text: str
    mistake: bool

    def exception(self) -> Exception:
        """What the driver raises of it."""
        if self.mistake:
            return InputError(self.text)
        last = (self.text.strip() or "an exception").splitlines()[-1]
        return WorkerError(f"the worker raised:\n{self.text}", last[:_REASON_CHARACTERS])
