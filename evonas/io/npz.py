"""Arrays in an `.npz` file, read as data and no more: plain numbers, and at most as many as the file has bytes for.

What `numpy.load` would also take is refused: compressed entries (a small file may claim gigabytes), pickled objects,
names twice, and whatever is neither a number nor a truth value. Files that users name as their data may be compressed
and hold text, within the bound that all compressed tables have.
"""

from __future__ import annotations

import io
import math
import os
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.io.opened import most_bytes

__all__ = ["MACHINE_FLOATS", "open_plain", "read_arrays", "read_compressed_arrays"]

#: Short floating-point types that numpy does not know: stored as whole numbers of their bits, with their name.
MACHINE_FLOATS = frozenset(
    {"bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz"}
    | {"float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"}
)

_MOST_ARRAYS = 100_000
_LONGEST_HEADER = 1 << 16
#: Where an entry of an archive tells how long its name is.
_LOCAL_LENGTHS = 26
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
        raise OSError("it is not a plain file")
    if about.st_size > _SPARSE_BYTES and about.st_blocks * 512 < about.st_size // 64:
        os.close(descriptor)
        raise OSError("it is all holes")
    return os.fdopen(descriptor, "rb")


def read_arrays(
    source: Path | bytes, only: Collection[str] | None = None, mapped_from: int | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays by name.

    Args:
        source: the file, or its bytes.
        only: names of those that are wanted; all when None.
        mapped_from: bytes from which on an array of a file stays on the disk, to be read only; all are in memory when
            None.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a file of plain arrays, or damaged; says where.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else open_plain(source)
    with file:
        try:
            with zipfile.ZipFile(file) as archive:
                mapping = None if isinstance(source, bytes) or mapped_from is None else (file, mapped_from)
                return _read(archive, file.seek(0, os.SEEK_END), only, mapping)
        except _DAMAGE as error:
            raise ValueError(str(error) or type(error).__name__) from None


#: What reading a damaged file raises in addition to OSError and ValueError.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
    *(EOFError, MemoryError, NotImplementedError, RuntimeError),
)


def read_compressed_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a user's own file by name: numbers, text or dates, compressed or not. Links are followed.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file, damaged, or takes more than its bound when it is decompressed.
    """
    with open_plain(path.resolve()) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                _check_bound(entries, most_bytes(file.seek(0, os.SEEK_END)))
                return {entry.filename.removesuffix(".npy"): _check_array(archive, entry) for entry in entries}
        except _DAMAGE as error:
            raise ValueError(str(error) or type(error).__name__) from None


def _check_bound(entries: list[zipfile.ZipInfo], most: int) -> None:
    if len(entries) > _MOST_ARRAYS or sum(entry.file_size for entry in entries) > most:
        raise ValueError(f"it must expand to at most {_MOST_ARRAYS:,} arrays and {most:,} bytes; save it uncompressed")
    names = [entry.filename.removesuffix(".npy") for entry in entries]
    if len(set(names)) < len(names):
        raise ValueError("two of its arrays have one name")


def _check_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    content, place = bytearray(entry.file_size), 0
    with archive.open(entry) as file, memoryview(content) as view:
        while found := file.read(min(1 << 20, len(content) - place)):
            view[place : place + len(found)] = found
            place += len(found)
    if place < len(content):
        raise ValueError(f"{entry.filename!r} is shorter than it claims")
    array = _array(content, entry.filename, "biufcUSM")
    if not array.size:
        raise ValueError(f"{entry.filename!r} must hold values, not be of shape {array.shape}")
    return array


def _read(
    archive: zipfile.ZipFile, size: int, only: Collection[str] | None, mapping: tuple[Any, int] | None
) -> dict[str, NDArray[Any]]:
    entries = archive.infolist()
    if len(entries) > _MOST_ARRAYS or sum(entry.file_size for entry in entries) > size:
        raise ValueError("it claims to hold more than it has bytes for")
    arrays: dict[str, NDArray[Any]] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or name in arrays:
            raise ValueError(f"{entry.filename!r} must be stored as it is, and once")
        if only is not None and name not in only:
            continue
        if mapping is not None and entry.file_size >= mapping[1] and not entry.comment:
            arrays[name] = _map_array(mapping[0], archive, entry)
            continue
        array = _array(archive.read(entry), entry.filename).copy()
        arrays[name] = _with_bits_of(array, entry.comment.decode("ascii", "replace")) if entry.comment else array
    return arrays


def _with_bits_of(array: NDArray[Any], name: str) -> NDArray[Any]:
    """The array as one of `MACHINE_FLOATS`, whose bits it holds."""
    import ml_dtypes

    if name not in MACHINE_FLOATS or array.dtype != f"u{(kind := np.dtype(getattr(ml_dtypes, name))).itemsize}":
        raise ValueError(f"{name!r:.40} must be the name of a type of numbers, with bits of it")
    return array.view(kind)


def _map_array(file: Any, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    """The array as it lies in the file."""
    with archive.open(entry) as stream:
        shape, fortran, dtype, start = _header(stream.read(_LONGEST_HEADER), entry.file_size, entry.filename)
    file.seek(entry.header_offset + _LOCAL_LENGTHS)
    lengths = struct.unpack("<HH", file.read(4))  # of the name, and of what stands after it
    offset = entry.header_offset + _LOCAL_LENGTHS + 4 + sum(lengths) + start
    return np.memmap(file, dtype, "r", offset, shape, order="F" if fortran else "C")


def _array(content: bytes | bytearray, place: str, kinds: str = "biufc") -> NDArray[Any]:
    shape, fortran, dtype, start = _header(memoryview(content)[:_LONGEST_HEADER], len(content), place, kinds)
    return np.frombuffer(content, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def _header(
    content: bytes | memoryview, size: int, place: str, kinds: str = "biufc"
) -> tuple[tuple[int, ...], bool, Any, int]:
    """Shape, whether columns come first, type, and where the numbers begin, of an array of this many bytes in all."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{place!r} must be an array of version 1 or 2, not {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    start = stream.tell()
    if dtype.kind not in kinds or dtype.hasobject or dtype.fields is not None:
        raise ValueError(f"{place!r} must hold numbers, not {dtype}")
    if min(shape, default=0) < 0 or size - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{place!r} must hold {shape} values of {dtype.itemsize} bytes, not {size - start}")
    return shape, fortran, dtype, start
