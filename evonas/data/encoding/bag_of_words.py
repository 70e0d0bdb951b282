"""`BagOfWords`: free text as TF-IDF weights of words.

Texts are tokenised like Keras's `TextVectorization` with `standardize="lower_and_strip_punctuation"` and
`split="whitespace"`, byte by byte: A to Z are lower-cased, ASCII punctuation is removed, ASCII white space separates
words. All other characters are unchanged, so both find the same words in any script.

Source: inverse document frequency: Spärck Jones 1972, A statistical interpretation of term specificity.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import texts
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PUNCTUATION", "BagOfWords", "fit_bag_of_words", "words_of"]

#: Maximum number of words of one column with a feature: those that occur in the most rows.
MOST_WORDS = 256
#: Minimum number of rows in which a word must occur.
LEAST_ROWS = 2
#: Characters that are removed.
PUNCTUATION = b"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"


@dataclass(frozen=True)
class BagOfWords:
    """Features of a column of free text: one per known word, 0 if it does not occur.

    If the word occurs, the feature is its weight, divided by the Euclidean norm of the row's weights and multiplied by
    `scale`, so that long texts have no more influence than short ones. Unknown words and missing texts contribute
    nothing.

    Attributes:
        column: name of the raw column.
        words: known words, in the order of the features.
        weights: inverse document frequencies of the words, > 0.
        scale: Euclidean norm of each row's features, > 0, such that the features of a typical text are about 1.
        form: type of the raw column as input of a model.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    column: str
    words: tuple[str, ...]
    weights: tuple[float, ...]
    scale: float
    form: Literal["text"] = "text"

    def __post_init__(self) -> None:
        numbers = [*self.weights, self.scale]
        whole = all(words_of(word) == [word] for word in self.words) and len(set(self.words)) == len(self.words)
        if not whole or not self.words or len(self.words) != len(self.weights) or not _are_positive(numbers):
            raise InputError(
                f"words of {self.column!r} must be different words with a finite weight > 0 each, not "
                f"{self.words!r:.80}: the preparation was not written by evonas or is damaged"
            )

    def names(self) -> list[str]:
        """Names of the features."""
        return [f"{self.column}:{word}" for word in self.words]

    def encode(self, series: pd.Series[Any]) -> NDArray[np.float64]:
        """The features of raw cells, shape `(num_samples, len(names()))`."""
        indices = {word: index for index, word in enumerate(self.words)}
        rows: list[int] = []
        columns: list[int] = []
        for row, cell in enumerate(texts(series)):
            found = {indices[word] for word in words_of(cell or "") if word in indices}
            columns += found
            rows += [row] * len(found)
        values = np.zeros((len(series), len(self.words)))
        values[rows, columns] = np.array(self.weights)[columns]
        lengths = np.sqrt((values**2).sum(axis=1, keepdims=True))
        lengths[lengths == 0] = 1.0
        return np.asarray(values / lengths * self.scale)


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    return [word.decode() for word in text.encode().lower().translate(None, PUNCTUATION).split()]


def fit_bag_of_words(column: str, cells: Sequence[str | None], known: Sequence[str | None]) -> BagOfWords:
    """Chooses and weighs words.

    Args:
        column: name of the column.
        cells: cells of the training rows, which determine the weights.
        known: cells of the rows that determine the set of features.

    Raises:
        InputError: no word occurs in `LEAST_ROWS` rows of `known`.
    """
    found = _counts(known)
    # Ties are broken alphabetically, so that the order of the rows does not matter.
    ranked = sorted(((-count, word) for word, count in found.items() if count >= LEAST_ROWS))[:MOST_WORDS]
    words = sorted(word for _, word in ranked)
    if not words:
        raise InputError(
            f"column {column!r} must hold text whose words occur in several rows, but none of its {len(found)} words "
            f"occurs in {LEAST_ROWS}: leave it out (--drop), or treat it as categories"
        )
    counts = _counts(cells)
    weights = tuple(math.log((1 + len(cells)) / (1 + counts[word])) + 1 for word in words)
    held = sum(counts[word] for word in words) / max(1, sum(cell is not None for cell in cells))
    return BagOfWords(column, tuple(words), weights, math.sqrt(max(1.0, held)))


def _counts(cells: Sequence[str | None]) -> Counter[str]:
    """Word -> number of rows in which it occurs."""
    return Counter(word for cell in cells for word in set(words_of(cell or "")))


def _are_positive(numbers: Sequence[float]) -> bool:
    return all(math.isfinite(number) and number > 0 for number in numbers)
