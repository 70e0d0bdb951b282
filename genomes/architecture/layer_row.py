"""`LayerRow`: a layer kind as the architecture graph sees it, and the functions that rows share.

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

#: Normalization -> number of trained vectors of a layer: a bias (except with batch normalisation), gamma and beta.
VECTORS: Mapping[str, int] = MappingProxyType({"none": 1, "batch": 2, "layer": 3})

#: Attributes that affect training only; networks that differ in these compute the same function with equal weights.
_OF_TRAINING = ("dropout", "initializer", "l2")


def concatenate_shapes(shapes: Sequence[Shape]) -> Shape:
    """The shape of outputs concatenated along the last axis. Raises InputError if the other axes differ."""
    if len({shape[:-1] for shape in shapes}) > 1:
        raise InputError(f"must be given outputs that differ in their last axis only, not {_list(shapes)}")
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def same_shape(attributes: Attributes, taken: Shape) -> Shape:
    """The output shape of a layer that keeps its input shape."""
    return taken


def no_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    """Number of parameters of a layer without weights."""
    return 0


no_flops = no_parameters


def needs_rank(taken: Shape, *ranks: int) -> None:
    """Raises InputError unless the rank of the shape is one of `ranks`."""
    if len(taken) not in ranks:
        names = {1: "(units)", 2: "(steps, channels)", 3: "(height, width, channels)"}
        raise InputError(f"must be given {' or '.join(names[rank] for rank in sorted(ranks))}, not {_text(taken)}")


def _accept_all(attributes: Attributes) -> str | None:
    return None


@dataclass(frozen=True)
class LayerRow:
    """A kind of layer.

    Attributes:
        attributes: name -> valid values, in the order of serialisation.
        shape: (attributes, input shape) -> output shape. Raises InputError with a message starting with "must be
            given".
        parameters: (attributes, input shape, output shape) -> number of trained parameters.
        flops: same arguments -> floating-point operations of matrix products for one sample, counting a multiply-add as
            two. Elementwise work (activation, normalisation, pooling) is not counted.
        label: attributes -> short description for drawings.
        off: attribute -> default value, at which it is left out of graphs; all other attributes are required.
        shaped: whether it takes samples with several axes. A network without such layers takes flat samples.
        merge: shapes of the sources -> input shape.
        member_parameters: `parameters` of a node that is computed for several members (`genomes.architecture.members`);
            None if the kind does not support members.
        moving: number of stored values that are not trained; arguments as `parameters`.
        settle: attributes -> the attributes that have an effect.
        check: attributes -> error message for an invalid combination, or None.
        frozen: whether its weights are fitted to the training rows before training and then fixed.
        written_as_real: attributes whose integers are written as floats in the canonical form, for compatibility.
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
    check: Callable[[Attributes], str | None] = _accept_all
    frozen: bool = False
    written_as_real: tuple[str, ...] = ()

    @property
    def builds(self) -> tuple[str, ...]:
        """Attributes that determine the function computed from given weights."""
        return tuple(name for name in self.attributes if name not in _OF_TRAINING)


def details(first: str, attributes: Attributes) -> str:
    """A label followed by normalisation, dropout and l2, if any."""
    parts = [first]
    if attributes.get("normalization", "none") != "none":
        parts.append(f"{attributes['normalization']} normalization")
    parts += [f"{name} {attributes[name]:g}" for name in ("dropout", "l2") if attributes.get(name)]
    return ", ".join(parts)


def moving_averages(attributes: Attributes, taken: Shape, given: Shape) -> int:
    """Number of moving averages: mean and variance of each channel, with batch normalisation."""
    return 2 * given[-1] if attributes.get("normalization") == "batch" else 0


def positions_in(shape: Shape) -> int:
    """Number of positions (pixels or steps) of an output with channels on its last axis."""
    return math.prod(shape[:-1])


def _text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))})"


def _list(shapes: Sequence[Shape]) -> str:
    return " and ".join(map(_text, shapes))
