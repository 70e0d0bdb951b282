"""What an export is told, and what it gives: the values between the driver and the worker. Imports no Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evonas.evaluation import Weights
from evonas.objective import Objective

__all__ = ["EnsembleTask", "ExportTask", "Exported"]


@dataclass(frozen=True, eq=False)
class ExportTask:
    """One network to write as a Keras file.

    Attributes:
        architecture: what to build, as in `TrainingTask`.
        path: where to write; the name ends in `.keras`, the folder exists.
        weights: those of the scored epoch; only a retraining does without.
        scores: what was recorded of these weights on the validation split; empty compares nothing.
        retrain: whether to train anew on training and validation rows together, for `best_epoch` epochs.
        seed, epochs, best_epoch: of the recorded training; used by a retraining only. The learning-rate schedule spans
            `epochs`.
    """

    architecture: Mapping[str, Any]
    path: Path
    weights: Weights | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    retrain: bool = False
    seed: int = 0
    epochs: int = 1
    best_epoch: int = 1


@dataclass(frozen=True, eq=False)
class EnsembleTask:
    """Several networks to write as one Keras file.

    Attributes:
        networks: what to choose from, best first: architecture, as in `TrainingTask`, and weights of the scored epoch.
        size: the most of them to take.
        objective: what they are chosen by.
        path: where to write; the name ends in `.keras`, the folder exists.
    """

    networks: tuple[tuple[Mapping[str, Any], Weights], ...]
    size: int
    objective: Objective
    path: Path


@dataclass(frozen=True)
class Exported:
    """A Keras file that was written, opened again and scored.

    Attributes:
        path: the file.
        validation_scores: of the file's model on the (first) validation split; empty after a retraining, which saw it.
        test_scores: of the file's model on the test split; empty when there is none.
        retrained: whether the weights come from a retraining.
        note: one line for a person: where the weights come from.
    """

    path: Path
    validation_scores: Mapping[str, float]
    test_scores: Mapping[str, float]
    retrained: bool
    note: str
