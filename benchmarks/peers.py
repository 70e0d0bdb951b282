"""The peer: Keras `fit`, one network at a time, written as its users write it. Uses nothing of evonas but genomes."""

from __future__ import annotations

import gc
import time
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from evonas.data.prepared import Split
from genomes.dense.genome import DenseGenome

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
#: Large validation batches, too: training stays the same work, and the peer is faster by them.
BEST_WAYS = tuple(Way(steps, jit, 1024) for steps in (64, 0) for jit in (False, True))


def build(network: DenseGenome, num_features: int, num_rows: int, way: Way) -> keras.Model:
    """The compiled model of a chain."""
    settings = network.training
    model = keras.Sequential([keras.Input((num_features,))])
    for layer in network.layers:
        model.add(keras.layers.Dense(layer.units, activation=layer.activation))
    model.add(keras.layers.Dense(1))
    optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[settings.optimizer]
    model.compile(
        optimizer=optimizer(settings.learning_rate),
        loss="mse",
        steps_per_execution=way.steps_per_execution or -(-num_rows // settings.batch_size),
        jit_compile=way.jit_compile,
    )
    return model


class _Clock(keras.callbacks.Callback):
    """When each epoch ended."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.times.append(time.perf_counter())


def _seconds(network: DenseGenome, split: Split, epochs: int, measured_epochs: int, way: Way) -> dict[str, float]:
    """Seconds to build, compile and fit one network; epochs beyond the measured ones at the steady epochs' mean."""
    measured = min(epochs, measured_epochs)
    clock = _Clock()
    began = time.perf_counter()
    model = build(network, split.x_train.shape[1], len(split.x_train), way)
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
    spent = time.perf_counter() - began
    steady = float(np.mean(np.diff(clock.times))) if measured > 1 else spent
    del model
    keras.utils.clear_session()
    gc.collect()
    return {
        "first_epoch": clock.times[0] - began,
        "steady_epoch": steady,
        "whole": spent + (epochs - measured) * steady,
    }


def measure(
    networks: list[DenseGenome], split: Split, epochs: int, way: Way, measured_epochs: int = 5
) -> dict[str, Any]:
    """Mean seconds a network, by epochs as `_seconds` says."""
    each = [_seconds(network, split, epochs, measured_epochs, way) for network in networks]
    mean = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
    return {"way": asdict(way), "networks": len(networks), "measured_epochs": min(epochs, measured_epochs), **mean}


def tune(
    networks: list[DenseGenome], split: Split, epochs: int, measured_epochs: int = 5
) -> tuple[Way, list[dict[str, Any]]]:
    """The fastest of `BEST_WAYS` for these networks together, and what each took."""
    found = [measure(networks, split, epochs, way, measured_epochs) for way in BEST_WAYS]
    best = min(range(len(found)), key=lambda k: found[k]["whole"])
    return BEST_WAYS[best], found
