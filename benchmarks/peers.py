"""The peer: Keras `fit`, one network at a time, as its users write it. Uses only genomes from evonas."""

from __future__ import annotations

import gc
import time
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from evonas.data.prepared import Split
from genomes.dense.genome import DenseGenome, Training

__all__ = ["AS_IT_COMES", "BEST_WAYS", "Way", "build", "measure", "tune"]


@dataclass(frozen=True)
class Way:
    """How `fit` is called.

    Attributes:
        steps_per_execution: 1 is Keras's default; 0 stands for a whole epoch.
        jit_compile: "auto" is Keras's default.
        validation_batch_size: None is Keras's default, that of training.
    """

    steps_per_execution: int = 1
    jit_compile: bool | str = "auto"
    validation_batch_size: int | None = None

    def __str__(self) -> str:
        return f"steps_per_execution={self.steps_per_execution or 'epoch'}, jit_compile={self.jit_compile}"


AS_IT_COMES = Way()
#: Also large validation batches, which make the peer faster without changing training.
BEST_WAYS = tuple(Way(steps, jit, 1024) for steps in (64, 0) for jit in (False, True))
_NORMALIZATIONS = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}


def build(
    network: DenseGenome, num_features: int, num_rows: int, way: Way, task: str = "regression", epochs: int = 30
) -> keras.Model:
    """The compiled model of a chain with one output."""
    settings = network.training
    l2 = keras.regularizers.L2(settings.l2) if settings.l2 else None
    common = {"kernel_initializer": network.initializer, "kernel_regularizer": l2}
    model = keras.Sequential([keras.Input((num_features,))])
    for layer in network.layers:
        model.add(keras.layers.Dense(layer.units, use_bias=network.normalization != "batch", **common))
        if network.normalization != "none":
            model.add(_NORMALIZATIONS[network.normalization]())
        model.add(keras.layers.Activation(layer.activation))
        if network.dropout:
            model.add(keras.layers.Dropout(network.dropout))
    model.add(keras.layers.Dense(1, **common))
    steps = -(-num_rows // settings.batch_size)
    loss = "mse" if task == "regression" else keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(
        optimizer=_optimizer(settings, epochs * steps),
        loss=loss,
        steps_per_execution=way.steps_per_execution or steps,
        jit_compile=way.jit_compile,
    )
    return model


def _optimizer(settings: Training, steps: int) -> keras.optimizers.Optimizer:
    peak, warm = settings.learning_rate, round(settings.warmup * steps)
    rate: Any = peak
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            peak / (warm + 1), steps - warm, warmup_target=peak if warm else None, warmup_steps=warm
        )
    elif settings.schedule == "exponential":
        rate = keras.optimizers.schedules.ExponentialDecay(peak, steps, 0.01)
    match settings.optimizer:
        case "sgd":
            return keras.optimizers.SGD(rate)
        case "momentum" | "nesterov":
            return keras.optimizers.SGD(rate, momentum=0.9, nesterov=settings.optimizer == "nesterov")
        case "adamw":
            return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    kinds = {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam, "rmsprop": keras.optimizers.RMSprop}
    return kinds[settings.optimizer](rate)


class _Clock(keras.callbacks.Callback):
    """Records wall-clock and processor time at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[tuple[float, float]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.times.append((time.perf_counter(), time.process_time()))


def _seconds(
    network: DenseGenome, split: Split, epochs: int, measured_epochs: int, way: Way, task: str
) -> dict[str, float]:
    """Seconds to build, compile and fit one network; further epochs are extrapolated by the mean of the steady ones."""
    measured = min(epochs, measured_epochs)
    clock = _Clock()
    began = (time.perf_counter(), time.process_time())
    model = build(network, split.x_train.shape[1], len(split.x_train), way, task, epochs)
    model.fit(
        split.x_train,
        split.y_train,
        batch_size=network.training.batch_size,
        epochs=measured,
        shuffle=True,
        validation_data=(split.x_validation, split.y_validation),
        validation_batch_size=way.validation_batch_size,
        callbacks=[clock],
        verbose=0,
    )
    ended = (time.perf_counter(), time.process_time())
    found = {}
    for index, name in enumerate(("whole", "whole_cpu")):
        spent = ended[index] - began[index]
        ends = [times[index] for times in clock.times]
        steady = float(np.mean(np.diff(ends))) if measured > 1 else spent
        found[name] = spent + (epochs - measured) * steady
    del model
    keras.utils.clear_session()
    gc.collect()
    return found


def measure(
    networks: list[DenseGenome],
    split: Split,
    epochs: int,
    way: Way,
    measured_epochs: int = 5,
    task: str = "regression",
) -> dict[str, Any]:
    """Mean seconds per network; for epochs, see `_seconds`."""
    each = [_seconds(network, split, epochs, measured_epochs, way, task) for network in networks]
    mean = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
    return {"way": asdict(way), "networks": len(networks), "measured_epochs": min(epochs, measured_epochs), **mean}


def tune(
    networks: list[DenseGenome], split: Split, epochs: int, measured_epochs: int = 5
) -> tuple[Way, list[dict[str, Any]]]:
    """The fastest of `BEST_WAYS` for these networks together, and the time of each."""
    found = [measure(networks, split, epochs, way, measured_epochs) for way in BEST_WAYS]
    best = min(range(len(found)), key=lambda k: found[k]["whole"])
    return BEST_WAYS[best], found
