"""`PackedTexts`: a DataFrame column of text packed as in `text_codes`. Imports pandas: import it lazily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray, ExtensionDtype, take

from evonas.data.readers.text_codes import Packing, Vocabulary

__all__ = ["PackedTexts", "PackedType"]


class PackedType(ExtensionDtype):
    """The pandas type of a `PackedTexts` column."""

    name = "packed texts"
    type = str
    kind = "O"
    na_value = None

    @classmethod
    def construct_array_type(cls) -> Any:
        """The array class of this type."""
        return PackedTexts


class PackedTexts(ExtensionArray):
    """Immutable array of texts, None if missing, shape `(num_samples,)`."""

    def __init__(self, codes: NDArray[Any], vocabulary: Vocabulary) -> None:
        """Takes the code of each cell, -1 if missing, and the texts."""
        self._codes, self._vocabulary = codes, vocabulary

    def texts(self) -> NDArray[np.object_]:
        """The cells as Python strings; cells with equal codes share one object."""
        if 4 * len(self._codes) < len(self._vocabulary):
            cells = [None if code < 0 else self._vocabulary.text(code) for code in self._codes.tolist()]
            return np.array([*cells, None], dtype=object)[:-1]
        known = np.array([*self._vocabulary.texts(), None], dtype=object)
        return np.asarray(known[self._codes])

    # ------------------------------------------------------ required by pandas

    @classmethod
    def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> PackedTexts:
        cells = ["" if cell is None or cell != cell else cell for cell in scalars]
        if not all(isinstance(cell, str) for cell in cells):
            raise TypeError("texts must be text")  # pandas then uses another type
        packing = Packing(len(cells), False, [""], len(cells))
        packing[:] = tuple(cells)
        return cls(packing.codes, packing.vocabulary())

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[PackedTexts]) -> PackedTexts:
        first, *others = to_concat
        codes, vocabulary = [first._codes.astype(np.int32)], first._vocabulary
        for other in others:
            same = other._vocabulary is vocabulary
            shift = 0 if same else len(vocabulary)
            codes.append(np.where(other._codes < 0, -1, other._codes.astype(np.int32) + shift))
            vocabulary = vocabulary if same else vocabulary + other._vocabulary
        return cls(np.concatenate(codes), vocabulary)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, (int, np.integer)):
            code = int(self._codes[item])
            return None if code < 0 else self._vocabulary.text(code)
        if not isinstance(item, slice):
            item = np.asarray(item)
            item = item.astype(np.intp if item.dtype == object or not item.size else item.dtype)
        return type(self)(self._codes[item], self._vocabulary)

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> PackedTexts:
        """Selects cells, see pandas."""
        codes: Any = take(self._codes, np.asarray(indices, np.intp), allow_fill=allow_fill, fill_value=-1)
        return type(self)(codes, self._vocabulary)

    def __len__(self) -> int:
        return len(self._codes)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.texts() if dtype is None else self.texts().astype(dtype)

    def __eq__(self, other: Any) -> Any:
        return self.texts() == (other.texts() if isinstance(other, PackedTexts) else other)

    def isna(self) -> NDArray[np.bool_]:
        """Whether each cell is missing."""
        return np.asarray(self._codes < 0)

    def copy(self) -> PackedTexts:
        """A copy."""
        return type(self)(self._codes.copy(), self._vocabulary)

    @property
    def dtype(self) -> PackedType:
        """The type."""
        return PackedType()

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return int(self._codes.nbytes) + self._vocabulary.nbytes
