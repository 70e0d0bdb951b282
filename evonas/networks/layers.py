"""The table of layer kinds in numpy, one row each: weights, forward pass and inheritance.

Nothing else in `evonas.networks` refers to a kind by name. Kinds are described in `genomes.architecture.layers` and
trained by `evonas.training.layers`. Weights have the names and shapes of the Keras variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from evonas.networks.bag_of_words import BAG_OF_WORDS
from evonas.networks.layer_row import NetworkRow
from evonas.networks.random_convolutions import RANDOM_CONVOLUTIONS
from evonas.networks.sequence_rows import ATTENTION, POSITIONS, RECURRENT, TOKENS
from evonas.networks.spatial_rows import (
    ADD,
    CONV,
    DENSE,
    FLATTEN,
    GLOBAL_POOL,
    NORMALIZE,
    POOL,
    SQUEEZE_EXCITE,
)
from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE

__all__ = ["LAYERS", "can_be_compiled", "network_row"]

#: Kind of a node -> its row.
LAYERS: Mapping[str, NetworkRow] = MappingProxyType(
    {
        "dense": DENSE,
        "output": DENSE,
        "conv": CONV,
        "pool": POOL,
        "global_pool": GLOBAL_POOL,
        "flatten": FLATTEN,
        "add": ADD,
        "squeeze_excite": SQUEEZE_EXCITE,
        "normalize": NORMALIZE,
        "recurrent": RECURRENT,
        "attention": ATTENTION,
        "positions": POSITIONS,
        "tokens": TOKENS,
        "random_convolutions": RANDOM_CONVOLUTIONS,
        "bag_of_words": BAG_OF_WORDS,
    }
)


def can_be_compiled(kinds: Iterable[str]) -> bool:
    """Whether the native and the population trainer support networks with these layer kinds.

    >>> can_be_compiled(["dense"]), can_be_compiled(["conv", "dense"])
    (True, False)
    """
    return all(network_row(kind).compiled for kind in kinds)


def network_row(kind: str) -> NetworkRow:
    """The row of a kind, built in or user-defined.

    Raises:
        InputError: there is no such kind, neither registered nor installed.
    """
    if kind in LAYERS:
        return LAYERS[kind]
    row: NetworkRow = LAYER_KINDS_FROM_OUTSIDE.get(kind).network
    return row
