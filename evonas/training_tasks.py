"""`TrainingTask`: one network to train, and `Trainer`: what trains them in a worker. Imports no Keras."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from evonas.evaluation import Candidate, Evaluation, InTraining, Reduction, Snapshot, Start

__all__ = [
    "ALL_ROWS",
    "Source",
    "StreamingTrainer",
    "Trainer",
    "TrainingSettings",
    "TrainingTask",
    "architecture_of",
    "in_training_of",
    "slots_of",
    "stream_evaluations",
    "task_of",
]


#: In place of a fold: training and validation rows together, for all epochs, since no row tells when to stop.
ALL_ROWS = -1


@dataclass(frozen=True)
class TrainingTask:
    """One network to train.

    Attributes:
        architecture: what to build, as JSON values (`genomes.encodings.blueprint`): an architecture graph, or the genes
            of user-defined models.
        seed: of weights, data order and dropout.
        epochs: the most epochs it may train, counted from the training's beginning.
        horizon: epochs that the learning-rate schedule spans; `epochs` unless given.
        start: trainings to start from, one for each fold and replicate, as `Evaluation.snapshots` holds them; none to
            start from the seed's initial weights.
        origin: the architecture that was trained there, where it is another one.
        inherit: whether to take the best weights of `start` for initial ones, as far as they fit, and start over;
            else to continue from it. With other training settings the patience starts over, with another optimizer its
            moments too.
        lineage: see `Candidate.lineage`; tasks with one are those of the `EvolvedTrainer`.
        keep_snapshots: whether the evaluation shall carry what the training can continue from.
        fold: the one fold to train on, from 0; None for all of them; `ALL_ROWS`, of the native trainer alone, for the
            training and validation rows of the first.
        reduction: see `Candidate.reduction`; only the single trainer supports it, and only for images.
    """

    architecture: Mapping[str, Any]
    seed: int
    epochs: int
    horizon: int | None = None
    start: tuple[Snapshot, ...] = ()
    origin: Mapping[str, Any] | None = None
    inherit: bool = False
    lineage: tuple[int, ...] = ()
    keep_snapshots: bool = False
    fold: int | None = None
    reduction: Reduction | None = None

    def folds(self, count: int) -> tuple[int, ...]:
        """The folds to train on, of `count`."""
        return tuple(range(count)) if self.fold is None else (self.fold,)


@dataclass(frozen=True)
class TrainingSettings:
    """What is the same for every network of a run.

    Attributes:
        trainer: "native" (each network by itself, for CPUs), "population" (all in one program, for GPUs) or "single"
            (Keras fit, one at a time).
        loss: "mse", "mae" or "huber" for regression ("auto" is mse); ignored for classification.
        epoch_rows: rows that an epoch takes of the training rows, the next ones in each epoch, of networks over images,
            series and texts; None for all. Their orders, hence whole passes, are drawn as those of whole epochs.
        patience: epochs without improvement of the validation loss before a training stops; None never stops early.
        min_delta: what counts as improvement, in units of the loss, >= 0.
        replicates: trainings of each network from different seeds; scores are their means.
        precision: "float32", or "bfloat16" for mixed precision on a GPU.
        memory_bytes: what one program of the population trainer may use; fixed for a run, since it decides grouping.
        max_latency_ms: what one row may take; slower networks are not trained.
        max_parameters: maximum number of trainable parameters; larger ones are not trained. What is known from
            the genome is checked before it comes here.
        objectives: of the run, when there are several.
        threads: networks to train at a time, where each is trained by itself; None for all cores. Changes no result.
        candidate_seconds: after which a network fails that is trained by itself; None means no bound.
        worker_bytes: what the process may take, so that networks that need more are refused; None is most of what is
            free.
        extensions: metric and layer kinds from outside evonas, a `PackedBuild` of `evonas.training.extensions`.
    """

    trainer: str = "native"
    loss: str = "auto"
    epoch_rows: int | None = None
    patience: int | None = 10
    min_delta: float = 0.0
    replicates: int = 1
    precision: str = "float32"
    memory_bytes: int = 1 << 30
    max_latency_ms: float | None = None
    max_parameters: int | None = None
    objectives: tuple[str, ...] | None = None
    threads: int | None = None
    candidate_seconds: float | None = None
    worker_bytes: int | None = None
    extensions: Any = None

    def loss_of(self, task: str, quantiles: Sequence[float]) -> str:
        """The loss of a problem: "binary", "multiclass", "pinball", "mse", "mae" or "huber".

        Args:
            task, quantiles: see `evonas.data.prepared.Problem`.
        """
        if task != "regression":
            return task
        if quantiles:
            return "pinball"
        return "mse" if self.loss == "auto" else self.loss

    @property
    def takes_latency(self) -> bool:
        """Whether the latency of networks is to be measured."""
        return self.max_latency_ms is not None or "latency_ms" in (self.objectives or ())


def architecture_of(space: Any, genome: Any) -> Mapping[str, Any]:
    """See `genomes.encodings.blueprint`, which is imported when it is needed."""
    from genomes.encodings import blueprint

    return blueprint(space, genome)


def task_of(space: Any, candidate: Candidate, start: Start | None) -> TrainingTask:
    """The task of a candidate of the space.

    Args:
        space: see `genomes.encodings.blueprint`.
        candidate: to be trained.
        start: the kept state of its origin, if any.
    """
    origin = None if start is None else architecture_of(space, start.genome)
    architecture = architecture_of(space, candidate.genome)
    return TrainingTask(
        architecture=architecture,
        seed=candidate.seed,
        epochs=candidate.epochs,
        horizon=candidate.horizon,
        start=() if start is None else start.snapshots,
        origin=None if origin == architecture else origin,
        inherit=candidate.origin is not None and candidate.origin.kind == "inherit",
        keep_snapshots=candidate.keep_snapshots,
        lineage=candidate.lineage,
        fold=candidate.fold,
        reduction=candidate.reduction,
    )


class Trainer(Protocol):
    """Trains networks and scores them on the validation split."""

    def state(self) -> Any:
        """What it remembers of earlier generations, as JSON values; None if nothing."""
        ...

    def restore(self, state: Any) -> None:
        """Continues from `state`; None is the beginning."""
        ...

    def train(self, tasks: Sequence[TrainingTask], done: frozenset[int]) -> Iterator[Mapping[int, Evaluation]]:
        """As `Evaluator.evaluate`: yields position -> evaluation in parts; `done` never changes a result."""
        ...


#: Gives the next task and its number; None while there is none.
Source = Callable[[], tuple[int, TrainingTask] | None]


@runtime_checkable
class StreamingTrainer(Protocol):
    """A trainer of several networks at a time, each by itself, that takes another one as soon as one is done."""

    @property
    def threads(self) -> int:
        """Networks in training at a time."""
        ...

    def stream(self, source: Source) -> Iterator[Mapping[int, Evaluation]]:
        """Trains what `source` gives, and yields number -> evaluation as each is done, without end.

        Asks `source` at once after a result was taken, and while a thread is free several times a second; yields
        an empty mapping where nothing came for as long. Closing the iterator stops the trainings.
        """
        ...


def in_training_of(trainer: object) -> tuple[InTraining, ...]:
    """What a trainer trains now and how far; nothing of one that has no method `in_training`."""
    found: Callable[[], Sequence[InTraining]] | None = getattr(trainer, "in_training", None)
    return () if found is None else tuple(found())


def slots_of(trainer: Trainer) -> int:
    """Networks that a trainer has in training at a time when it is given them one by one."""
    return trainer.threads if isinstance(trainer, StreamingTrainer) else 1


def stream_evaluations(trainer: Trainer, source: Source) -> Generator[Mapping[int, Evaluation], None, None]:
    """What the trainer makes of the tasks that `source` gives, as `StreamingTrainer.stream`; one by one if need be."""
    if isinstance(trainer, StreamingTrainer):
        yield from trainer.stream(source)
        return
    while True:
        given = source()
        if given is None:
            yield {}
            continue
        number, task = given
        for part in trainer.train([task], frozenset()):
            yield {number: part[0]} if part else {}
