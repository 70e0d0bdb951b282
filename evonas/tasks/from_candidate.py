"""`task_of`: conversion of candidates to training tasks. Imports no Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evonas.tasks.train import TrainingTask

if TYPE_CHECKING:
    from evonas.evaluation import Candidate, Start

__all__ = ["architecture_of", "task_of"]


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
