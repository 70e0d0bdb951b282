"""A `tf.data.Dataset` or a `PyDataset` as arrays, read once. Imports neither TensorFlow nor Keras.

Whatever gives rows as they do is taken. A dataset says what its elements are (`element_spec`, shapes with None for a
batch of any size), how many there are (`cardinality`, -1 for endless, -2 for unknown) and gives them as arrays
(`as_numpy_iterator`); a `PyDataset` has batches by their number (`num_batches`, None for endless). Images and series
that are too large for memory go to a file on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.io.disk_arrays import GrowingArray
from evonas.machine import free_bytes
from genomes.errors import InputError

__all__ = ["MEMORY_SHARE", "is_dataset", "read_dataset"]

#: Share of the free memory that the rows of a dataset may take, as the float32 that networks see. Images and series
#: beyond it are trained from the disk.
MEMORY_SHARE = 1 / 4
_ENDLESS = -1
#: Dimensions of a batch of images or series, at least.
_LEAST_RANK = 3


def is_dataset(value: Any) -> bool:
    """Whether it gives rows as a `tf.data.Dataset` or a `PyDataset` does."""
    return callable(getattr(value, "as_numpy_iterator", None)) or _has_batches(value)


def read_dataset(
    dataset: Any,
    what: str = "x",
    most_bytes: int | None = None,
    steps: int | None = None,
    in_memory: bool = False,
) -> tuple[Any, Any, Any]:
    """All rows of a dataset of `(x, y)` or `(x, y, weight)`, batched or not.

    Args:
        dataset: read from its beginning to its end, once.
        what: its name in errors.
        most_bytes: how large its rows may be in memory; `MEMORY_SHARE` of what is free when None. Of images and series
            that are larger, x is an array on the disk.
        steps: elements that are read, batches mostly; all when None.
        in_memory: whether x has to be in memory, whatever it is.

    Returns:
        x, an array `(num_samples, ...)`, or several in a mapping or a tuple, as the elements hold them; y, and the
        weights or None, each with one entry a row. Text is text.

    Raises:
        InputError: it is endless and no `steps` are given, larger than `most_bytes` and neither images nor series, has
            no rows, or elements that are no such tuples of arrays.
    """
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise InputError(f"steps must be a whole number of batches from 1 on, not {steps!r}: give how many are read")
    if steps is None and _cardinality(dataset) == _ENDLESS:
        raise InputError(
            f"{what} must end, but it is an endless Dataset (.repeat() without a count?): say how many of its batches "
            "are one pass, with steps, or as .take(steps) does"
        )
    rows = _Rows(what, int(free_bytes() * MEMORY_SHARE) if most_bytes is None else most_bytes, in_memory)
    first: Any = None
    for element in islice(_elements(dataset), steps):
        if not isinstance(element, (tuple, list)) or len(element) not in (2, 3):
            raise InputError(
                f"{what} must be a Dataset of (x, y) or (x, y, weight), not of {_name(element)}: map its elements"
            )
        if first is None:
            first = tuple(element)
            rows.batched = _has_batches(dataset) or _is_batched(dataset, first)
        for name, leaf in _leaves(tuple(element)):
            array = np.asarray(leaf)
            if array.dtype == object and not all(isinstance(cell, (bytes, str)) for cell in array.flat):
                raise InputError(
                    f"{what} must be a Dataset of dense numbers or text, not of {type(leaf).__name__}: make it dense"
                )
            rows.add(name, array)
    if first is None:
        raise InputError(f"{what} must be a Dataset with rows, not an empty one: was it read to its end before?")
    arrays = rows.arrays()
    x, y = _fill(first[0], arrays, "x"), arrays["y"]
    return x, y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y, arrays.get("weight")


class _Rows:
    """Rows of a dataset, in memory as far as they may take it; x goes on in a file where it can."""

    def __init__(self, what: str, most: int, in_memory: bool) -> None:
        self.batched = True
        self._in_memory = in_memory
        self._what, self._most, self._size = what, most, 0
        self._parts: dict[str, list[NDArray[Any]]] = {}
        self._file: GrowingArray | None = None

    def add(self, name: str, array: NDArray[Any]) -> None:
        """One more array of that name."""
        if name == "x" and self._file is not None:
            self._append(array)
            return
        self._parts.setdefault(name, []).append(array)
        text = array.dtype == object
        self._size += sum(map(len, array.flat)) + array.nbytes if text else max(array.nbytes, 4 * array.size)
        if self._size > self._most:
            self._spill()

    def _spill(self) -> None:
        """Moves x to a file; images stay bytes, all else becomes float32."""
        parts = self._parts.get("x", [])
        has_shape = bool(parts) and parts[0].ndim + (not self.batched) >= _LEAST_RANK
        if self._file is not None or self._in_memory or not has_shape:
            raise InputError(
                f"{self._what} must be a Dataset of at most {self._most / 2**30:.1f} GiB, a quarter of the free "
                "memory, but it has more, or never ends: give fewer rows, as .take(steps) does (only images and series "
                "for networks of evonas's own, convolutional or over sequences, are trained from the disk)"
            )
        if parts[0].dtype.kind not in "biuf":
            raise InputError(f"{self._what} must be a Dataset of numbers where it is large, not of {parts[0].dtype}")
        kind = np.uint8 if parts[0].dtype == np.uint8 else np.float32
        self._file = GrowingArray(parts[0].shape[self.batched :], kind)
        for part in parts:
            self._append(part)
        del self._parts["x"]
        self._size = 0  # what stays are targets and weights

    def _append(self, array: NDArray[Any]) -> None:
        assert self._file is not None
        try:
            self._file.append(array if self.batched else array[None])
        except ValueError:
            raise self._differ() from None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All rows by their names."""
        join = np.concatenate if self.batched else np.stack
        try:
            arrays = {name: _decode(join(found)) for name, found in self._parts.items()}
        except ValueError:
            raise self._differ() from None
        return arrays if self._file is None else {"x": self._file.array(), **arrays}

    def _differ(self) -> InputError:
        return InputError(f"{self._what} must have rows of one shape, but they differ: pad or resize them")


def _has_batches(value: Any) -> bool:
    """Whether it is a `PyDataset`, or does as one."""
    return hasattr(type(value), "num_batches") and callable(getattr(value, "__getitem__", None))


def _elements(dataset: Any) -> Iterator[Any]:
    if not _has_batches(dataset):
        yield from dataset.as_numpy_iterator()
        return
    count, place = dataset.num_batches, 0
    while count is None or place < count:
        yield dataset[place]
        place += 1


def _cardinality(dataset: Any) -> int | None:
    if _has_batches(dataset):
        return _ENDLESS if dataset.num_batches is None else int(dataset.num_batches)
    count = getattr(dataset, "cardinality", None)
    return int(count()) if callable(count) else None


def _leaves(element: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """Every array of an element, by name."""
    x = element[0]
    if isinstance(x, Mapping):
        yield from ((f"x[{name!r}]", part) for name, part in x.items())
    elif isinstance(x, tuple):
        yield from ((f"x[{index}]", part) for index, part in enumerate(x))
    else:
        yield "x", x
    yield from zip(("y", "weight"), element[1:], strict=False)


def _fill(x: Any, arrays: Mapping[str, NDArray[Any]], name: str) -> Any:
    """The arrays in the form of an element's x."""
    if isinstance(x, Mapping):
        return {str(key): arrays[f"{name}[{key!r}]"] for key in x}
    if isinstance(x, tuple):
        return tuple(arrays[f"{name}[{index}]"] for index in range(len(x)))
    return arrays[name]


def _is_batched(dataset: Any, element: tuple[Any, ...]) -> bool:
    """Whether an element is several rows: its arrays begin with their number, which the dataset leaves open or not."""
    shapes = [np.shape(leaf) for _, leaf in _leaves(element)]
    lengths = {shape[:1] for shape in shapes}
    if () in lengths or len(lengths) > 1:
        return False
    spec = getattr(dataset, "element_spec", None)
    left_open = [_is_open(leaf) for _, leaf in _leaves(spec)] if isinstance(spec, tuple) else []
    # A row of as many numbers as there are targets looks like a batch; a batch of rows has arrays of rows, or columns.
    return any(left_open) or isinstance(element[0], Mapping) or any(len(shape) > 1 for shape in shapes)


def _is_open(spec: Any) -> bool:
    """Whether the first length of an array is not said, as that of batches is not."""
    try:
        return tuple(getattr(spec, "shape", ()))[:1] == (None,)
    except ValueError:  # not even the rank is known
        return False


def _decode(array: NDArray[Any]) -> NDArray[Any]:
    """Text as text, which TensorFlow gives as bytes."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8").astype(object)
    if array.dtype == object:
        cells = [cell.decode(errors="replace") if isinstance(cell, bytes) else cell for cell in array.flat]
        return np.array(cells, dtype=object).reshape(array.shape)
    return array


def _name(element: Any) -> str:
    return f"tuples of {len(element)}" if isinstance(element, (tuple, list)) else type(element).__name__
