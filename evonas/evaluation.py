"""Candidates, their evaluations, and the states from which training continues.

The common types of strategies, trainers, the store and the loop. Imports neither Keras nor DEAP.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "TRAINER_VERSION",
    "Candidate",
    "Evaluation",
    "Origin",
    "Status",
]

__all__ += ["InTraining", "Snapshot", "Span", "Start", "Weights"]

__all__ += ["snapshots_from_arrays", "snapshots_to_arrays"]

#: Incremented when results change for equal candidates, data and settings; older runs then cannot be resumed.
TRAINER_VERSION = 2

#: One network's weights by name: "layer_<i>/kernel", "layer_<i>/bias", "layer_<i>/gamma", ..., "output/kernel",
#: "output/bias" (float32).
Weights = Mapping[str, "np.ndarray[Any, Any]"]


class Status(enum.StrEnum):
    """How an evaluation ended. Only OK has a score that ranks.

    >>> Status("failed") is Status.FAILED
    True
    """

    OK = "ok"
    FAILED = "failed"
    INFEASIBLE = "infeasible"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Origin:
    """The training run from which another one starts instead of its seed's initial weights.

    Attributes:
        generation, index: identify the trained candidate in the run, which had `keep_snapshots` set.
        kind: "continue": the same network resumes that training run with its weights, optimizer and epoch count
            (training genes may differ, as when a population explores them); "inherit": another network takes over the
            matching weights, with a new optimizer and epochs counted from zero.
    """

    generation: int
    index: int
    kind: Literal["continue", "inherit"]

    @property
    def place(self) -> tuple[int, int]:
        """Generation and index."""
        return self.generation, self.index

    def __str__(self) -> str:
        return f"{self.kind} {self.generation} {self.index}"

    @classmethod
    def from_text(cls, text: str) -> Origin:
        """The origin whose `str` is the text."""
        kind, generation, index = text.split()
        return cls(int(generation), int(index), cast(Any, kind))


@dataclass(frozen=True)
class Candidate:
    """A genome to be trained.

    >>> from genomes import DenseSpace
    >>> space = DenseSpace()
    >>> genome = space.typical()
    >>> Candidate(genome, space.digest(genome), seed=0, epochs=10).key[1:3]
    (0, 10)

    Attributes:
        genome: a frozen, hashable value of the search space.
        digest: canonical digest of the network it builds; equal digests are trained once.
        seed: seed of weights, data order and dropout; derived from (run seed, digest), so equal genomes have equal
            seeds.
        epochs: maximum number of epochs.
        generation, index: its position in the run, from 0.
        parents: digests of its parents, empty for a sampled genome.
        operator: how it was made ("sample", "seed", or the name of a mutation or crossover).
        horizon: epochs spanned by its learning-rate schedule; `epochs` if None. All rungs of a network share it.
        origin: the training run from which it starts; None for the seed's initial weights.
        keep_snapshots: whether to keep its state after the last epoch, from which later candidates may start.
        lineage: seeds of its weights, the last one `seed`: first that of the initial weights, then those of noise added
            to them. Such a network is scored without training; with an empty lineage it is trained.
        fold: the only cross-validation fold to train on, from 0; None for all folds. See also
            `evonas.training_tasks.ALL_ROWS`.
    """

    genome: Any
    digest: str
    seed: int
    epochs: int
    generation: int = 0
    index: int = 0
    parents: tuple[str, ...] = ()
    operator: str = "sample"
    horizon: int | None = None
    origin: Origin | None = None
    keep_snapshots: bool = False
    lineage: tuple[int, ...] = ()
    fold: int | None = None

    @property
    def key(self) -> tuple[str, int, int, int, str]:
        """The key of its training: candidates with equal keys are trained once and give equal results."""
        return self.digest, self.seed, self.epochs, self.horizon or self.epochs, str(self.origin or "")


@dataclass(frozen=True)
class Span:
    """Time and location of one training run.

    Attributes:
        process: identifies the process that trained, across machines.
        thread: number of its thread, from 0; simultaneous training runs in one thread share a compiled program.
        started, ended: seconds since the epoch, by the clock of that machine (`time.time`).
    """

    process: str
    thread: int
    started: float
    ended: float


@dataclass(frozen=True)
class Evaluation:
    """The result of training a candidate.

    >>> Evaluation(Status.OK, {"rmse": 0.5}).value_of("rmse")
    0.5

    Attributes:
        status: OK, or why there is no score.
        scores: metric name -> value on the validation split, at the best epoch, in the target's own units.
        reason: empty if OK, else one line of text.
        best_epoch: 1-based epoch of the lowest validation loss, whose weights were scored; 0 if none.
        epochs: epochs trained, including those of a training run that it continued. The same applies to curves, scores
            and best epoch: training in rungs gives the same results as uninterrupted training.
        curve: validation loss of each epoch (penalties not counted).
        train_curve: training loss of each epoch, penalties included, as Keras reports it.
        train_seconds: this candidate's share of wall-clock time. Never compared between runs.
        parameters: number of trainable parameters.
        weights: weights of the best epoch; None if not kept. With several folds or replicates, those of the first.
        snapshots: states from which training (of each fold and replicate) can continue, if requested.
        notes: records of a trial of user-defined models besides its scores, as JSON values.
        spans: when each fold and replicate was trained; empty if not measured. Not read back from a run.
    """

    status: Status
    scores: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    best_epoch: int = 0
    epochs: int = 0
    curve: tuple[float, ...] = ()
    train_curve: tuple[float, ...] = ()
    train_seconds: float = 0.0
    parameters: int = 0
    weights: Weights | None = field(default=None, repr=False, compare=False)
    snapshots: tuple[Snapshot, ...] = field(default=(), repr=False, compare=False)
    notes: Mapping[str, Any] = field(default_factory=dict)
    spans: tuple[Span, ...] = field(default=(), repr=False, compare=False)

    def value_of(self, name: str) -> float | None:
        """The score of that name, or None; `parameters` is available even if it is not a score."""
        return self.scores.get(name, float(self.parameters) if name == "parameters" else None)


@dataclass(frozen=True)
class InTraining:
    """Progress of a candidate in training.

    Attributes:
        number: the candidate's position in the generation, or its number in a stream.
        epoch: epochs trained, summed over folds and replicates; 0 if unknown.
        epochs: maximum number of epochs, counted in the same way; 0 if unknown.
        seconds: time since training began.
        parameters: number of trainable parameters; 0 if unknown.
    """

    number: int
    epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    parameters: int = 0


_PARTS = ("weights", "first", "second", "best")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state of one training run (of one fold and replicate) after its last epoch.

    Attributes:
        weights: weights of the last epoch, by name.
        first, second: the optimizer's moments, under the trainer's own names.
        best: weights of the best epoch so far.
        outputs: raw outputs on the validation rows with the best weights, shape `(validation_rows, num_outputs)`.
        best_loss: validation loss of the best epoch; infinite if none was finite.
        reference: loss on which the next epoch has to improve, see `TrainingSettings.min_delta`.
        waited: epochs since the last improvement.
        train_curve, curve: training and validation loss of each epoch.
    """

    weights: Weights
    first: Weights
    second: Weights
    best: Weights
    outputs: NDArray[np.float32]
    best_loss: float
    reference: float
    waited: int
    train_curve: tuple[float, ...]
    curve: tuple[float, ...]

    @property
    def epoch(self) -> int:
        """Epochs trained so far."""
        return len(self.curve)


@dataclass(frozen=True, eq=False)
class Start:
    """The kept state of the training run from which a candidate starts.

    Attributes:
        genome: genome of the trained network.
        snapshots: snapshot of each fold and replicate.
    """

    genome: Any
    snapshots: tuple[Snapshot, ...]


def snapshots_to_arrays(snapshots: Sequence[Snapshot]) -> dict[str, NDArray[Any]]:
    """Flattens snapshots into named arrays, to be stored in one file."""
    import numpy as np  # imported late: the driver starts without numpy

    arrays: dict[str, NDArray[Any]] = {}
    for number, snapshot in enumerate(snapshots):
        for part in _PARTS:
            arrays |= {f"{number}/{part}/{name}": np.asarray(value) for name, value in getattr(snapshot, part).items()}
        arrays[f"{number}/outputs"] = np.asarray(snapshot.outputs, np.float32)
        arrays[f"{number}/curves"] = np.array([snapshot.train_curve, snapshot.curve], np.float64)
        arrays[f"{number}/waiting"] = np.array([snapshot.best_loss, snapshot.reference, snapshot.waited], np.float64)
    return arrays


def snapshots_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> tuple[Snapshot, ...]:
    """Restores snapshots from the arrays of `snapshots_to_arrays`."""
    held: dict[int, dict[str, dict[str, NDArray[Any]]]] = {}
    for key, value in arrays.items():
        number, part, name = (*key.split("/", 2), "")[:3]
        held.setdefault(int(number), {name: {} for name in _PARTS}).setdefault(part, {})[name] = value
    snapshots = []
    for _, parts in sorted(held.items()):
        train_curve, curve = parts["curves"][""].tolist()
        best_loss, reference, waited = parts["waiting"][""].tolist()
        snapshots.append(
            Snapshot(
                **{part: parts[part] for part in _PARTS},
                outputs=parts["outputs"][""],
                best_loss=best_loss,
                reference=reference,
                waited=int(waited),
                train_curve=tuple(train_curve),
                curve=tuple(curve),
            )
        )
    return tuple(snapshots)
