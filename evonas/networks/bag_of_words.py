"""The bag-of-words layer in numpy: embeddings weighted by inverse document frequencies fitted to training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.networks.layer_row import Attributes, NetworkRow, Parts, Shape, Sources, Weight, side_by_side
from genomes.architecture.bag_layers import table_sizes

__all__ = ["BAG_OF_WORDS", "FIRST_KNOWN", "HASH_FACTOR", "LENGTH", "part_name"]

Array = NDArray[Any]

#: The bucket of a pair of words is `(first * HASH_FACTOR + second) % buckets`. Odd, so that equal second words spread
#: evenly.
HASH_FACTOR = 40_503
#: Norm of the vector of a text's factors: of 1, 3 and 10, this one overfits least at the learning rates of other
#: layers.
LENGTH = 3.0
#: Smallest id of a known word; 0 is padding and 1 an unknown word.
FIRST_KNOWN = 2
#: Largest number of rows in which document frequencies are counted.
_MOST_ROWS = 20_000


def part_name(table: str, part: str) -> str:
    """Name of the weight with a table's vectors, or with its inverse document frequencies ("rarity")."""
    return f"{table}_embeddings" if part == "vectors" else f"{table}_{part}_embeddings"


def _weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    found = {}
    for table, rows in table_sizes(attributes, input_shape[0]).items():
        found[part_name(table, "vectors")] = Weight((rows, int(attributes["units"])), "fo", initializer="uniform")
        found[part_name(table, "rarity")] = Weight((rows, 1), "ff", 1.0)
    return found


def _ids(attributes: Attributes, x: Array) -> dict[str, NDArray[np.int64]]:
    """Table -> ids `(num_rows, steps)` of the words or pairs in each text.

    Ids below `FIRST_KNOWN` in the table of words, and id 0 in that of pairs, have no effect.
    """
    ids = x[:, : int(attributes["length"])].astype(np.int64)
    ids = np.where(ids < int(attributes["vocabulary"]), ids, 1)
    found = {"words": ids}
    if "pairs" in table_sizes(attributes, x.shape[1]):
        buckets = int(attributes["buckets"])
        first, second = ids[:, :-1], ids[:, 1:]
        hashed = (first * HASH_FACTOR + second) % buckets + 1
        found["pairs"] = np.where(np.minimum(first, second) >= FIRST_KNOWN, hashed, 0)
    return found


def _forward(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, None]:
    x = side_by_side(sources)
    total: Any = 0.0
    squares: Any = 0.0
    for table, ids in _ids(attributes, x).items():
        factors = parts[part_name(table, "rarity")][ids][..., 0]
        total = total + np.einsum("ntu,nt->nu", parts[part_name(table, "vectors")][ids], factors)
        squares = squares + (factors * factors).sum(axis=1, keepdims=True)
    return total * x.dtype.type(LENGTH) / np.sqrt(np.maximum(squares, x.dtype.type(1e-6))), None


def _fit(attributes: Attributes, parts: Parts, x: Array, mask: Array | None) -> dict[str, Array]:
    """The initial weights with inverse document frequencies from some training rows; 0 for ids without an effect."""
    found = {name: np.array(value, np.float32) for name, value in parts.items()}
    some = x[:: max(1, -(-len(x) // _MOST_ROWS))]
    for table, ids in _ids(attributes, np.asarray(some)).items():
        rarity = found[part_name(table, "rarity")]
        ordered = np.sort(ids, axis=1)
        first = np.ones_like(ordered, bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        counts = np.bincount(ordered[first], minlength=len(rarity))
        rarity[:, 0] = np.log((1.0 + len(ids)) / (1.0 + counts)) + 1.0
        rarity[: FIRST_KNOWN if table == "words" else 1] = 0.0
    return found


BAG_OF_WORDS = NetworkRow(_weights, _forward, fit=_fit)
