"""`NetworkRow`: a layer kind in numpy, and functions that several rows use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Attributes",
    "NetworkRow",
    "Parts",
    "Shape",
    "Sources",
    "Weight",
    "keep_identity",
    "only_input",
    "side_by_side",
]

Array = NDArray[Any]
Attributes = Mapping[str, Any]
Parts = Mapping[str, Array]
Shape = tuple[int, ...]
#: Outputs of a node's sources, in ascending order of the nodes, each of shape `(num_rows, *shape)`.
Sources = Sequence[Array]


@dataclass(frozen=True)
class Weight:
    """The description of one weight of a layer.

    Attributes:
        shape: shape of the weight.
        axes: one letter per axis with the axis's meaning, which determines what a child inherits. "i": input channels,
            whose weights are divided among copies of a channel; "c": input channels, whose weights are the same for all
            copies; "o": the layer's units; "r": the layer's units as a recurrent input, whose weights are divided among
            copies; "s": positions in a window, aligned at the centre; "f": anything else, aligned at the first index.
        fill: initial value of all elements, or of each gate's elements; None if the weight is drawn at random.
        fans: `(fan_in, fan_out)` for the initialiser.
        initializer: "uniform" (in [-0.05, 0.05]) or "orthogonal"; "" for the node's initialiser.
        gates: number of gates, which are blocks along the last axis; `axes` has an additional axis for them before it.
    """

    shape: Shape
    axes: str
    fill: float | tuple[float, ...] | None = None
    fans: tuple[int, int] = (1, 1)
    initializer: str = ""
    gates: int = 1

    @property
    def by_gates(self) -> Shape:
        """The shape with an additional axis for the gates, if there are several."""
        return self.shape if self.gates == 1 else (*self.shape[:-1], self.gates, self.shape[-1] // self.gates)


Weights = Callable[[Attributes, Shape, Shape], Mapping[str, Weight]]
Forward = Callable[[Attributes, Parts, Sources, Array | None], tuple[Array, Array | None]]
#: (attributes, initial weights, inputs of a few rows, whether these are non-negative) -> weights with which the layer
#: is the identity; None if there are none.
Identity = Callable[[Attributes, Parts, Array, bool], Mapping[str, Array] | None]

#: (attributes, initial weights, input for the training rows, their mask) -> weights.
Fit = Callable[[Attributes, Parts, Array, Array | None], Mapping[str, Array]]


def no_identity(attributes: Attributes, parts: Parts, inputs: Array, positive: bool) -> None:
    """The `Identity` of layers that cannot be the identity."""


def keep_identity(attributes: Attributes, parts: Parts, inputs: Array, positive: bool) -> Mapping[str, Array] | None:
    """The `Identity` of layers that are the identity with their initial weights."""
    return parts


@dataclass(frozen=True)
class NetworkRow:
    """A layer kind.

    Attributes:
        weights: (attributes, input shape, output shape) -> name -> `Weight`.
        forward: (attributes, weights, sources, mask) -> output and its mask.
        passes: whether its output has the same channels as its input.
        flattens: whether its output has the channels of all positions, position by position.
        sums: whether it adds its sources instead of concatenating them.
        identity: see `Identity`.
        silenced: names of the weights that must be 0 for a zero output; empty if there are none.
        fit: fits some or all weights to the training rows before training; None if there are none to fit. The weights
            of layers that are not frozen (`LayerRow.frozen`) are trained afterwards.
        compiled: whether the native and the population trainer support it; otherwise it is trained by Keras.
    """

    weights: Weights
    forward: Forward
    passes: bool = False
    flattens: bool = False
    sums: bool = False
    identity: Identity = no_identity
    silenced: tuple[str, ...] = ()
    fit: Fit | None = None
    compiled: bool = False


def side_by_side(sources: Sources) -> Array:
    """Concatenates the sources along the last axis."""
    return sources[0] if len(sources) == 1 else np.concatenate(list(sources), axis=-1)


def only_input(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    """The weights of a layer without weights: none."""
    return {}
