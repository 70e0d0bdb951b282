"""User-defined layer kinds: a `LayerKind` combines the three rows that built-in kinds have in separate tables.

They are passed to `evonas.search(layer_kinds=...)`, or installed as entry points named after the kind::

    [project.entry-points."evonas.layer_kinds"]
    depthwise = "my_package.layers:DEPTHWISE"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from genomes.architecture.layer_row import LayerRow
from genomes.errors import InputError
from genomes.extensions import Extensions, path_of

__all__ = ["LAYER_KINDS_FROM_OUTSIDE", "LayerKind"]


@dataclass(frozen=True)
class LayerKind:
    """A user-defined kind of layer.

    Attributes:
        name: the kind's name in graphs; an identifier.
        layer: attributes, shapes, costs and label of the kind.
        network: an `evonas.networks.layer_row.NetworkRow` with the weights and the forward pass in numpy.
        keras: function that builds the Keras layers, `(node, sources) -> (output, mask)`, as in
            `evonas.training.layers`. It should import Keras when called, and use built-in Keras layers only, so that
            exported models open in plain Keras.
        keras_layers: for each Keras class that only this kind uses, a function `(settings, source shapes, other
            arguments) -> (shape, number of weights)`, which validates an exported file before it is opened; see
            `evonas.training.export.layered_file`.
    """

    name: str
    layer: LayerRow
    network: Any
    keras: Callable[..., Any]
    keras_layers: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            raise InputError(f"name of a layer kind must be a word, not {self.name!r:.80}: choose letters and _")
        if not isinstance(self.layer, LayerRow):
            raise InputError(f"layer of the kind {self.name} must be a LayerRow, not {type(self.layer).__name__}")
        if not callable(getattr(self.network, "forward", None)):
            raise InputError(
                f"network of the kind {self.name} must be a NetworkRow, not {type(self.network).__name__}: see "
                "evonas.networks.layer_row"
            )
        if not callable(self.keras) or not path_of(self.keras):
            raise InputError(f"keras of the kind {self.name} must be a function that builds it, not {self.keras!r:.80}")


def _kind(value: Any, what: str) -> LayerKind:
    if not isinstance(value, LayerKind):
        raise InputError(f"{what} must be a genomes.architecture.LayerKind, not {type(value).__name__}: make one")
    return value


LAYER_KINDS_FROM_OUTSIDE: Extensions[LayerKind] = Extensions("layer kind", "layer kinds", "evonas.layer_kinds", _kind)
