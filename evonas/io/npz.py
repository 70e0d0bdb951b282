"""Reads arrays from `.npz` files safely: only plain numbers, and at most as many as the file has bytes for.

Content that `numpy.load` would also accept is refused: compressed entries (a small file may claim gigabytes), pickled
objects, duplicate names, and types other than numbers and booleans. Data files of users may be compressed and contain
text, within the size limit of all compressed tables.
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

#: Short floating-point types unknown to numpy: stored as integers with the same bits, together with their name.
MACHINE_FLOATS = frozenset(
    {"bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz"}
    | {"float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"}
)

_MOST_ARRAYS = 100_000
_LONGEST_HEADER = 1 << 16
#: Offset of the name's length in an archive's entry.
_LOCAL_LENGTHS = 26
#: A larger file must really occupy its size on the disk: holes cost the sender nothing but the reader a lot.
_SPARSE_BYTES = 64 << 20


def open_plain(path: Path) -> BufferedReader:
    """Opens a regular file for reading; follows no link.

    Raises:
        OSError: it is not a regular file, consists mostly of holes, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise OSError("it is not a regular file")
    if about.st_size > _SPARSE_BYTES and about.st_blocks * 512 < about.st_size // 64:
        os.close(descriptor)
        raise OSError("it consists of holes")
    return os.fdopen(descriptor, "rb")


def read_arrays(
    source: Path | bytes, only: Collection[str] | None = None, mapped_from: int | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays by name.

    Args:
        source: the file, or its bytes.
        only: names of the arrays to read; None for all.
        mapped_from: arrays of at least this many bytes are mapped from the file, read-only; None reads all arrays into
            memory.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a file of plain arrays, or is damaged; the message names the entry.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else open_plain(source)
    with file:
        try:
            with zipfile.ZipFile(file) as archive:
                mapping = None if isinstance(source, bytes) or mapped_from is None else (file, mapped_from)
                return _read(archive, file.seek(0, os.SEEK_END), only, mapping)
        except _DAMAGE as error:
            raise ValueError(str(error) or type(error).__name__) from None


#: Errors raised on reading a damaged file, in addition to OSError and ValueError.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
    *(EOFError, MemoryError, NotImplementedError, RuntimeError),
)


def read_compressed_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a user's file by name: numbers, text or dates, compressed or not. Links are followed.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a file, is damaged, or exceeds the size limit when decompressed.
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
        raise ValueError("two of its arrays have the same name")


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
        raise ValueError("it claims to contain more than it has bytes for")
    arrays: dict[str, NDArray[Any]] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or name in arrays:
            raise ValueError(f"{entry.filename!r} must be stored uncompressed, and once")
        if only is not None and name not in only:
            continue
        if mapping is not None and entry.file_size >= mapping[1] and not entry.comment:
            arrays[name] = _map_array(mapping[0], archive, entry)
            continue
        array = _array(archive.read(entry), entry.filename).copy()
        arrays[name] = _with_bits_of(array, entry.comment.decode("ascii", "replace")) if entry.comment else array
    return arrays


def _with_bits_of(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Reinterprets the bits of an integer array as one of `MACHINE_FLOATS`."""
    import ml_dtypes

    if name not in MACHINE_FLOATS or array.dtype != f"u{(kind := np.dtype(getattr(ml_dtypes, name))).itemsize}":
        raise ValueError(f"{name!r:.40} must be the name of a floating-point type of the array's size")
    return array.view(kind)


def _map_array(file: Any, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    """Maps the array from the file."""
    with archive.open(entry) as stream:
        shape, fortran, dtype, start = _header(stream.read(_LONGEST_HEADER), entry.file_size, entry.filename)
    file.seek(entry.header_offset + _LOCAL_LENGTHS)
    lengths = struct.unpack("<HH", file.read(4))  # of the name and of the extra field
    offset = entry.header_offset + _LOCAL_LENGTHS + 4 + sum(lengths) + start
    return np.memmap(file, dtype, "r", offset, shape, order="F" if fortran else "C")


def _array(content: bytes | bytearray, place: str, kinds: str = "biufc") -> NDArray[Any]:
    shape, fortran, dtype, start = _header(memoryview(content)[:_LONGEST_HEADER], len(content), place, kinds)
    return np.frombuffer(content, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def _header(
    content: bytes | memoryview, size: int, place: str, kinds: str = "biufc"
) -> tuple[tuple[int, ...], bool, Any, int]:
    """Shape, whether in Fortran order, type, and offset of the numbers of an array with this total size in bytes."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{place!r} must be an array of version 1 or 2, not {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    start = stream.tell()
    if dtype.hasobject and dtype.fields is None and "U" in kinds:  # a user's file; reading objects would run code in it
        raise ValueError(
            f"{place!r} must hold numbers or text, not Python objects: save texts with astype(str), and "
            "rows of several lengths padded with NaN"
        )
    if dtype.kind not in kinds or dtype.hasobject or dtype.fields is not None:
        what = "numbers or text" if "U" in kinds else "numbers"
        fix = (
            ": convert labels with .astype(str), pad shorter series with NaN"
            if "U" in kinds and dtype.hasobject
            else ""
        )
        raise ValueError(f"{place!r} must hold {what}, not {dtype}{fix}")
    if min(shape, default=0) < 0 or size - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{place!r} must hold {shape} values of {dtype.itemsize} bytes, not {size - start}")
    return shape, fortran, dtype, start
