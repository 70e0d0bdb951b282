"""`BagOfWords`: free text as TF-IDF weights of words.

Words are cut as Keras's `TextVectorization` cuts them with `standardize="lower_and_strip_punctuation"` and
`split="whitespace"`, byte by byte: A to Z become small, ASCII punctuation falls away, ASCII white space separates.
Other characters stay as they are, so both sides read the same words in any script.

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

#: Words of one column that have a feature each: those in most rows.
MOST_WORDS = 256
#: Rows that a word has to be in.
LEAST_ROWS = 2
#: What falls away.
PUNCTUATION = b"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"


@dataclass(frozen=True)
class BagOfWords:
    """Features of a column of free text: one a known word, 0 if it does not occur.

    Where it does, its weight, divided by the length of the row's vector of weights and multiplied by `scale`: a text of
    many words has no more of a say than one of few. Words that are not known, and a missing text, give nothing.

    Attributes:
        column: name of the raw column.
        words: in the order of the features.
        weights: inverse document frequencies of the words, > 0.
        scale: the length of each row's features, > 0: such that those of a usual text are about 1 each.
        form: how the raw column enters a model.
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
        places = {word: index for index, word in enumerate(self.words)}
        rows: list[int] = []
        columns: list[int] = []
        for row, cell in enumerate(texts(series)):
            found = {places[word] for word in words_of(cell or "") if word in places}
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
        column: its name.
        cells: of the training rows, which weigh words.
        known: of the rows that decide which features there are.

    Raises:
        InputError: no word is in `LEAST_ROWS` rows of `known`.
    """
    found = _counts(known)
    # Of words in as many rows, the first in the alphabet: the order of rows is no matter.
    ranked = sorted(((-count, word) for word, count in found.items() if count >= LEAST_ROWS))[:MOST_WORDS]
    words = sorted(word for _, word in ranked)
    if not words:
        raise InputError(
            f"column {column!r} must hold text whose words occur in several rows, but none of its {len(found)} words "
            f"is in {LEAST_ROWS}: leave it out (--drop), or take it for categories"
        )
    counts = _counts(cells)
    weights = tuple(math.log((1 + len(cells)) / (1 + counts[word])) + 1 for word in words)
    held = sum(counts[word] for word in words) / max(1, sum(cell is not None for cell in cells))
    return BagOfWords(column, tuple(words), weights, math.sqrt(max(1.0, held)))


def _counts(cells: Sequence[str | None]) -> Counter[str]:
    """Word -> rows that it is in."""
    return Counter(word for cell in cells for word in set(words_of(cell or "")))


def _are_positive(numbers: Sequence[float]) -> bool:
    return all(math.isfinite(number) and number > 0 for number in numbers)
