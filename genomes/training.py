"""How a network is trained, as the genomes of every encoding of networks hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, TypeVar

from genomes.architecture.options import LAYER_KINDS, TRAINING_KINDS
from genomes.checks import Kind

__all__ = ["OPTIMIZERS_OF", "AugmentedTraining", "Training", "replace_fields", "training_kinds"]

Value = TypeVar("Value")

#: Genes that do something with some optimizers only.
OPTIMIZERS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"weight_decay": ("adamw",), "decay_schedule": ("adamw",), "beta2": ("adam", "adamw", "nadam")}
)


def replace_fields(value: Value, **fields: Any) -> Value:
    """The frozen value with other fields, as `dataclasses.replace` in a tenth of its time: a search does it for every
    candidate that it weighs, a thousand times a proposal.
    """
    new = object.__new__(type(value))
    new.__dict__.update(value.__dict__, **fields)
    return new


@dataclass(frozen=True)
class Training:
    """How the network is trained.

    Attributes:
        optimizer: one of `OPTIMIZERS`; momentum and nesterov are SGD with momentum 0.9.
        learning_rate: peak rate, > 0.
        batch_size: rows a step, at least 1.
        schedule: one of `SCHEDULES`, over all steps of the epoch budget; cosine falls to 0, exponential to 1%, see
            `evonas.networks.schedule`.
        warmup: share of all steps, in [0, 0.5], in which the rate rises linearly from 0 before the schedule starts.
        l2: penalty on kernels, `l2 * sum(kernel ** 2)` in the loss, >= 0.
        weight_decay: decoupled decay, >= 0; acts with adamw only.
        beta2: share of the second moment that adam, adamw and nadam keep, in [0.5, 0.9999].
        label_smoothing: share of each label, in [0, 0.5], that training spreads over all classes; a classifier's alone,
            and of no loss that is validated or scored.
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 32
    schedule: str = "constant"
    warmup: float = 0.0
    l2: float = 0.0
    weight_decay: float = 0.0
    beta2: float = 0.999
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class AugmentedTraining(Training):
    """How a network is trained on samples that are changed each time that they are seen, in training alone.

    Attributes:
        flip: whether half of the images are mirrored, left to right.
        shift: the largest share of each axis, in [0, 0.5], by which a sample is moved.
        rotation: the largest share of a turn, in [0, 0.25], by which an image is turned.
        zoom: the largest share, in [0, 0.5], by which an image is made larger or smaller.
        noise: standard deviation of the normal noise that is added to each number, in [0, 1].
        cutout: share of each axis, in [0, 0.75], of a window at a random place that is set to zero (DeVries and Taylor
            2017, arXiv 1708.04552).
        mixup: alpha, in [0, 1], of the beta distribution of the share at which two samples and their targets are mixed
            (Zhang et al. 2018, arXiv 1710.09412).
    """

    flip: bool = False
    shift: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0


def training_kinds(training: type[Training]) -> Mapping[str, Kind]:
    """Field -> what it may hold, of a class of training settings; `l2` is of the layers."""
    kinds = {**TRAINING_KINDS, "l2": LAYER_KINDS["l2"]}
    return MappingProxyType({field.name: kinds[field.name] for field in fields(training)})
