"""Row of the bag of words: the sum of the vectors of a text's words and word pairs, weighted by how rare they are.

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

#: Of the vocabulary of a bag, since the hash of two ids has to stay below 2 ** 31.
MOST_WORDS = 1 << 15


def table_sizes(attributes: Attributes, steps: int) -> dict[str, int]:
    """Name of each table of vectors -> its rows: words, and hashed word pairs behind a row for none.

    Args:
        attributes: of the layer.
        steps: ids of a text; of one there are no pairs.

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


#: The sum of the embeddings of the words among the first `length`, and of the hashes of two neighbours if there are
#: `buckets`, each times its inverse document frequency among the training rows, divided by the Euclidean length of
#: these factors. Ids at or above `vocabulary` are unknown words, which count 0. Dropout leaves out words.
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
