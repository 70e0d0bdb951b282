"""What a layer kind is to an architecture graph: one `LayerRow`, and what rows are made of.

Shapes are those of one sample, without the batch: `(units,)`, `(steps, channels)` or `(height, width, channels)`.
Imports the standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from genomes.architecture.members import NodeMembers
from genomes.checks import Readable
from genomes.errors import InputError

__all__ = [
    "VECTORS",
    "Attributes",
    "LayerRow",
    "Shape",
    "concatenate_shapes",
    "details",
    "moving_averages",
    "needs_rank",
    "no_flops",
    "no_parameters",
    "positions_in",
    "same_shape",
]

Attributes = Mapping[str, Any]
Shape = tuple[int, ...]

#: Normalization -> trained vectors of a layer: a bias, unless a batch's mean takes it away again; gamma and beta.
VECTORS: Mapping[str, int] = MappingProxyType({"none": 1, "batch": 2, "layer": 3})

#: Attributes that act in training only: networks that differ in them compute the same of the same weights.
_OF_TRAINING = ("dropout", "initializer", "l2")


def concatenate_shapes(shapes: Sequence[Shape]) -> Shape:
    """The shape of several outputs side by side along the last axis. Raises InputError where they do not fit."""
    if len({shape[:-1] for shape in shapes}) > 1:
        raise InputError(f"must be given outputs that differ in their last axis only, not {_list(shapes)}")
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def same_shape(attributes: Attributes, taken: Shape) -> Shape:
    """The output shape of a layer that changes no shape."""
    return taken


def no_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    """Of a layer without weights."""
    return 0


no_flops = no_parameters


def needs_rank(taken: Shape, *ranks: int) -> None:
    """Raises InputError unless the shape has one of these numbers of axes."""
    if len(taken) not in ranks:
        names = {1: "(units)", 2: "(steps, channels)", 3: "(height, width, channels)"}
        raise InputError(f"must be given {' or '.join(names[rank] for rank in sorted(ranks))}, not {_text(taken)}")


def _nothing_wrong(attributes: Attributes) -> str | None:
    return None


@dataclass(frozen=True)
class LayerRow:
    """A kind of layer.

    Attributes:
        attributes: name -> what it may hold, in the order in which they are written.
        shape: attributes and the shape taken -> the output's shape. Raises InputError, saying what the layer "must be
            given".
        parameters: attributes, the shape taken and the output's -> trained numbers.
        flops: the same -> floating-point operations for one sample, in products and their sums; a multiplication and an
            addition are two. Work that is done once an output (activation, normalisation, pooling) is not counted.
        label: attributes -> a few words for a drawing.
        off: attribute -> the value at which it is left out of a graph; what is not here has to be given.
        shaped: whether it takes samples with several axes. A network without such layers takes flat ones.
        merge: shapes of the sources -> the shape taken.
        member_parameters: `parameters` of a node that is computed for several members (`genomes.architecture.members`);
            None where the kind cannot be.
        moving: numbers a layer holds that are not trained, as `parameters`.
        settle: attributes that were read -> those that do something.
        check: attributes -> what is wrong with them together, None if nothing is.
        frozen: whether its weights are fitted to the training rows before training, and then stay; a network that begins
            with such a layer gives it each row once.
        written_as_real: attributes whose whole numbers the canonical form writes as reals, as it always has.
    """

    attributes: Mapping[str, Readable]
    shape: Callable[[Attributes, Shape], Shape]
    parameters: Callable[[Attributes, Shape, Shape], int]
    flops: Callable[[Attributes, Shape, Shape], int]
    label: Callable[[Attributes], str]
    off: Mapping[str, Any] = field(default_factory=dict)
    shaped: bool = True
    merge: Callable[[Sequence[Shape]], Shape] = concatenate_shapes
    member_parameters: Callable[[Attributes, Shape, Shape, NodeMembers], int] | None = None
    moving: Callable[[Attributes, Shape, Shape], int] = no_parameters
    settle: Callable[[dict[str, Any]], dict[str, Any]] = dict
    check: Callable[[Attributes], str | None] = _nothing_wrong
    frozen: bool = False
    written_as_real: tuple[str, ...] = ()

    @property
    def builds(self) -> tuple[str, ...]:
        """Attributes that decide what is computed of given weights."""
        return tuple(name for name in self.attributes if name not in _OF_TRAINING)


def details(first: str, attributes: Attributes) -> str:
    """A label: what the layer is, then normalisation and what acts in training where they are there."""
    parts = [first]
    if attributes.get("normalization", "none") != "none":
        parts.append(f"{attributes['normalization']} normalization")
    parts += [f"{name} {attributes[name]:g}" for name in ("dropout", "l2") if attributes.get(name)]
    return ", ".join(parts)


def moving_averages(attributes: Attributes, taken: Shape, given: Shape) -> int:
    """Mean and variance a channel of a layer with batch normalisation."""
    return 2 * given[-1] if attributes.get("normalization") == "batch" else 0


def positions_in(shape: Shape) -> int:
    """Places of an output with channels on its last axis: pixels or steps."""
    return math.prod(shape[:-1])


def _text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))})"


def _list(shapes: Sequence[Shape]) -> str:
    return " and ".join(map(_text, shapes))
