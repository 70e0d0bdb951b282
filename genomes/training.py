"""Training settings, shared by the genomes of all network encodings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, TypeVar

from genomes.architecture.options import LAYER_KINDS, TRAINING_KINDS
from genomes.checks import Kind

__all__ = ["OPTIMIZERS_OF", "AugmentedTraining", "Training", "replace_fields", "training_kinds"]

Value = TypeVar("Value")

#: Gene -> the optimizers with which it has an effect, for genes that need certain optimizers.
OPTIMIZERS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"weight_decay": ("adamw",), "decay_schedule": ("adamw",), "beta2": ("adam", "adamw", "nadam")}
)


def replace_fields(value: Value, **fields: Any) -> Value:
    """Like `dataclasses.replace`, in a tenth of the time; searches call it a thousand times per proposal."""
    new = object.__new__(type(value))
    new.__dict__.update(value.__dict__, **fields)
    return new


@dataclass(frozen=True)
class Training:
    """Training settings of a network.

    Attributes:
        optimizer: one of `OPTIMIZERS`; momentum and nesterov are SGD with momentum 0.9.
        learning_rate: peak rate, > 0.
        batch_size: rows per step, at least 1.
        schedule: one of `SCHEDULES`, over all steps of the epoch budget; cosine falls to 0, exponential to 1%, see
            `evonas.networks.schedule`.
        warmup: share of all steps, in [0, 0.5], over which the rate rises linearly from 0 before the schedule starts.
        l2: penalty on kernels, `l2 * sum(kernel ** 2)` in the loss, >= 0.
        weight_decay: decoupled decay, >= 0; has an effect with adamw only.
        beta2: decay rate of the second moment of adam, adamw and nadam, in [0.5, 0.9999].
        label_smoothing: share of each label, in [0, 0.5], that is spread over all classes; in the training loss of
            classifiers only.
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
    """Training settings with augmentation of the training samples.

    Attributes:
        flip: whether half of the images are mirrored horizontally.
        shift: largest shift along each axis, as a share of its size, in [0, 0.5].
        rotation: largest rotation of an image, as a share of a full turn, in [0, 0.25].
        zoom: largest relative change of an image's size, in [0, 0.5].
        noise: standard deviation of additive Gaussian noise, in [0, 1].
        cutout: size of a random window that is set to zero, as a share of each axis, in [0, 0.75] (DeVries and Taylor
            2017, arXiv 1708.04552).
        mixup: alpha, in [0, 1], of the beta distribution from which mixing weights of two samples are drawn (Zhang et
            al. 2018, arXiv 1710.09412).
    """

    flip: bool = False
    shift: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0


def training_kinds(training: type[Training]) -> Mapping[str, Kind]:
    """Field -> valid values, for a class of training settings without `l2`, which belongs to the layers."""
    kinds = {**TRAINING_KINDS, "l2": LAYER_KINDS["l2"]}
    return MappingProxyType({field.name: kinds[field.name] for field in fields(training)})
