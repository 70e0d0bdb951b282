"""The layer row of the bag of words: the sum of a text's word and word-pair vectors, weighted by their rarity.

References:
    Spärck Jones, "A statistical interpretation of term specificity and its application in retrieval", Journal of
        Documentation 28, 1972: inverse document frequency.
    Wang and Manning, "Baselines and bigrams: simple, good sentiment and topic classification", ACL 2012.
    Joulin, Grave, Bojanowski and Mikolov, "Bag of tricks for efficient text classification", EACL 2017, 1607.01759:
        hashed bigrams, and a linear classifier of low rank.
"""

from __future__ import annotations

from genomes.architecture.layer_row import Attributes, LayerRow, Shape, details, needs_rank
from genomes.architecture.options import LAYER_KINDS, MAX_UNITS
from genomes.checks import Whole

__all__ = ["BAG_OF_WORDS", "MOST_WORDS", "table_sizes"]

#: Largest vocabulary of a bag, since the hash of two ids must stay below 2 ** 31.
MOST_WORDS = 1 << 15


def table_sizes(attributes: Attributes, steps: int) -> dict[str, int]:
    """Number of rows of each embedding table, by name: words, and hashed word pairs after a row for "no pair".

    Args:
        attributes: the layer's attributes.
        steps: number of ids of a text; a single id forms no pair.

    Example:
        >>> bag = {"vocabulary": 100, "length": 20, "buckets": 64}
        >>> table_sizes(bag, 30), table_sizes(bag, 1), table_sizes({**bag, "buckets": 0}, 30)
        ({'words': 100, 'pairs': 65}, {'words': 100}, {'words': 100})
    """
    pairs = int(attributes["buckets"]) if min(steps, attributes["length"]) > 1 else 0
    return {"words": int(attributes["vocabulary"]), **({"pairs": pairs + 1} if pairs else {})}


def _shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 1)
    return (int(attributes["units"]),)


def _rows(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return sum(table_sizes(attributes, taken[0]).values())


def _label(attributes: Attributes) -> str:
    pairs = f" and {attributes['buckets']} buckets of word pairs" if attributes["buckets"] else ""
    return details(f"bag of {attributes['vocabulary']} words{pairs} to {attributes['units']} units", attributes)


#: The sum of the embeddings of the first `length` words and, if there are `buckets`, of the hashed pairs of adjacent
#: words, each times its inverse document frequency among the training rows, divided by the Euclidean norm of these
#: weights. Ids at or above `vocabulary` are unknown words, which have weight 0. Dropout drops whole words.
BAG_OF_WORDS = LayerRow(
    attributes={
        "vocabulary": Whole(2, MOST_WORDS),
        "length": Whole(1, 1 << 16),
        "buckets": Whole(0, 1 << 20),
        "units": Whole(1, MAX_UNITS),
        "dropout": LAYER_KINDS["dropout"],
    },
    shape=_shape,
    parameters=lambda attributes, taken, given: _rows(attributes, taken, given) * int(attributes["units"]),
    flops=lambda attributes, taken, given: (
        2 * min(int(attributes["length"]), taken[0]) * len(table_sizes(attributes, taken[0])) * given[0]
    ),
    label=_label,
    moving=_rows,
    shaped=False,
)
