"""Conversion between a network and its slot in a program: initial state, constants, schedules, and weights back out.

All in numpy. A network's layers are the first ones of the program's shape. A node's kernel has one block of rows for
each source in the shape, padded to that source's width; blocks of sources and layers that the network lacks are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Snapshot, Weights
from evonas.networks.schedule import learning_rates
from evonas.training import optimizers
from evonas.training.population.activations import coefficients
from evonas.training.population.network import Network
from evonas.training.population.shape import MIXED, ProgramShape

__all__ = ["Fold", "PopulationMember", "constants", "pack", "schedule", "unpack"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Fold:
    """The range of a fold's rows among the rows of all folds.

    Attributes:
        train_start, train_rows, validation_start, validation_rows: in rows.
    """

    train_start: int
    train_rows: int
    validation_start: int
    validation_rows: int


@dataclass(frozen=True, eq=False)
class PopulationMember:
    """One training: a network on a fold with a seed.

    Attributes:
        network: the network.
        initial: draws the initial weights by name.
        seed: seed of the data order and dropout.
        epochs: maximum number of epochs, counted from the beginning of the training.
        horizon: epochs that the learning-rate schedule spans.
        fold: its rows.
        start: the state that it continues; None for a new training.
    """

    network: Network
    initial: Callable[[], Weights]
    seed: int
    epochs: int
    horizon: int
    fold: Fold
    start: Snapshot | None = None

    @property
    def first_epoch(self) -> int:
        """Number of epochs already trained; 0 for a new training."""
        return self.start.epoch if self.start else 0

    @property
    def steps(self) -> int:
        """Number of steps per epoch."""
        return -(-self.fold.train_rows // self.network.batch_size)


_IDENTITY = {"bias": 0.0, "gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}


def pack(weights: Weights, network: Network, shape: ProgramShape, identity: bool = True) -> dict[str, Array]:
    """Padded arrays by name: kernels `(inputs, units)`, vectors `(1, units)`.

    With `identity`, padding and normalisation that the network lacks are the identity; otherwise (for moments) padding
    is 0.
    """
    arrays = {}
    for name in weights:
        node, part = _place(name, shape)
        value = np.asarray(weights[name], np.float32)
        units = shape.width(node)
        if part == "kernel":
            rows = sum(shape.width(source) for source in shape.sources(node))
            padded = np.zeros((rows, units), np.float32)
            for there, here in _blocks(node, network, shape):
                padded[there, : value.shape[1]] = value[here]
        else:
            padded = np.full((1, units), _IDENTITY.get(part, 0.0) if identity else 0.0, np.float32)
            padded[0, : len(value)] = value
        arrays[name] = padded
    if identity:
        for node in range(1, shape.output):
            rows, width = sum(shape.width(source) for source in shape.sources(node)), shape.width(node)
            arrays.setdefault(f"layer_{node}/kernel", np.zeros((rows, width), np.float32))
            for part, fill in _IDENTITY.items():
                if part == "bias" or shape.normalized:
                    arrays.setdefault(f"layer_{node}/{part}", np.full((1, width), fill, np.float32))
    return arrays


def unpack(arrays: Mapping[str, Array], names: Weights, network: Network, shape: ProgramShape) -> dict[str, Array]:
    """The weights with these names, cut out of padded arrays."""
    weights = {}
    for name in names:
        node, part = _place(name, shape)
        like, value = names[name], arrays[name]
        if part == "kernel":
            cut = np.empty(like.shape, np.float32)
            for there, here in _blocks(node, network, shape):
                cut[here] = value[there, : like.shape[1]]
        else:
            cut = np.array(value[0, : len(like)], np.float32)
        weights[name] = cut
    return weights


def _place(name: str, shape: ProgramShape) -> tuple[int, str]:
    """Node and part in the name of a weight."""
    layer, part = name.split("/")
    return shape.output if layer == "output" else int(layer.removeprefix("layer_")), part


def _has_edge(network: Network, shape: ProgramShape, source: int, node: int) -> bool:
    """Whether the network has this edge of the shape."""
    if node == shape.output:
        return (source, network.output) in network.edges
    return node < network.output and (source, node) in network.edges


def _blocks(node: int, network: Network, shape: ProgramShape) -> Iterator[tuple[slice | Array, slice]]:
    """(rows in the padded kernel, rows in the network's kernel) of each source of the network."""
    mixed = shape.view == MIXED and bool(network.columns)
    widths = (len(network.columns) if mixed else shape.num_features, *network.widths)
    there = here = 0
    for source in shape.sources(node):
        if _has_edge(network, shape, source, node):
            rows = slice(there, there + widths[source])
            # The input comes first: its rows start at 0.
            yield np.array(network.columns) if mixed and source == 0 else rows, slice(here, here + widths[source])
            here += widths[source]
        there += shape.width(source)


def constants(member: PopulationMember, shape: ProgramShape, patience: int, min_delta: float) -> dict[str, Array]:
    """The constants of a network, as the `members` arrays of `build_program` without the slot axis."""
    network, fold = member.network, member.fold
    whole = {
        "patience": patience,
        "train_rows": fold.train_rows,
        "validation_rows": fold.validation_rows,
        "validation_start": fold.validation_start,
    }
    out: dict[str, Array] = {name: np.array(value, np.int32) for name, value in whole.items()}
    out["seed"] = np.array(member.seed & 0xFFFFFFFF, np.uint32).view(np.int32)
    out["min_delta"] = np.array(min_delta, np.float32)
    for node in range(1, shape.output):
        mask = np.zeros((1, shape.width(node)), np.float32)
        units, activation, kind, drop = 1, "linear", "none", 0.0
        if node < network.output:
            units, activation = network.widths[node - 1], network.activations[node - 1]
            kind, drop = network.normalizations[node - 1], network.dropouts[node - 1]
            mask[0, :units] = 1.0
        out[f"mask_{node}"], out[f"activation_{node}"] = mask, coefficients(activation)
        out[f"share_{node}"] = mask / np.float32(units)
        kinds = {"batch_norm": kind == "batch", "layer_norm": kind == "layer"}
        numbers = kinds | {"unbatched": kind != "batch", "plain": kind == "none", "drop": drop}
        out |= {f"{name}_{node}": np.full((1, 1), value, np.float32) for name, value in numbers.items()}
        penalty = network.penalties[node - 1] if node < network.output else 0.0
        out[f"l2_{node}"] = np.array(penalty, np.float32)
    out[f"l2_{shape.output}"] = np.array(network.penalties[-1], np.float32)
    if shape.view == MIXED:
        seen = np.ones((1, shape.num_features), np.float32)
        if network.columns:
            seen[0, np.delete(np.arange(shape.num_features), network.columns)] = 0.0
        out["seen"] = seen
    if shape.mixed_edges:
        for source, node in shape.edges:
            out[f"edge_{source}_{node}"] = np.full((1, 1), _has_edge(network, shape, source, node), np.float32)
    return out


def schedule(member: PopulationMember, epoch: int, count: int) -> Array:
    """Optimizer coefficients of the steps of some epochs, shape `(count, steps, NUM_COEFFICIENTS)`.

    Args:
        member: the training.
        epoch: first epoch, from 0.
        count: number of epochs.
    """
    network, steps = member.network, member.steps
    rates = learning_rates(network.learning_rate, network.schedule, network.warmup, member.horizon * steps)
    first = epoch * steps
    taken = rates[first : first + count * steps]
    values = optimizers.step_coefficients(
        network.optimizer, taken, network.weight_decay, first, optimizers.Constants(beta2=network.beta2)
    )
    return values.reshape(count, steps, -1)
