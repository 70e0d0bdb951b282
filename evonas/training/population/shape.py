"""`ProgramShape`: the static properties of a compiled program. No Keras: the planner and its tests do not need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["MIXED", "ProgramShape", "node_name", "shape_from_json"]

#: The view of a program whose networks see different features: it takes all features and masks those that a network
#: does not see.
MIXED = "mixed"


@dataclass(frozen=True)
class ProgramShape:
    """The static properties of a program: groups with equal shapes share one compilation.

    Attributes:
        slots: networks trained side by side.
        num_features, num_outputs: width of the input and of the output.
        loss: "mse", "mae", "huber", "binary" or "multiclass".
        widths: padded units of each hidden layer.
        edges: (source, node) pairs, sorted; 0 is the input, `len(widths) + 1` the output.
        rows: rows of the largest batch.
        steps: maximum number of steps per epoch.
        epochs: maximum number of epochs per call.
        chunks: number of chunks of `chunk_rows` rows in which validation rows are evaluated.
        batch_norm, layer_norm, dropout, penalised: whether any network has it (penalised: an L2 penalty).
        saturating, smooth, gaussian, mish: terms of the activations' formula that are needed, see `activations.py`.
        first_moment, second_moment: whether any network's optimizer keeps the moment.
        weighted: whether rows have weights.
        mixed_edges: whether some network lacks some edge.
        precision: dtype of matrix products, "float32" or "bfloat16".
        view: the features that its networks see, see `evonas.data.prepared.Problem.view`; or `MIXED`.
    """

    slots: int
    num_features: int
    num_outputs: int
    loss: str
    widths: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    rows: int
    steps: int
    epochs: int
    chunks: int
    chunk_rows: int
    batch_norm: bool = False
    layer_norm: bool = False
    dropout: bool = False
    penalised: bool = False
    saturating: bool = False
    smooth: bool = False
    gaussian: bool = False
    mish: bool = False
    first_moment: bool = False
    second_moment: bool = False
    weighted: bool = False
    mixed_edges: bool = False
    precision: str = "float32"
    view: str = "standard"

    @property
    def normalized(self) -> bool:
        """Whether any network has normalisation."""
        return self.batch_norm or self.layer_norm

    @property
    def output(self) -> int:
        """Number of the output node."""
        return len(self.widths) + 1

    def sources(self, node: int) -> tuple[int, ...]:
        """Nodes concatenated by `node`, ascending."""
        return tuple(source for source, target in self.edges if target == node)

    def width(self, node: int) -> int:
        """Padded width of a node's output."""
        return (self.num_features, *self.widths, self.num_outputs)[node]


def node_name(node: int, output: int) -> str:
    """Name of a node in the names of weights."""
    return "output" if node == output else f"layer_{node}"


def shape_from_json(value: Mapping[str, Any]) -> ProgramShape:
    """Restores the shape from `dataclasses.asdict` after a round trip through JSON.

    Raises:
        KeyError, TypeError, ValueError: the value is not a shape.
    """
    widths = tuple(int(width) for width in value["widths"])
    edges = tuple((int(source), int(node)) for source, node in value["edges"])
    return ProgramShape(**{**value, "widths": widths, "edges": edges})
