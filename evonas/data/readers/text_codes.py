"""Packed storage for a text column while it is read: its distinct texts in one UTF-8 buffer, and one code per row.

A Python string takes 50 bytes more than its characters, and a pointer to it eight. Does not import pandas;
`text_column` makes a DataFrame column from it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Packing", "Vocabulary"]

#: Maximum number of distinct texts of a column that counts as having few.
FEW = 127


class Vocabulary:
    """Texts in one buffer; a text may occur twice."""

    def __init__(self, letters: bytes | bytearray, ends: NDArray[Any]) -> None:
        """Takes the UTF-8 buffer and the offset at which each text ends."""
        self._letters, self._ends = letters, ends

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return len(self._letters) + self._ends.nbytes

    def text(self, code: int) -> str:
        """The text with the given code."""
        start = int(self._ends[code - 1]) if code else 0
        return self._letters[start : int(self._ends[code])].decode()

    def texts(self) -> list[str]:
        """All texts, in the order of their codes."""
        ends = self._ends.tolist()
        return [self._letters[start:end].decode() for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def __add__(self, other: Vocabulary) -> Vocabulary:
        ends = np.concatenate([self._ends.astype(np.int64), len(self._letters) + other._ends.astype(np.int64)])
        return Vocabulary(bytes(self._letters) + bytes(other._letters), ends)


class Packing:
    """Collects cells into a `Vocabulary` and `codes`, -1 for a missing text."""

    def __init__(self, count: int, few: bool, missing: Iterable[str], remembered: int) -> None:
        """Creates an empty column.

        Args:
            count: number of cells.
            few: whether there are at most `FEW` distinct texts.
            missing: texts that mean "no value".
            remembered: number of distinct texts to deduplicate; others take memory at each occurrence.
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
        """The texts, once all cells are set."""
        self._known.clear()
        ends = np.frombuffer(self._ends, self._ends.typecode) if self._ends else np.empty(0, np.uint32)
        return Vocabulary(self._letters, ends)
