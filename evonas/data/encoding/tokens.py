"""`TextPreparation`: the conversion of a text to word ids, for networks that begin with a word embedding.

Texts are tokenised as in `evonas.data.encoding.bag_of_words`, that is, like Keras's `TextVectorization`, so that an
exported model takes text. Id 0 is padding, 1 an unknown word; known words have ids from 2, the most frequent first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.bag_of_words import words_of
from evonas.data.encoding.samples import SamplePreparation
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FIRST_WORD", "TEXT", "TextPreparation", "as_texts", "fit_text", "text_ids"]

#: Maximum number of ids, including those of padding and unknown words, and of tokens of a text.
MOST_IDS, MOST_TOKENS = 20_000, 512
#: Share of the training texts that are not truncated.
_WHOLE = 0.95
#: Minimum number of rows in which a word must occur.
_LEAST_ROWS = 2
#: Id of the most frequent word.
FIRST_WORD = 2
#: Name of the column if texts are passed as a list.
TEXT = "text"


@dataclass(frozen=True)
class TextPreparation(SamplePreparation):
    """The conversion of texts to word ids, shape `(num_samples, length)`, as float32.

    Attributes:
        column: name of the text column.
        words: known words in the order of their ids, which start at `FIRST_WORD`.
        length: number of tokens; longer texts are truncated, shorter ones padded.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    kind: Literal["text"] = "text"
    column: str = TEXT
    words: tuple[str, ...] = ()
    length: int = 1

    def __post_init__(self) -> None:
        whole = len(set(self.words)) == len(self.words) and all(words_of(word) == [word] for word in self.words)
        if not whole or not 0 < len(self.words) <= MOST_IDS or not 1 <= self.length <= MOST_TOKENS:
            raise InputError(
                f"words of {self.column!r} must be 1 to {MOST_IDS:,} different words, and texts 1 to {MOST_TOKENS} "
                f"tokens long, not {len(self.words):,} and {self.length}: use the preparation that the run wrote"
            )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """See `SamplePreparation.sample_shape`."""
        return (self.length,)

    @property
    def vocabulary(self) -> int:
        """Number of ids, see `Problem.vocabulary`."""
        return len(self.words) + FIRST_WORD

    def columns(self) -> tuple[str, ...]:
        """See `Preparation.columns`."""
        return (self.column,)

    def takes_text(self) -> bool:
        """See `Preparation.takes_text`."""
        return True

    def describe(self) -> str:
        """See `SamplePreparation.describe`."""
        return f"texts of up to {self.length} words, {len(self.words):,} of them known"

    def apply(self, frame: pd.DataFrame | NDArray[Any]) -> NDArray[np.float32]:
        """The word ids of raw texts; a text without words is all padding.

        Args:
            frame: a table with the text column, or texts, shape `(num_samples,)`.
        """
        return text_ids(self._texts(frame), self.words, self.length).astype(np.float32)

    def inputs(self, frame: pd.DataFrame | NDArray[Any]) -> dict[str, NDArray[np.object_]]:
        """Raw texts as an exported model takes them: name of the input -> texts, shape `(num_samples,)`."""
        return {self.input_names()[self.column]: self._texts(frame)}

    def _texts(self, frame: Any) -> NDArray[np.object_]:
        if not hasattr(frame, "columns"):
            return as_texts(frame, "texts")
        known = [str(name) for name in frame.columns]
        if self.column not in known:
            raise InputError(
                f"the table must have the column {self.column!r}, not only {', '.join(known[:20])}: add it"
            )
        return as_texts(frame.iloc[:, known.index(self.column)], self.column)


def as_texts(x: Any, what: str) -> NDArray[np.object_]:
    """Converts texts to an array, shape `(num_samples,)`, with "" for missing ones.

    Raises:
        InputError: the value is not a list of texts.
    """
    import pandas as pd

    from evonas.data.cells import texts

    if not isinstance(x, pd.Series):
        array = np.asarray(x, dtype=object)
        array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        if array.ndim != 1:
            raise InputError(f"{what} must be one text per sample, shape (num_samples,), not {array.shape}: join them")
        cells = [cell.decode(errors="replace") if isinstance(cell, bytes) else cell for cell in array]
        wrong = [cell for cell in cells if not isinstance(cell, str) and not _is_missing(cell)]
        if wrong:
            raise InputError(
                f"{what} must be texts, not {type(wrong[0]).__name__} such as {wrong[0]!r:.40}: convert them"
            )
        x = pd.Series(cells, dtype=object)
    return np.array([cell or "" for cell in texts(x)], dtype=object)


def _is_missing(cell: Any) -> bool:
    import pandas as pd

    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def text_ids(texts: Sequence[str] | NDArray[np.object_], words: Sequence[str], length: int) -> NDArray[np.int32]:
    """The ids of the first words of each text, shape `(num_samples, length)`."""
    known = {word: index for index, word in enumerate(words, start=FIRST_WORD)}
    found = np.zeros((len(texts), length), np.int32)
    for row, text in enumerate(texts):
        ids = [known.get(word, 1) for word in words_of(text)[:length]]
        found[row, : len(ids)] = ids
    return found


def fit_text(column: str, texts: NDArray[np.object_]) -> TextPreparation:
    """Fits vocabulary and length on training texts.

    The vocabulary consists of the most frequent words that occur in at least two texts; ties are broken alphabetically.

    Raises:
        InputError: no word occurs in several texts.
    """
    counts: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    lengths = []
    for text in texts:
        words = words_of(text)
        lengths.append(len(words))
        counts.update(words)
        rows.update(set(words))
    ranked = sorted((-count, word) for word, count in counts.items() if rows[word] >= _LEAST_ROWS)
    if not ranked:
        raise InputError(
            f"{column!r} must hold text whose words occur in several rows, but none of its {len(counts)} words is in "
            f"{_LEAST_ROWS}: is it the right column?"
        )
    length = int(np.ceil(np.quantile(lengths, _WHOLE)))
    known = tuple(word for _, word in ranked[: MOST_IDS - FIRST_WORD])
    return TextPreparation(column=column, words=known, length=min(MOST_TOKENS, max(1, length)))
