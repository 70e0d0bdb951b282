"""A `tf.data.Dataset` as arrays, read once. Imports no TensorFlow: whatever gives rows as a dataset does is taken.

A dataset says what its elements are (`element_spec`, shapes with None for a batch of any size), how many there are
(`cardinality`, -1 for endless, -2 for unknown) and gives them as arrays (`as_numpy_iterator`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.machine import free_bytes
from genomes.errors import InputError

__all__ = ["is_dataset", "read_dataset"]

#: Share of the free memory that the rows of a dataset may take; there is a copy of them while they are joined.
SHARE = 1 / 4
_ENDLESS = -1


def is_dataset(value: Any) -> bool:
    """Whether it gives rows as a `tf.data.Dataset` does."""
    return callable(getattr(value, "as_numpy_iterator", None))


def read_dataset(dataset: Any, what: str = "x", most_bytes: int | None = None) -> tuple[Any, Any, Any]:
    """All rows of a dataset of `(x, y)` or `(x, y, weight)`, batched or not.

    Args:
        dataset: read from its beginning to its end, once.
        what: its name in errors.
        most_bytes: how large its rows may be; `SHARE` of the free memory when None.

    Returns:
        x, an array `(num_samples, ...)`, or several in a mapping or a tuple, as the elements hold them; y, and the
        weights or None, each with one entry a row. Text is text.

    Raises:
        InputError: it is endless, larger than `most_bytes`, has no rows, or elements that are no such tuples of arrays.
    """
    if _cardinality(dataset) == _ENDLESS:
        raise InputError(
            f"{what} must end, but it is an endless Dataset (.repeat() without a count?): give one pass over the rows, "
            "as .take(steps) does"
        )
    most = int(free_bytes() * SHARE) if most_bytes is None else most_bytes
    parts: dict[str, list[NDArray[Any]]] = {}
    size = 0
    first: Any = None
    for element in dataset.as_numpy_iterator():
        if not isinstance(element, tuple) or len(element) not in (2, 3):
            raise InputError(
                f"{what} must be a Dataset of (x, y) or (x, y, weight), not of {_name(element)}: map its elements"
            )
        first = element if first is None else first
        for name, leaf in _leaves(element):
            array = np.asarray(leaf)
            if array.dtype == object and not all(isinstance(cell, (bytes, str)) for cell in array.flat):
                raise InputError(
                    f"{what} must be a Dataset of dense numbers or text, not of {type(leaf).__name__}: make it dense"
                )
            parts.setdefault(name, []).append(array)
            size += array.nbytes + sum(map(len, array.flat)) if array.dtype == object else array.nbytes
        if size > most:
            raise InputError(
                f"{what} must be a Dataset of at most {most / 2**30:.1f} GiB, a quarter of the free memory, but it has "
                "more, or never ends: give fewer rows, as .take(steps) does"
            )
    if first is None:
        raise InputError(f"{what} must be a Dataset with rows, not an empty one: was it read to its end before?")
    join = np.concatenate if _is_batched(dataset, first) else np.stack
    try:
        arrays = {name: _decode(join(found)) for name, found in parts.items()}
    except ValueError:
        raise InputError(f"{what} must have rows of one shape, but they differ: pad or resize them") from None
    x, y = _fill(first[0], arrays, "x"), arrays["y"]
    return x, y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y, arrays.get("weight")


def _cardinality(dataset: Any) -> int | None:
    count = getattr(dataset, "cardinality", None)
    return int(count()) if callable(count) else None


def _leaves(element: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """Every array of an element, by name."""
    x = element[0]
    if isinstance(x, Mapping):
        yield from ((f"x[{name!r}]", part) for name, part in x.items())
    elif isinstance(x, tuple):
        yield from ((f"x[{place}]", part) for place, part in enumerate(x))
    else:
        yield "x", x
    yield from zip(("y", "weight"), element[1:], strict=False)


def _fill(x: Any, arrays: Mapping[str, NDArray[Any]], name: str) -> Any:
    """The arrays in the form of an element's x."""
    if isinstance(x, Mapping):
        return {str(key): arrays[f"{name}[{key!r}]"] for key in x}
    if isinstance(x, tuple):
        return tuple(arrays[f"{name}[{place}]"] for place in range(len(x)))
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
    return f"tuples of {len(element)}" if isinstance(element, tuple) else type(element).__name__
