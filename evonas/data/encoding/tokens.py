"""`TextPreparation`: a text as the numbers of its words, for networks with an embedding of words in front.

Words are cut as in `evonas.data.encoding.bag_of_words`, which is what Keras's `TextVectorization` does; so an exported
model takes text itself. 0 pads, 1 is a word that is not known, known words begin with 2, the most frequent first.
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

#: Ids in all, padding and unknown words among them; tokens of a text.
MOST_IDS, MOST_TOKENS = 20_000, 512
#: Share of the training texts that are not cut.
_WHOLE = 0.95
#: Rows that a word has to be in.
_LEAST_ROWS = 2
#: Id of the most frequent word.
FIRST_WORD = 2
#: Name of the column where texts are a list.
TEXT = "text"


@dataclass(frozen=True)
class TextPreparation(SamplePreparation):
    """From texts to ids of words, shape `(num_samples, length)`, as float32.

    Attributes:
        column: name of the column of text.
        words: known words in the order of their ids, from `FIRST_WORD` on.
        length: tokens of a text; longer ones are cut, shorter ones padded.
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
                f"tokens long, not {len(self.words):,} and {self.length}: take the preparation that the run wrote"
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
        """Ids of raw texts; a text without a word is all padding.

        Args:
            frame: a table with the column, or texts, shape `(num_samples,)`.
        """
        return text_ids(self._texts(frame), self.words, self.length).astype(np.float32)

    def inputs(self, frame: pd.DataFrame | NDArray[Any]) -> dict[str, NDArray[np.object_]]:
        """Raw texts as an exported model takes them: name of the input -> texts, `(num_samples,)`."""
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
    """Texts, shape `(num_samples,)`; "" if there is none.

    Raises:
        InputError: it is not a list of texts.
    """
    import pandas as pd

    from evonas.data.cells import texts

    if not isinstance(x, pd.Series):
        array = np.asarray(x, dtype=object)
        array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        if array.ndim != 1:
            raise InputError(f"{what} must be one text a sample, shape (num_samples,), not {array.shape}: join them")
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
    """Ids of the first words of each text, shape `(num_samples, length)`."""
    known = {word: index for index, word in enumerate(words, start=FIRST_WORD)}
    found = np.zeros((len(texts), length), np.int32)
    for row, text in enumerate(texts):
        ids = [known.get(word, 1) for word in words_of(text)[:length]]
        found[row, : len(ids)] = ids
    return found


def fit_text(column: str, texts: NDArray[np.object_]) -> TextPreparation:
    """Fits vocabulary and length to training texts.

    Words count that are in two texts at least; of them the most frequent, of as frequent ones the first in the
    alphabet.

    Raises:
        InputError: no word is in several texts.
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
