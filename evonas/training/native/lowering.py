"""From an architecture graph to a `Program`: instructions, and where weights and activations lie. No numba."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.networks.forward import EPSILON, INPUT_RATE, SCALES
from evonas.training.native.instructions import ACTIVATIONS, Instruction, encode
from genomes.architecture.graph import scales_inputs

__all__ = ["Builder", "Program", "Tensor", "lower"]

#: Keras's default for BatchNormalization.
MOMENTUM = 0.99
#: Where frozen weights begin until it is known how many are trained.
_FROZEN = 1 << 48
#: Slope of leaky relu below 0 where a network does not say.
LEAKY_SLOPE = 0.2

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Tensor:
    """Activations of one layer, `(rows, width)`, at `start` in the arena."""

    start: int
    width: int


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
        """What a training needs beside its data.

        Initial weights, weights, gradients, two moments, the best weights, and what the snapshot copies of them; three
        arenas.
        """
        return 4 * (10 * self.num_weights + 3 * self.arena)

    def pack(self, weights: Weights) -> tuple[Vector, Vector]:
        """Weights and statistics as flat vectors.

        Raises:
            KeyError, ValueError: one is missing, or has another shape.
        """
        return self.pack_trained(weights), _packed(self.statistics, self.num_statistics, weights)

    def pack_trained(self, weights: Weights) -> Vector:
        """What is trained alone, or the moments of it, as a flat vector. Raises as `pack`."""
        return _packed(self.variables, self.num_weights + self.num_frozen, weights)

    def unpack(self, flat: Vector, kept: Vector | None = None) -> dict[str, Vector]:
        """Copies of the weights by name; of the statistics, too, where they are given."""
        found = {}
        for places, source in ((self.variables, flat), (self.statistics, kept)):
            if source is not None:
                for name, place in places.items():
                    found[name] = source[place.start : place.stop].reshape(place.shape).copy()
        return found


class Builder:
    """Puts a program together, layer by layer.

    Args:
        width: of the features.
        rows: the most rows that go through at a time.
    """

    def __init__(self, width: int, rows: int) -> None:
        self._rows = rows
        self._arena = self._weights = self._kept = 0
        self._variables: dict[str, Variable] = {}
        self._statistics: dict[str, Variable] = {}
        self._instructions: list[Instruction] = []
        self._frozen = _FROZEN
        self.input = self.tensor(width)

    def tensor(self, width: int) -> Tensor:
        """A new tensor of that width."""
        found = Tensor(self._arena, width)
        self._arena += width * self._rows
        return found

    def variable(self, name: str, *shape: int, frozen: bool = False) -> int:
        """Where new weights of that name begin, trained ones unless they are frozen."""
        found = Variable(self._frozen if frozen else self._weights, shape)
        self._variables[name] = found
        if frozen:
            self._frozen = found.stop
        else:
            self._weights = found.stop
        return found.start

    def dense(
        self, sources: list[Tensor], units: int, name: str, bias: bool = True, l2: float = 0.0, frozen: bool = False
    ) -> Tensor:
        """The product of the sources, side by side, with one kernel; weights `name/kernel` and `name/bias`."""
        target = self.tensor(units)
        width = sum(source.width for source in sources)
        kernel = self.variable(f"{name}/kernel", width, units, frozen=frozen)
        offset = self.variable(f"{name}/bias", units, frozen=frozen) if bias else -1
        for number, source in enumerate(sources):
            integers = {
                "source": source.start,
                "inputs": source.width,
                "target": target.start,
                "units": units,
                "kernel": kernel,
                "bias": -1 if number else offset,
                "add": int(number > 0),
            }
            self._instructions.append(Instruction("dense", integers, {"l2": l2}))
            kernel += source.width * units
        return target

    def batch_norm(
        self,
        source: Tensor,
        name: str,
        epsilon: float = EPSILON,
        momentum: float = MOMENTUM,
        frozen: Collection[str] = (),
    ) -> Tensor:
        """Batch normalisation; weights `gamma`, `beta`, statistics `moving_mean`, `moving_variance`."""
        width, target = source.width, self.tensor(source.width)
        first = self._kept
        for number, part in enumerate(("moving_mean", "moving_variance")):
            self._statistics[f"{name}/{part}"] = Variable(first + number * width, (width,))
        self._kept += 4 * width  # and two vectors for the backward pass
        integers = self._scaled(source, target, name, frozen) | {"statistics": first}
        self._instructions.append(Instruction("batch_norm", integers, {"epsilon": epsilon, "momentum": momentum}))
        return target

    def layer_norm(self, source: Tensor, name: str, epsilon: float = EPSILON, frozen: Collection[str] = ()) -> Tensor:
        """Layer normalisation; weights `gamma`, `beta`."""
        target, scales = self.tensor(source.width), self.tensor(1)
        integers = self._scaled(source, target, name, frozen) | {"scales": scales.start}
        self._instructions.append(Instruction("layer_norm", integers, {"epsilon": epsilon}))
        return target

    def activation(self, source: Tensor, kind: str, slope: float = LEAKY_SLOPE) -> Tensor:
        """An activation, one of `ACTIVATIONS`; "linear" is the source itself."""
        if kind == "linear":
            return source
        target = self.tensor(source.width)
        integers = {**_pair(source, target), "kind": ACTIVATIONS.index(kind)}
        self._instructions.append(Instruction("activation", integers, {"slope": slope}))
        return target

    def dropout(self, source: Tensor, rate: float, layer: int) -> Tensor:
        """Dropout of that share; `layer` numbers its random stream."""
        if not rate:
            return source
        target = self.tensor(source.width)
        self._instructions.append(Instruction("dropout", {**_pair(source, target), "layer": layer}, {"rate": rate}))
        return target

    def scale(self, source: Tensor, name: str) -> Tensor:
        """A trained factor for each column; weight `name/scale`."""
        target = self.tensor(source.width)
        factors = self.variable(f"{name}/scale", source.width)
        self._instructions.append(Instruction("scale", {**_pair(source, target), "scale": factors}))
        return target

    def softmax(self, source: Tensor) -> Tensor:
        """Softmax of each row."""
        target = self.tensor(source.width)
        self._instructions.append(Instruction("softmax", _pair(source, target)))
        return target

    def merged(self, parts: list[tuple[float, Tensor]]) -> Tensor:
        """The sum of tensors of one width, each times a number."""
        target = self.tensor(parts[0][1].width)
        for number, (factor, source) in enumerate(parts):
            self._copy(source, 0, target, 0, source.width, number > 0, factor)
        return target

    def concatenated(self, sources: list[Tensor]) -> Tensor:
        """Tensors side by side."""
        target, column = self.tensor(sum(source.width for source in sources)), 0
        for source in sources:
            self._copy(source, 0, target, column, source.width)
            column += source.width
        return target

    def columns(self, source: Tensor, first: int, width: int) -> Tensor:
        """Some columns of the input, which needs no gradient."""
        target = self.tensor(width)
        self._copy(source, first, target, 0, width)
        return target

    def penalty(self, name: str, l1: float, l2: float) -> None:
        """Penalties of trained weights in the loss."""
        place = self._variables[name]
        integers = {"weights": place.start, "size": math.prod(place.shape)}
        # First of all, so that its backward pass is the last: the gradient that it adds to is there by then.
        self._instructions.insert(0, Instruction("penalty", integers, {"l1": l1, "l2": l2}))

    def _copy(
        self, source: Tensor, first: int, target: Tensor, at: int, width: int, add: bool = False, factor: float = 1.0
    ) -> None:
        integers = {
            "source": source.start,
            "source_width": source.width,
            "source_column": first,
            "target": target.start,
            "target_width": target.width,
            "target_column": at,
            "width": width,
            "add": int(add),
        }
        self._instructions.append(Instruction("copy", integers, {"factor": factor}))

    def finish(self, output: Tensor) -> Program:
        """The program whose raw outputs are that tensor."""
        written = {output.start}  # by the loss
        flagged = []
        for instruction in reversed(self._instructions):
            integers = {name: self._placed(value) for name, value in instruction.integers.items()}
            if "source" in integers:
                source = integers["source"]
                integers["add_error"] = -1 if source == self.input.start else int(source in written)
                written.add(source)
            flagged.append(replace(instruction, integers=integers))
        return Program(
            instructions=tuple(reversed(flagged)),
            variables={
                name: Variable(self._placed(place.start), place.shape) for name, place in self._variables.items()
            },
            statistics=self._statistics,
            num_weights=self._weights,
            num_frozen=self._frozen - _FROZEN,
            num_statistics=self._kept,
            input=self.input,
            output=output,
            rows=self._rows,
            arena=self._arena,
        )

    def _placed(self, place: int) -> int:
        """Frozen weights lie behind the trained ones."""
        return place - _FROZEN + self._weights if place >= _FROZEN else place

    def _scaled(self, source: Tensor, target: Tensor, name: str, frozen: Collection[str] = ()) -> dict[str, int]:
        parts = {
            part: self.variable(f"{name}/{part}", source.width, frozen=part in frozen) for part in ("gamma", "beta")
        }
        return {**_pair(source, target), **parts}


def lower(graph: nx.DiGraph, num_features: int, num_outputs: int, rows: int) -> Program:
    """The program of an architecture graph.

    Args:
        graph: see `genomes.architecture.graph`.
        num_features, num_outputs: width of the network's input and output.
        rows: the most rows that go through at a time.
    """
    builder = Builder(num_features, rows)
    held = {0: builder.input}
    if scales_inputs(graph):
        held[0] = builder.scale(builder.merged([(INPUT_RATE, builder.input)]), SCALES.partition("/")[0])
    last = graph.number_of_nodes() - 1
    for node in range(1, last + 1):
        attributes = graph.nodes[node]
        name = "output" if node == last else f"layer_{node}"
        sources = [held[source] for source in sorted(graph.predecessors(node))]
        units = num_outputs if node == last else int(attributes["units"])
        normalization = attributes.get("normalization", "none")
        # Batch normalisation takes any bias away again.
        h = builder.dense(sources, units, name, normalization != "batch", float(attributes["l2"]))
        if node < last:
            if normalization != "none":
                h = (builder.batch_norm if normalization == "batch" else builder.layer_norm)(h, name)
            h = builder.dropout(builder.activation(h, attributes["activation"]), attributes["dropout"], node)
        held[node] = h
    return builder.finish(held[last])


def _packed(places: Mapping[str, Variable], size: int, weights: Weights) -> Vector:
    flat = np.zeros(size, np.float32)
    for name, place in places.items():
        value = np.asarray(weights[name], np.float32)
        if value.shape != place.shape:
            raise ValueError(f"{name} must have the shape {place.shape}, not {value.shape}")
        flat[place.start : place.stop] = value.reshape(-1)
    return flat


def _pair(source: Tensor, target: Tensor) -> dict[str, int]:
    return {"source": source.start, "target": target.start, "width": source.width}
