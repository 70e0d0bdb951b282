"""`Builder`: builds a `Program` instruction by instruction, and lays out its weights and activations. No numba."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from evonas.networks.forward import EPSILON
from evonas.training.native.kernels.instructions import ACTIVATIONS, Instruction
from evonas.training.native.program import Program, Tensor, Variable
from genomes.architecture.embedding import FREQUENCIES, Embedding

__all__ = ["LEAKY_SLOPE", "MOMENTUM", "Builder"]

#: Keras's default for BatchNormalization.
MOMENTUM = 0.99
#: Offset of frozen weights until the number of trained weights is known.
_FROZEN = 1 << 48
#: Default slope of leaky relu below 0.
LEAKY_SLOPE = 0.2


class Builder:
    """Builds a program, layer by layer.

    Args:
        width: number of features.
        rows: maximum number of rows per pass.
    """

    def __init__(self, width: int, rows: int) -> None:
        self._rows = rows
        self._arena = self._weights = self._kept = 0
        self._variables: dict[str, Variable] = {}
        self._statistics: dict[str, Variable] = {}
        self._instructions: list[Instruction] = []
        self._frozen = _FROZEN
        self.input = self.tensor(width)
        #: Offsets of tensors that need no gradient.
        self._given = {self.input.start}

    def tensor(self, width: int, members: int = 1) -> Tensor:
        """Allocates a tensor of the given width."""
        found = Tensor(self._arena, width, members)
        self._arena += width * members * self._rows
        return found

    def _add(
        self, operation: str, integers: Mapping[str, int], reals: Mapping[str, float] | None = None, members: int = 1
    ) -> None:
        self._instructions.append(Instruction(operation, integers, reals or {}, members))

    def variable(self, name: str, *shape: int, frozen: bool = False) -> int:
        """Allocates weights, trained unless frozen; returns their offset."""
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
        """The product of the concatenated sources with one kernel; weights `name/kernel` and `name/bias`."""
        members = sources[0].members
        target = self.tensor(units, members)
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
            self._add("dense", integers, {"l2": l2}, members)
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
        width, target = source.width, self.tensor(source.width, source.members)
        first = self._kept
        for number, part in enumerate(("moving_mean", "moving_variance")):
            self._statistics[f"{name}/{part}"] = Variable(first + number * width, (width,))
        self._kept += 4 * width  # and two vectors for the backward pass
        integers = self._scale(source, target, name, frozen) | {"statistics": first}
        self._add("batch_norm", integers, {"epsilon": epsilon, "momentum": momentum}, source.members)
        return target

    def layer_norm(self, source: Tensor, name: str, epsilon: float = EPSILON, frozen: Collection[str] = ()) -> Tensor:
        """Layer normalisation; weights `gamma`, `beta`."""
        target, scales = self.tensor(source.width, source.members), self.tensor(1, source.members)
        integers = self._scale(source, target, name, frozen) | {"scales": scales.start}
        self._add("layer_norm", integers, {"epsilon": epsilon}, source.members)
        return target

    def activation(self, source: Tensor, kind: str, slope: float = LEAKY_SLOPE) -> Tensor:
        """An activation, one of `ACTIVATIONS`; "linear" is the source itself."""
        if kind == "linear":
            return source
        target = self.tensor(source.width, source.members)
        integers = {**_pair(source, target), "kind": ACTIVATIONS.index(kind)}
        self._add("activation", integers, {"slope": slope}, source.members)
        return target

    def blend(self, source: Tensor, kind: str, name: str) -> Tensor:
        """Blends the source with its activation by a trained share; weight `name/blend`."""
        change = self.merge([(1.0, self.activation(source, kind)), (-1.0, source)])
        return self.merge([(1.0, source), (1.0, self.scale(change, f"{name}/blend"))])

    def dropout(self, source: Tensor, rate: float, layer: int) -> Tensor:
        """Dropout with the given rate; `layer` numbers its random stream."""
        if not rate:
            return source
        target = self.tensor(source.width, source.members)
        self._add("dropout", {**_pair(source, target), "layer": layer}, {"rate": rate}, source.members)
        return target

    def scale(self, source: Tensor, name: str, bias: str = "") -> Tensor:
        """Multiplies each column by a trained factor, with separate factors for each member; weight `name/scale`.

        Args:
            source: the tensor to multiply.
            name: name of the layer or of the weight itself.
            bias: name of the added weight; none by default.
        """
        target, size = self.tensor(source.width, source.members), source.width * source.members
        shape = (source.width,) if source.members == 1 else (source.members, source.width)
        factors = self.variable(name if "/" in name else f"{name}/scale", *shape)
        offset = self.variable(bias, *shape) if bias else -1
        self._add("scale", {**_pair(source, target), "width": size, "scale": factors, "bias": offset})
        return target

    def repeat(self, source: Tensor, members: int, name: str = "") -> Tensor:
        """Repeats the tensor for each member, multiplied by factors of the named weight, if given."""
        target = self.tensor(source.width, members)
        factors = self.variable(name, members, source.width) if name else -1
        self._add("repeat", {**_pair(source, target), "members": members, "scale": factors})
        return target

    def member_outputs(self, source: Tensor, units: int, name: str) -> Tensor:
        """The product of each member's part with its own kernel; weights `name/kernel` and `name/bias`."""
        members, width = source.members, source.width
        target = self.tensor(units, members)
        kernel = self.variable(f"{name}/kernel", members, width, units)
        bias = self.variable(f"{name}/bias", members, units)
        self._group(source, members * width, 0, width, target, 0, units, members, kernel, width * units, bias)
        return target

    def embed(self, embedding: Embedding) -> list[Tensor]:
        """The input of the first layers: the embedding, then the features that pass through unchanged.

        Weights `waves/kernel` and `waves/bias` for a periodic one, `embedding/kernel` and `embedding/bias`.
        """
        columns, units, fan_in = len(embedding.groups), embedding.units, embedding.fan_in
        if embedding.kind == "periodic":
            waves = self.tensor(columns * FREQUENCIES)
            self._by_column(embedding, waves, *self._column_weights("waves", (columns, FREQUENCIES)), FREQUENCIES)
            waves = self.activation(waves, "cosine")
        shape = (columns, fan_in, units)
        kernel, bias, size = self._column_weights("embedding", shape)
        given = self.tensor(columns * units)
        if embedding.kind == "periodic":
            self._group(waves, waves.width, 0, fan_in, given, 0, units, columns, kernel, size, bias)
            return [given, self.input]
        self._by_column(embedding, given, kernel, bias, size, units)
        rest = [self.gather(embedding.rest)] if embedding.rest else []
        return [self.activation(given, "relu"), *rest]

    def embed_categories(self, embedding: Embedding) -> Tensor:
        """The embeddings of categorical columns; weights `categories/kernel` and `categories/bias`."""
        weights = self._column_weights("categories", (len(embedding.groups), embedding.fan_in, embedding.units))
        given = self.tensor(embedding.width)
        self._by_column(embedding, given, *weights, embedding.units)
        return given

    def _column_weights(self, name: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Offsets of a kernel of that shape and of its bias, and the size of a column's kernel."""
        kernel = self.variable(f"{name}/kernel", *shape)
        return kernel, self.variable(f"{name}/bias", shape[0], shape[-1]), math.prod(shape[1:])

    def _by_column(self, embedding: Embedding, target: Tensor, kernel: int, bias: int, size: int, units: int) -> None:
        """Products of each column's features, column by column, since other features may lie between them."""
        for k, group in enumerate(embedding.groups):
            first, width = group[0], len(group)
            at = kernel + k * size
            if group[-1] - first + 1 == width:
                source, column = self.input, first
            else:
                source, column = self.gather(group), 0
            self._group(source, source.width, column, width, target, k * units, units, 1, at, size, bias + k * units)

    def _group(
        self,
        source: Tensor,
        source_width: int,
        source_column: int,
        inputs: int,
        target: Tensor,
        target_column: int,
        units: int,
        groups: int,
        kernel: int,
        kernel_size: int,
        bias: int,
    ) -> None:
        integers = {
            "source": source.start,
            "source_width": source_width,
            "source_column": source_column,
            "inputs": inputs,
            "target": target.start,
            "target_width": target.width * target.members,
            "target_column": target_column,
            "units": units,
            "groups": groups,
            "kernel": kernel,
            "kernel_size": kernel_size,
            "bias": bias,
        }
        self._add("grouped_dense", integers)

    def softmax(self, source: Tensor) -> Tensor:
        """Softmax of each row."""
        target = self.tensor(source.width)
        self._add("softmax", _pair(source, target))
        return target

    def merge(self, parts: list[tuple[float, Tensor]]) -> Tensor:
        """A weighted sum of tensors of equal width."""
        target = self.tensor(parts[0][1].width, parts[0][1].members)
        for number, (factor, source) in enumerate(parts):
            self._copy(source, 0, target, 0, source.width, number > 0, factor)
        return target

    def concatenate(self, sources: list[Tensor]) -> Tensor:
        """Tensors side by side."""
        target, column = self.tensor(sum(source.width for source in sources), sources[0].members), 0
        for source in sources:
            self._copy(source, 0, target, column, source.width)
            column += source.width
        if all(source.start in self._given for source in sources):
            self._given.add(target.start)
        return target

    def columns(self, source: Tensor, first: int, width: int) -> Tensor:
        """Some columns of the input, which needs no gradient."""
        target = self.tensor(width)
        self._copy(source, first, target, 0, width)
        return target

    def gather(self, columns: Sequence[int]) -> Tensor:
        """Any columns of the input."""
        target = self.tensor(len(columns))
        self._given.add(target.start)
        begin = 0
        for k in range(1, len(columns) + 1):
            if k == len(columns) or columns[k] != columns[k - 1] + 1:  # one copy per contiguous block
                self._copy(self.input, columns[begin], target, begin, k - begin)
                begin = k
        return target

    def penalty(self, name: str, l1: float, l2: float) -> None:
        """Penalties of trained weights in the loss."""
        place = self._variables[name]
        integers = {"weights": place.start, "size": math.prod(place.shape)}
        # Comes first, so that its backward pass runs last, when the gradient to which it adds is complete.
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
        self._add("copy", integers, {"factor": factor}, source.members)

    def finish(self, output: Tensor, num_outputs: int | None = None) -> Program:
        """Returns the program with this tensor as raw output or, if `num_outputs` is given, as representation."""
        written = {output.start}  # by the loss
        flagged = []
        for instruction in reversed(self._instructions):
            integers = {name: self._relocate(value) for name, value in instruction.integers.items()}
            if "source" in integers:
                source = integers["source"]
                integers["add_error"] = -1 if source in self._given else int(source in written)
                written.add(source)
            flagged.append(replace(instruction, integers=integers))
        return Program(
            instructions=tuple(reversed(flagged)),
            variables={
                name: Variable(self._relocate(place.start), place.shape) for name, place in self._variables.items()
            },
            statistics=self._statistics,
            num_weights=self._weights,
            num_frozen=self._frozen - _FROZEN,
            num_statistics=self._kept,
            input=self.input,
            output=output,
            rows=self._rows,
            arena=self._arena,
            num_outputs=output.width if num_outputs is None else num_outputs,
            finds_neighbours=num_outputs is not None,
        )

    def _relocate(self, offset: int) -> int:
        """Moves frozen weights behind the trained ones."""
        return offset - _FROZEN + self._weights if offset >= _FROZEN else offset

    def _scale(self, source: Tensor, target: Tensor, name: str, frozen: Collection[str] = ()) -> dict[str, int]:
        parts = {
            part: self.variable(f"{name}/{part}", source.width, frozen=part in frozen) for part in ("gamma", "beta")
        }
        return {**_pair(source, target), **parts}


def _pair(source: Tensor, target: Tensor) -> dict[str, int]:
    return {"source": source.start, "target": target.start, "width": source.width}
