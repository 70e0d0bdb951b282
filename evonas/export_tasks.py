"""The request and the result of an export, exchanged between driver and worker. Imports no Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evonas.evaluation import Weights
from evonas.io.marked_files import check_place
from evonas.objective import Objective
from genomes.errors import InputError

__all__ = ["FORMATS", "EnsembleTask", "ExportTask", "Exported", "format_of"]

#: Format -> suffix of its files; a SavedModel is a folder.
FORMATS = {"keras": ".keras", "savedmodel": "", "onnx": ".onnx", "tflite": ".tflite"}


def format_of(path: Path, asked: str | None = None) -> str:
    """The requested format, or that of the path's suffix.

    Raises:
        InputError: the format does not exist, the suffix does not match, the folder does not exist, or the path is
            taken by a file that evonas did not write or that was changed since.
    """
    if not path.name:
        raise InputError(f"export path must name a file, not {str(path)!r}: write model.keras")
    found = asked or next((name for name, ending in FORMATS.items() if ending and path.suffix == ending), "")
    if not found and path.suffix:
        known = ", ".join(ending for ending in FORMATS.values() if ending)
        raise InputError(
            f"export path must end in one of {known}, not {path.name!r}: write {path.stem}.keras, or name the format "
            f"({', '.join(FORMATS)})"
        )
    if not found:
        raise InputError(
            f"export path must end in {', '.join(filter(None, FORMATS.values()))} without a format, not {path.name!r}: "
            f"write {path.name}.keras, or give the format savedmodel for a folder"
        )
    if found not in FORMATS:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, not {found!r}: choose one")
    ending = FORMATS[found]
    if path.suffix != ending:
        wanted = f"end in {ending}" if ending else "have no ending, being a folder"
        raise InputError(f"export path must {wanted}, not {path.name!r}: write {path.with_suffix(ending).name}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"export path must be in an existing folder, not {path.parent}: make the folder")
    if found == "savedmodel" and os.path.lexists(path):
        raise InputError(f"export path must be a new folder, but {path} exists already: choose another name")
    check_place(path)
    if found in ("onnx", "tflite"):
        check_place(path.with_name(f"{path.name}.json"))
    return found


@dataclass(frozen=True, eq=False)
class ExportTask:
    """The request to write one network as a Keras file.

    Attributes:
        architecture: the network, as in `TrainingTask`.
        path: path to write; the name has the format's suffix, and the folder exists.
        format: one of `FORMATS`.
        weights: those of the scored epoch; None only for a retraining.
        scores: recorded validation scores of these weights; if empty, nothing is compared.
        retrain: whether to train again on training and validation rows together, for `best_epoch` epochs.
        seed, epochs, best_epoch: those of the recorded training; used for a retraining only. The learning-rate schedule
            spans `epochs`.
        calibrate: whether logits are divided by the temperature that fits the (first) validation rows best.
        resize: whether the model takes images of any size, which it resizes.
    """

    architecture: Mapping[str, Any]
    path: Path
    weights: Weights | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    retrain: bool = False
    seed: int = 0
    epochs: int = 1
    best_epoch: int = 1
    format: str = "keras"
    calibrate: bool = False
    resize: bool = False


@dataclass(frozen=True, eq=False)
class EnsembleTask:
    """The request to write several networks as one Keras file.

    Attributes:
        networks: networks to choose from, best first: architecture, as in `TrainingTask`, and weights of the scored
            epoch.
        size: maximum number of members.
        objective: objective by which they are chosen.
        path: path to write; the name ends in `.keras`, and the folder exists.
        calibrate: as in `ExportTask`.
        folds: the fold that each network was trained on, if all of them become members; empty if members are chosen on
            the validation rows.
        format: one of `FORMATS`.
        shares: weight of each network in the mean, adding up to 1; empty if networks are to be chosen.
        all_rows: whether the networks were also trained on the validation rows, whose scores are then meaningless.
    """

    networks: tuple[tuple[Mapping[str, Any], Weights], ...]
    size: int
    objective: Objective
    path: Path
    calibrate: bool = False
    folds: tuple[int, ...] = ()
    format: str = "keras"
    shares: tuple[float, ...] = ()
    all_rows: bool = False


@dataclass(frozen=True)
class Exported:
    """A Keras file that was written, reopened and scored.

    Attributes:
        path: the file.
        validation_scores: scores of the file's model on the (first) validation split; empty after a retraining, which
            used these rows. For members trained on several folds, the mean of each one's scores on its held-out rows.
        test_scores: scores of the file's model on the test split; empty if there is none.
        retrained: whether the weights come from a retraining.
        note: one line for users on the origin of the weights.
        format: one of `FORMATS`.
        interface: the model's "inputs" and "outputs" (each with "name", "dtype" and "shape"; inputs also with their
            "column"), its "parameters", and the "backend" that wrote it; JSON values.
        members: of an ensemble: index among the task's networks, and weight in the mean.
        card: the model card next to it, if any.
        temperature: divisor of the logits; 1 without calibration.
        calibration: "validation" and "test" -> result of `evonas.metrics.calibration.calibration_of` for these rows;
            for members trained on several folds, "validation" is each one's held-out rows, joined.
    """

    path: Path
    validation_scores: Mapping[str, float]
    test_scores: Mapping[str, float]
    retrained: bool
    note: str
    format: str = "keras"
    interface: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[tuple[int, float], ...] = ()
    card: Path | None = None
    temperature: float = 1.0
    calibration: Mapping[str, Any] = field(default_factory=dict)
