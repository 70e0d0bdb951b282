"""`NetworkRow`: a layer kind in numpy, and the functions that rows share."""

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
#: Outputs of a node's sources, ascending, each `(num_rows, *shape)`, and the mask of their steps, if any.
Sources = Sequence[Array]


@dataclass(frozen=True)
class Weight:
    """One array of a layer.

    Attributes:
        shape: of it.
        axes: a letter an axis, which says what its places stand for, so that a child inherits what it can: "i"
            channels of the input, which copies share out; "c" channels of the input, which copies have alike; "o" units
            of its own, "r" the same where they are taken in again, which copies share out; "s" places of a window,
            centred; "f" anything else, from the first on.
        fill: what all numbers of it begin with, or those of each gate, if it is not drawn.
        fans: `(fan_in, fan_out)` of the node's initialiser.
        initializer: "uniform" (within 0.05) or "orthogonal", where it is drawn otherwise than the node says.
        gates: blocks side by side on the last axis, which for `axes` count as one axis more before it.
    """

    shape: Shape
    axes: str
    fill: float | tuple[float, ...] | None = None
    fans: tuple[int, int] = (1, 1)
    initializer: str = ""
    gates: int = 1

    @property
    def by_gates(self) -> Shape:
        """The shape with an axis for the gates, if it has several."""
        return self.shape if self.gates == 1 else (*self.shape[:-1], self.gates, self.shape[-1] // self.gates)


Weights = Callable[[Attributes, Shape, Shape], Mapping[str, Weight]]
Forward = Callable[[Attributes, Parts, Sources, Array | None], tuple[Array, Array | None]]
#: (attributes, initial weights, inputs of a few rows, whether these are non-negative) -> weights with which the layer
#: is the identity; None if there are none.
Identity = Callable[[Attributes, Parts, Array, bool], Mapping[str, Array] | None]

#: Of attributes, initial weights, what the layer takes in of the training rows, and their mask: its weights.
Fit = Callable[[Attributes, Parts, Array, Array | None], Mapping[str, Array]]


def no_identity(attributes: Attributes, parts: Parts, inputs: Array, positive: bool) -> None:
    """For layers that cannot be the identity."""


def keep_identity(attributes: Attributes, parts: Parts, inputs: Array, positive: bool) -> Mapping[str, Array] | None:
    """For layers that are the identity with their initial weights."""
    return parts


@dataclass(frozen=True)
class NetworkRow:
    """A kind of layer.

    Attributes:
        weights: (attributes, input shape, output shape) -> name -> `Weight`.
        forward: (attributes, weights, sources, mask) -> output and its mask.
        passes: whether its output has the same channels as its input.
        flattens: whether its output has the channels of all positions, position by position.
        sums: whether it adds its sources instead of concatenating them.
        identity: see `Identity`.
        silenced: names of the weights that must be 0 for a zero output; empty if there are none.
        fit: fits some or all weights to the training rows before training; None for none. Of a layer that is not frozen
            (`LayerRow.frozen`), the others are trained.
        compiled: whether the native and the population trainer support it; otherwise Keras trains it.
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
    """The sources along the last axis."""
    return sources[0] if len(sources) == 1 else np.concatenate(list(sources), axis=-1)


def only_input(attributes: Attributes, taken: Shape, given: Shape) -> Mapping[str, Weight]:
    """Of a layer without weights."""
    return {}
