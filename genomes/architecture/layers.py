"""The layer kinds of an architecture graph, one row each. Nothing else in `genomes` refers to a kind by name.

Each kind has a row in two more tables: its weights and forward pass (`evonas.networks.layers`), and its Keras layers
(`evonas.training.layers`). The names and bounds re-exported here are defined in `genomes.architecture.options`. Imports
the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from genomes.architecture.bag_layers import BAG_OF_WORDS
from genomes.architecture.flat_layers import DENSE, INPUT, OUTPUT
from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE
from genomes.architecture.layer_row import Attributes, LayerRow, Shape
from genomes.architecture.options import (
    ACTIVATIONS,
    ADAPTERS,
    CELLS,
    EMBEDDED_NUMERIC_ENCODINGS,
    EMBEDDINGS,
    INITIALIZERS,
    INPUT_KINDS,
    LAYER_KINDS,
    MAX_KERNEL,
    MAX_LAYERS,
    MAX_MEMBERS,
    MAX_NODES,
    MAX_UNITS,
    MEMBER_STARTS,
    NORMALIZATIONS,
    NUMERIC_ENCODINGS,
    OFF,
    OPTIMIZERS,
    OUTPUT_KINDS,
    OUTPUTS,
    POOLINGS,
    POSITIONS,
    SCHEDULES,
    SWITCHED,
    TRAINING_KINDS,
)
from genomes.architecture.random_layers import RANDOM_CONVOLUTIONS
from genomes.architecture.sequence_layers import ATTENTION, POSITION, RECURRENT, TOKENS
from genomes.architecture.spatial_layers import (
    ADD,
    CONV,
    FLATTEN,
    GLOBAL_POOL,
    NORMALIZE,
    POOL,
    SQUEEZE_EXCITE,
    kernel_of,
)

__all__ = [
    "ACTIVATIONS",
    "ADAPTERS",
    "CELLS",
    "EMBEDDED_NUMERIC_ENCODINGS",
    "EMBEDDINGS",
    "INITIALIZERS",
    "INPUT_KINDS",
    "LAYERS",
    "LAYER_KINDS",
    "MAX_KERNEL",
    "MAX_LAYERS",
    "MAX_MEMBERS",
    "MAX_NODES",
    "MAX_UNITS",
    "MEMBER_STARTS",
    "NORMALIZATIONS",
    "NUMERIC_ENCODINGS",
    "OFF",
    "OPTIMIZERS",
    "OUTPUTS",
    "OUTPUT_KINDS",
    "POOLINGS",
    "POSITIONS",
    "SCHEDULES",
    "SWITCHED",
    "TRAINING_KINDS",
    "Attributes",
    "LayerRow",
    "Shape",
    "has_frozen_layers",
    "is_kind",
    "kernel_of",
    "may_find_neighbours",
    "row_of",
]

#: Kind of a hidden node -> its row.
LAYERS: Mapping[str, LayerRow] = MappingProxyType(
    {
        "dense": DENSE,
        "conv": CONV,
        "pool": POOL,
        "global_pool": GLOBAL_POOL,
        "flatten": FLATTEN,
        "add": ADD,
        "squeeze_excite": SQUEEZE_EXCITE,
        "normalize": NORMALIZE,
        "recurrent": RECURRENT,
        "attention": ATTENTION,
        "positions": POSITION,
        "tokens": TOKENS,
        "random_convolutions": RANDOM_CONVOLUTIONS,
        "bag_of_words": BAG_OF_WORDS,
    }
)

_ROWS = {**LAYERS, "input": INPUT, "output": OUTPUT}


def row_of(attributes: Mapping[str, Any]) -> LayerRow:
    """The row of a node (also of the input or the output) by its "kind".

    Raises:
        InputError: the kind is neither built in, nor passed to the search, nor installed.
    """
    kind = attributes["kind"]
    return _ROWS[kind] if kind in _ROWS else LAYER_KINDS_FROM_OUTSIDE.get(kind, _ROWS).layer


def has_frozen_layers(space: Any) -> bool:
    """Whether networks of a space may have layers that are fitted to the training rows and then frozen."""
    return any(row_of({"kind": kind}).frozen for kind in getattr(space, "layer_kinds", ()))


def may_find_neighbours(space: Any) -> bool:
    """Whether networks of a space may predict from learned neighbours."""
    output = getattr(space, "output", None)
    return output is not None and bool(output.contains("neighbours"))


def is_kind(kind: Any) -> bool:
    """Whether this is the name of a kind of hidden node: built in, passed to the search, or installed."""
    return isinstance(kind, str) and (kind in LAYERS or LAYER_KINDS_FROM_OUTSIDE.find(kind, _ROWS) is not None)
