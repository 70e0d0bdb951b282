"""`Program`: a network in the form that the compiled loop runs, with its weights in one flat vector. No numba."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.training.native.kernels.instructions import BLOCK_ROWS, Instruction, encode
from genomes.architecture.options import MAX_REFERENCES

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
    """Named weights, at `start` in the flat vector."""

    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """The end of the weights in the flat vector, exclusive."""
        return self.start + math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Program:
    """A network in the form that the compiled loop runs.

    Attributes:
        instructions: instructions in order.
        variables: name -> weights in a flat vector: `num_weights` trained ones, then `num_frozen` frozen ones.
        statistics: name -> moving statistics in a vector of `num_statistics`.
        input, output: tensors of the features and of the raw outputs; if predictions are those of learned neighbours,
            of the representation.
        num_outputs: number of raw outputs.
        finds_neighbours: whether predictions are those of learned neighbours, see `evonas.networks.neighbours`.
        rows: maximum number of rows in the arena.
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
    num_outputs: int
    finds_neighbours: bool = False

    @cached_property
    def code(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The encoded instructions."""
        return encode(self.instructions)

    @property
    def num_bytes(self) -> int:
        """Memory of a training run besides its data, in bytes.

        Initial weights, weights, gradients, two moments, the best weights, and the snapshot's copies of them; three
        arenas; reference rows of learned neighbours, their copy, and distances within a batch.
        """
        near = 2 * MAX_REFERENCES * (self.output.width + self.num_outputs) + 3 * BLOCK_ROWS * self.rows
        return 4 * (10 * self.num_weights + 3 * self.arena + (near if self.finds_neighbours else 0))

    def pack(self, weights: Weights) -> tuple[Vector, Vector]:
        """Weights and statistics as flat vectors.

        Raises:
            KeyError, ValueError: a variable is missing or has the wrong shape.
        """
        return self.pack_trained(weights), _pack(self.statistics, self.num_statistics, weights)

    def pack_trained(self, weights: Weights) -> Vector:
        """Only the trained weights, or their moments, as a flat vector. Raises as `pack`."""
        return _pack(self.variables, self.num_weights + self.num_frozen, weights)

    def unpack(self, flat: Vector, kept: Vector | None = None) -> dict[str, Vector]:
        """Copies of the weights by name, and of the statistics if given."""
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
