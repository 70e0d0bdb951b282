"""`Program`: a network as the compiled loop runs it, and its weights in one flat vector. No numba."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.training.native.instructions import Instruction, encode

__all__ = ["Program", "Tensor", "Variable"]

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Tensor:
    """Activations of one layer, `(rows, width)` or `(rows, members, width)`, at `start` in the arena."""

    start: int
    width: int
    members: int = 1


@dataclass(frozen=True)
class Variable:
    """Weights of a name, at `start` in the flat vector."""

    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """Where they end."""
        return self.start + math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Program:
    """A network as the compiled loop runs it.

    Attributes:
        instructions: in order.
        variables: name -> weights, in a flat vector: `num_weights` that are trained, then `num_frozen` that are not.
        statistics: name -> what moves along, in a vector of `num_statistics`.
        input, output: tensors of the features and of the raw outputs.
        rows: the most rows that the arena holds.
        arena: its size in numbers.
    """

    instructions: tuple[Instruction, ...]
    variables: Mapping[str, Variable]
    statistics: Mapping[str, Variable]
    num_weights: int
    num_frozen: int
    num_statistics: int
    input: Tensor
    output: Tensor
    rows: int
    arena: int

    @cached_property
    def code(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The encoded instructions."""
        return encode(self.instructions)

    @property
    def num_bytes(self) -> int:
        """What a training needs besides its data.

        Initial weights, weights, gradients, two moments, the best weights, and what the snapshot copies of them; three
        arenas.
        """
        return 4 * (10 * self.num_weights + 3 * self.arena)

    def pack(self, weights: Weights) -> tuple[Vector, Vector]:
        """Weights and statistics as flat vectors.

        Raises:
            KeyError, ValueError: one is missing, or has another shape.
        """
        return self.pack_trained(weights), _pack(self.statistics, self.num_statistics, weights)

    def pack_trained(self, weights: Weights) -> Vector:
        """What is trained alone, or the moments of it, as a flat vector. Raises as `pack`."""
        return _pack(self.variables, self.num_weights + self.num_frozen, weights)

    def unpack(self, flat: Vector, kept: Vector | None = None) -> dict[str, Vector]:
        """Copies of the weights by name; of the statistics, too, where they are given."""
        found = {}
        for places, source in ((self.variables, flat), (self.statistics, kept)):
            if source is not None:
                for name, place in places.items():
                    found[name] = source[place.start : place.stop].reshape(place.shape).copy()
        return found


def _pack(places: Mapping[str, Variable], size: int, weights: Weights) -> Vector:
    flat = np.zeros(size, np.float32)
    for name, place in places.items():
        value = np.asarray(weights[name], np.float32)
        if value.shape != place.shape:
            raise ValueError(f"{name} must have the shape {place.shape}, not {value.shape}")
        flat[place.start : place.stop] = value.reshape(-1)
    return flat
