"""A column of text while it is read, packed: its different texts in one piece of UTF-8, and a number a row.

A Python string takes 50 bytes more than its letters, and a pointer to it eight. Imports no pandas; `packed` makes a
column of a DataFrame of this.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Packing", "Vocabulary"]

#: Distinct texts up to which a column counts as having few.
FEW = 127


class Vocabulary:
    """Texts in one piece; the same text may be there twice."""

    def __init__(self, letters: bytes | bytearray, ends: NDArray[Any]) -> None:
        """Takes UTF-8 and where each text ends in it."""
        self._letters, self._ends = letters, ends

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def nbytes(self) -> int:
        """What it takes."""
        return len(self._letters) + self._ends.nbytes

    def text(self, place: int) -> str:
        """One of the texts."""
        start = int(self._ends[place - 1]) if place else 0
        return self._letters[start : int(self._ends[place])].decode()

    def texts(self) -> list[str]:
        """All of them."""
        ends = self._ends.tolist()
        return [self._letters[start:end].decode() for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def __add__(self, other: Vocabulary) -> Vocabulary:
        ends = np.concatenate([self._ends.astype(np.int64), len(self._letters) + other._ends.astype(np.int64)])
        return Vocabulary(bytes(self._letters) + bytes(other._letters), ends)


class Packing:
    """Cells on their way into a `Vocabulary` and numbers, `codes`: -1 if a text is missing."""

    def __init__(self, count: int, few: bool, missing: Iterable[str], remembered: int) -> None:
        """An empty column.

        Args:
            count: of its cells.
            few: whether there are at most `FEW` different texts.
            missing: texts that mean "no value".
            remembered: number of texts that are recognised when repeated; others take memory each time.
        """
        self.codes = np.empty(count, np.int8 if few else np.int32)
        self._letters = bytearray()
        self._ends = array("I")
        self._known: dict[str, int] = dict.fromkeys(missing, -1)
        self._most = len(self._known) + max(FEW, remembered)

    def __setitem__(self, rows: slice, cells: tuple[str, ...]) -> None:
        known, codes = self._known, []
        for cell in cells:
            code = known.get(cell)
            if code is None:
                code = self._add(cell)
                if len(known) < self._most:
                    known[cell] = code
            codes.append(code)
        self.codes[rows] = codes

    def _add(self, text: str) -> int:
        self._letters += text.encode()
        try:
            self._ends.append(len(self._letters))
        except OverflowError:  # beyond 4 GiB
            self._ends = array("Q", self._ends)
            self._ends.append(len(self._letters))
        return len(self._ends) - 1

    def vocabulary(self) -> Vocabulary:
        """The texts, once all cells are there."""
        self._known.clear()
        ends = np.frombuffer(self._ends, self._ends.typecode) if self._ends else np.empty(0, np.uint32)
        return Vocabulary(self._letters, ends)
