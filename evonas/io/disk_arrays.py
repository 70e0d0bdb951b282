"""Arrays that are too large for memory, in unnamed files that the system frees with their last view.

They are stored in the folder for temporary files: TMPDIR if set, else /var/tmp, since /tmp may be in memory.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genomes.errors import InputError

__all__ = ["GrowingArray", "disk_array", "is_on_disk", "join_rows", "portions", "take_rows"]

#: Number of values copied at a time.
_PORTION = 1 << 22
_FOLDERS = ("/var/tmp", "/tmp")


class GrowingArray:
    """An array of rows of one shape and type, appended to a file."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        """Opens the file; `shape` is that of one row."""
        self._shape, self._dtype, self._count = shape, np.dtype(dtype), 0
        self._file = _file()
        about = os.fstatvfs(self._file.fileno())
        self._most = about.f_bavail * about.f_frsize // 2 // max(1, math.prod(shape) * self._dtype.itemsize)

    def append(self, rows: NDArray[Any]) -> None:
        """Appends rows.

        Raises:
            ValueError: the rows have another shape.
            InputError: the disk is full, or the array would take more than half of the free space.
        """
        if rows.shape[1:] != self._shape:
            raise ValueError(f"rows must have the shape {self._shape}, not {rows.shape[1:]}")
        if self._count + len(rows) > self._most:
            raise _full("it would be more than half of the free space, or it never ends")
        try:
            self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        except OSError as error:
            raise _full(error.strerror) from None
        self._count += len(rows)

    def array(self) -> NDArray[Any]:
        """The whole array, readable and writable."""
        self._file.flush()
        return np.memmap(self._file, self._dtype, "r+", shape=(self._count, *self._shape))


def disk_array(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array of zeros on the disk, allocated at once, since a disk that is full later would kill the process.

    Raises:
        InputError: the disk is full.
    """
    file = _file()
    try:
        os.posix_fallocate(file.fileno(), 0, max(1, math.prod(shape) * np.dtype(dtype).itemsize))
    except OSError as error:
        raise _full(error.strerror) from None
    return np.memmap(file, np.dtype(dtype), "r+", shape=shape)


def is_on_disk(array: Any) -> bool:
    """Whether the array, or the array that it is a view of, was created by this module."""
    while isinstance(array, np.ndarray):
        if isinstance(array.base, mmap.mmap):
            return True
        array = array.base
    return False


def portions(array: NDArray[Any]) -> list[slice]:
    """Slices of rows that each fit in memory."""
    size = max(1, _PORTION // max(1, math.prod(array.shape[1:])))
    return [slice(start, start + size) for start in range(0, len(array), size)]


def take_rows(
    array: NDArray[Any], rows: NDArray[np.intp], change: Callable[[NDArray[Any]], Any] = lambda part: part
) -> Any:
    """Selected rows of an array, transformed by `change`; rows of an array on the disk are stored on the disk, too."""
    if not is_on_disk(array) or not len(rows):
        return change(array[rows])
    first = change(array[rows[:1]])
    found = disk_array((len(rows), *first.shape[1:]), first.dtype)
    for portion in portions(np.broadcast_to(array[:1], (len(rows), *array.shape[1:]))):
        found[portion] = change(array[rows[portion]])
    return found


def join_rows(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Concatenates the rows of arrays; on the disk if one of the arrays is."""
    if not any(map(is_on_disk, arrays)):
        return np.concatenate(arrays)
    count, dtype = sum(map(len, arrays)), np.result_type(*arrays)
    found, start = disk_array((count, *arrays[0].shape[1:]), dtype), 0
    for array in arrays:
        for portion in portions(array):
            part = array[portion]
            found[start : start + len(part)] = part
            start += len(part)
    return found


def _file() -> Any:
    """An open unnamed file."""
    named = os.environ.get("TMPDIR")
    folders = [named] if named else [folder for folder in _FOLDERS if os.access(folder, os.W_OK)]
    try:
        return tempfile.TemporaryFile(dir=folders[0] if folders else None)
    except OSError as error:
        raise _full(error.strerror) from None


def _full(reason: str | None) -> InputError:
    return InputError(
        f"data larger than a quarter of the free memory must fit in {os.environ.get('TMPDIR') or '/var/tmp'}, "
        f"but cannot be written there ({reason}): free some space, or set TMPDIR to a folder with enough"
    )
