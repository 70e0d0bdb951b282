"""Arrays in an `.npz` file, read as data and no more: plain numbers, as many as the file has bytes for.

What `numpy.load` would also take is refused: compressed entries (a small file may claim gigabytes), pickled objects,
names twice, and whatever is neither a number nor a truth value.
"""

from __future__ import annotations

import io
import math
import os
import stat
import zipfile
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MACHINE_FLOATS", "open_plain", "read_arrays"]

#: Short floating-point types that numpy does not know: stored as whole numbers of their bits, with their name.
MACHINE_FLOATS = frozenset(
    {"bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz"}
    | {"float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"}
)

_MOST_ARRAYS = 100_000
#: A larger file must take its room on the disk: holes cost the sender nothing, and whoever reads them a lot.
_SPARSE_BYTES = 64 << 20


def open_plain(path: Path) -> BufferedReader:
    """Opens a regular file for reading; follows no link.

    Raises:
        OSError: it is something else, or hardly anything but holes, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise OSError("it is no plain file")
    if about.st_size > _SPARSE_BYTES and about.st_blocks * 512 < about.st_size // 64:
        os.close(descriptor)
        raise OSError("it is all holes")
    return os.fdopen(descriptor, "rb")


def read_arrays(source: Path | bytes) -> dict[str, NDArray[Any]]:
    """The arrays by name.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no file of plain arrays, or damaged; says where.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else open_plain(source)
    with file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, file.seek(0, os.SEEK_END))
        except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, MemoryError) as error:
            raise ValueError(str(error) or type(error).__name__) from None


def _read(archive: zipfile.ZipFile, size: int) -> dict[str, NDArray[Any]]:
    entries = archive.infolist()
    if len(entries) > _MOST_ARRAYS or sum(entry.file_size for entry in entries) > size:
        raise ValueError("it claims to hold more than it has bytes for")
    arrays: dict[str, NDArray[Any]] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or name in arrays:
            raise ValueError(f"{entry.filename!r} must be stored as it is, and once")
        array = _array(archive.read(entry), entry.filename)
        arrays[name] = _with_bits_of(array, entry.comment.decode("ascii", "replace")) if entry.comment else array
    return arrays


def _with_bits_of(array: NDArray[Any], name: str) -> NDArray[Any]:
    """The array as one of `MACHINE_FLOATS`, whose bits it holds."""
    import ml_dtypes

    if name not in MACHINE_FLOATS or array.dtype != f"u{(kind := np.dtype(getattr(ml_dtypes, name))).itemsize}":
        raise ValueError(f"{name!r:.40} must be the name of a type of numbers, with bits of it")
    return array.view(kind)


def _array(content: bytes, place: str) -> NDArray[Any]:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{place!r} must be an array of version 1 or 2, not {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    start = stream.tell()
    if dtype.kind not in "biufc" or dtype.hasobject or dtype.fields is not None:
        raise ValueError(f"{place!r} must hold numbers, not {dtype}")
    if len(content) - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{place!r} must hold {shape} values of {dtype.itemsize} bytes, not {len(content) - start}")
    array = np.frombuffer(content, dtype, offset=start).reshape(shape, order="F" if fortran else "C")
    return array.copy()
