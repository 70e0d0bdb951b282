"""What a training can be gone on with, and what a candidate starts from. Plain arrays; imports no Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights

__all__ = ["Snapshot", "Start", "snapshots_from_arrays", "snapshots_to_arrays"]

_PARTS = ("weights", "first", "second", "best")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One training (of one fold and replicate) after its last epoch: all that the next epoch depends on.

    Attributes:
        weights: of the last epoch, by name.
        first, second: the optimizer's moments, in the trainer's own names.
        best: weights of the best epoch so far.
        outputs: raw outputs on the validation rows with these, shape `(validation_rows, num_outputs)`.
        best_loss: validation loss of the best epoch; infinite when none was finite.
        reference: loss that the next one has to improve on, see `TrainingSettings.min_delta`.
        waited: epochs since it did.
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
    """What was kept of the training that a candidate starts from.

    Attributes:
        genome: of the network that was trained.
        snapshots: of each fold and replicate.
    """

    genome: Any
    snapshots: tuple[Snapshot, ...]


def snapshots_to_arrays(snapshots: Sequence[Snapshot]) -> dict[str, NDArray[Any]]:
    """All of them as arrays by name, as one file holds them."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, snapshot in enumerate(snapshots):
        for part in _PARTS:
            arrays |= {f"{number}/{part}/{name}": np.asarray(value) for name, value in getattr(snapshot, part).items()}
        arrays[f"{number}/outputs"] = np.asarray(snapshot.outputs, np.float32)
        arrays[f"{number}/curves"] = np.array([snapshot.train_curve, snapshot.curve], np.float64)
        arrays[f"{number}/waiting"] = np.array([snapshot.best_loss, snapshot.reference, snapshot.waited], np.float64)
    return arrays


def snapshots_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> tuple[Snapshot, ...]:
    """The snapshots back."""
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
