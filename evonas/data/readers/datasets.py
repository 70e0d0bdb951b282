"""Reading of a `tf.data.Dataset` or a `PyDataset` into arrays, in one pass. Imports neither TensorFlow nor Keras.

Any object with the same interface is accepted. A dataset describes its elements (`element_spec`, shapes with None for a
batch of any size), counts them (`cardinality`, -1 if infinite, -2 if unknown) and yields them as arrays
(`as_numpy_iterator`); a `PyDataset` is indexed by batch (`num_batches`, None if infinite). Images and series too large
for memory are written to a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.io.disk_arrays import GrowingArray
from evonas.machine import data_bytes
from evonas.quantities import shown_bytes
from genomes.errors import InputError

__all__ = ["MEMORY_SHARE", "is_dataset", "read_dataset"]

#: Share of free memory that the rows of a dataset may take, counted as float32, the type that networks are trained on.
#: Larger images and series are trained from disk.
MEMORY_SHARE = 1 / 4
_ENDLESS = -1
#: The place of an operation in TensorFlow's graph, in its error messages.
_TENSORFLOW_PLACE = re.compile(r"\{\{.*?\}\}")
#: Stands for the end of a dataset.
_END: Any = object()
#: Minimum number of dimensions of a batch of images or series.
_LEAST_RANK = 3


def is_dataset(value: Any) -> bool:
    """Whether the value has the interface of a `tf.data.Dataset` or a `PyDataset`."""
    return callable(getattr(value, "as_numpy_iterator", None)) or _has_batches(value)


def read_dataset(
    dataset: Any,
    what: str = "x",
    most_bytes: int | None = None,
    steps: int | None = None,
    in_memory: bool = False,
) -> tuple[Any, Any, Any]:
    """Reads all rows of a dataset of `(x, y)` or `(x, y, weight)`, batched or not.

    Args:
        dataset: read once, from beginning to end.
        what: name of the dataset in error messages.
        most_bytes: maximum size of its rows in memory, by default `MEMORY_SHARE` of the free memory, see
            `evonas.machine.data_bytes`. For larger images and series, x is an array on disk.
        steps: number of elements (usually batches) to read, by default all.
        in_memory: whether x must be in memory in any case.

    Returns:
        x, an array `(num_samples, ...)` or a mapping or tuple of arrays, as in the elements; y; and the weights or
        None; each with one entry per row. Text is decoded to `str`.

    Raises:
        InputError: the dataset is infinite and `steps` is None, is larger than `most_bytes` and holds neither images
            nor series, has no rows, raises an error, or its elements are not such tuples of arrays.
    """
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise InputError(f"steps must be a whole number of batches, at least 1, not {steps!r}: give how many to read")
    if steps is None and _cardinality(dataset) == _ENDLESS:
        raise InputError(
            f"{what} must end, but it is an infinite Dataset (.repeat() without a count?): give the number of batches "
            "of one pass as steps, or use .take(steps)"
        )
    rows = _Rows(what, data_bytes(MEMORY_SHARE) if most_bytes is None else most_bytes, in_memory)
    first: Any = None
    for element in islice(_elements(dataset, what), steps):
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
        raise InputError(f"{what} must be a Dataset with rows, not an empty one: was it already consumed?")
    arrays = rows.arrays()
    return _fill(first[0], arrays, "x"), _column(arrays["y"]), _column(arrays.get("weight"))


class _Rows:
    """Rows of a dataset, in memory up to a limit; beyond it x is written to a file if possible."""

    def __init__(self, what: str, most: int, in_memory: bool) -> None:
        self.batched = True
        self._in_memory = in_memory
        self._what, self._most, self._size = what, most, 0
        self._parts: dict[str, list[NDArray[Any]]] = {}
        self._file: GrowingArray | None = None

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Adds an array under the given name."""
        if name == "x" and self._file is not None:
            self._append(array)
            return
        self._parts.setdefault(name, []).append(array)
        text = array.dtype == object
        self._size += sum(map(len, array.flat)) + array.nbytes if text else max(array.nbytes, 4 * array.size)
        if self._size > self._most:
            self._spill()

    def _spill(self) -> None:
        """Moves x to a file; images stay bytes, everything else becomes float32."""
        parts = self._parts.get("x", [])
        has_shape = bool(parts) and parts[0].ndim + (not self.batched) >= _LEAST_RANK
        if self._file is not None or self._in_memory or not has_shape:
            raise InputError(
                f"{self._what} must be a Dataset of at most {shown_bytes(self._most)}, a quarter of the free "
                "memory, but it has more, or never ends: give fewer rows, as .take(steps) does (only images and series "
                "for evonas's own convolutional or sequence networks are trained from disk)"
            )
        if parts[0].dtype.kind not in "biuf":
            raise InputError(f"{self._what} must be a Dataset of numbers if it is large, not of {parts[0].dtype}")
        kind = np.uint8 if parts[0].dtype == np.uint8 else np.float32
        self._file = GrowingArray(parts[0].shape[self.batched :], kind)
        for part in parts:
            self._append(part)
        del self._parts["x"]
        self._size = 0  # targets and weights stay in memory

    def _append(self, array: NDArray[Any]) -> None:
        assert self._file is not None
        try:
            self._file.append(array if self.batched else array[None])
        except ValueError:
            raise self._differ() from None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Returns all rows by name."""
        join = np.concatenate if self.batched else np.stack
        try:
            arrays = {name: _decode(join(found)) for name, found in self._parts.items()}
        except ValueError:
            raise self._differ() from None
        return arrays if self._file is None else {"x": self._file.array(), **arrays}

    def _differ(self) -> InputError:
        return InputError(f"{self._what} must have rows of one shape, but they differ: pad or resize them")


def _column(array: Any) -> Any:
    """An array of one column without its second dimension; others are unchanged."""
    return array[:, 0] if array is not None and array.ndim == 2 and array.shape[1] == 1 else array


def _has_batches(value: Any) -> bool:
    """Whether the value has the interface of a `PyDataset`."""
    return hasattr(type(value), "num_batches") and callable(getattr(value, "__getitem__", None))


def _elements(dataset: Any, what: str) -> Iterator[Any]:
    """Yields the elements in order.

    Raises:
        InputError: the user's code raised an error, which is the cause.
    """
    indexed = _has_batches(dataset)
    count, index = dataset.num_batches if indexed else None, 0
    elements = None if indexed else dataset.as_numpy_iterator()
    while count is None or index < count:
        try:
            element = dataset[index] if elements is None else next(elements, _END)
        except Exception as error:
            place = f"{'batch' if indexed else 'element'} {index}"
            reason = _TENSORFLOW_PLACE.sub("", next(iter(str(error).splitlines()), "")).strip()
            raise InputError(
                f"{what} must be a Dataset that can be read to its end, but {place} raised "
                f"{type(error).__name__}{f': {reason:.200}' if reason else ''}: correct {_owner(dataset)}"
            ) from error
        if element is _END:
            return
        yield element
        index += 1


def _owner(dataset: Any) -> str:
    """The user's code that returns an element."""
    return f"{type(dataset).__name__}.__getitem__" if _has_batches(dataset) else "the functions that it maps"


def _cardinality(dataset: Any) -> int | None:
    if _has_batches(dataset):
        return _ENDLESS if dataset.num_batches is None else int(dataset.num_batches)
    count = getattr(dataset, "cardinality", None)
    return int(count()) if callable(count) else None


def _leaves(element: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """Yields every array of an element with its name."""
    x = element[0]
    if isinstance(x, Mapping):
        yield from ((f"x[{name!r}]", part) for name, part in x.items())
    elif isinstance(x, tuple):
        yield from ((f"x[{index}]", part) for index, part in enumerate(x))
    else:
        yield "x", x
    yield from zip(("y", "weight"), element[1:], strict=False)


def _fill(x: Any, arrays: Mapping[str, NDArray[Any]], name: str) -> Any:
    """Arranges the arrays in the structure of an element's x."""
    if isinstance(x, Mapping):
        return {str(key): arrays[f"{name}[{key!r}]"] for key in x}
    if isinstance(x, tuple):
        return tuple(arrays[f"{name}[{index}]"] for index in range(len(x)))
    return arrays[name]


def _is_batched(dataset: Any, element: tuple[Any, ...]) -> bool:
    """Whether an element is a batch: the first dimension of its arrays is the number of rows, which may be unknown."""
    shapes = [np.shape(leaf) for _, leaf in _leaves(element)]
    lengths = {shape[:1] for shape in shapes}
    if () in lengths or len(lengths) > 1:
        return False
    spec = getattr(dataset, "element_spec", None)
    left_open = [_is_open(leaf) for _, leaf in _leaves(spec)] if isinstance(spec, tuple) else []
    # A row whose length is the number of targets looks like a batch; a batch has arrays of rows, or columns.
    return any(left_open) or isinstance(element[0], Mapping) or any(len(shape) > 1 for shape in shapes)


def _is_open(spec: Any) -> bool:
    """Whether the first dimension of an array is unknown, as for batches."""
    try:
        return tuple(getattr(spec, "shape", ()))[:1] == (None,)
    except ValueError:  # the rank is unknown, too
        return False


def _decode(array: NDArray[Any]) -> NDArray[Any]:
    """Decodes text, which TensorFlow returns as bytes."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8").astype(object)
    if array.dtype == object:
        cells = [cell.decode(errors="replace") if isinstance(cell, bytes) else cell for cell in array.flat]
        return np.array(cells, dtype=object).reshape(array.shape)
    return array


def _name(element: Any) -> str:
    return f"tuples of {len(element)}" if isinstance(element, (tuple, list)) else type(element).__name__
