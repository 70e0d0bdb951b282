"""`Opened`: the decompressed bytes of a file, readable repeatedly and limited in size."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

from genomes.errors import InputError

__all__ = ["MOST_TIMES", "Opened", "most_bytes", "open_source"]

#: A decompressed file may have this many times its compressed size, or `LEAST_BOUND` bytes if that is more.
MOST_TIMES = 100
LEAST_BOUND = 1 << 28
_CHUNK = 1 << 20


def _zstandard(file: IO[bytes]) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")


#: First bytes -> name, file extensions, and the function that opens the file.
_COMPRESSED: dict[bytes, tuple[str, tuple[str, ...], Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": ("gzip", (".gz", ".gzip"), lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    b"BZh": ("bzip2", (".bz2",), bz2.BZ2File),
    b"\xfd7zXZ\x00": ("xz", (".xz",), lzma.LZMAFile),
    b"\x28\xb5\x2f\xfd": ("zstd", (".zst", ".zstd"), _zstandard),
}


@dataclass(frozen=True)
class Opened:
    """A file that can be read repeatedly from its beginning.

    Attributes:
        path: path of the file.
        name: name of its table: the file's without the extension of the compression, or that of an archive's only file.
        kind: compression format; "" for an uncompressed file.
        member: name of the file in an archive.
    """

    path: Path
    name: str
    kind: str = ""
    member: str = ""

    @contextmanager
    def stream(self) -> Iterator[IO[bytes]]:
        """The bytes, decompressed.

        Raises:
            InputError: while reading: the file is damaged or exceeds the size limit.
        """
        try:
            with self.path.open("rb") as file:
                if not self.kind:
                    yield file
                    return
                if self.kind == "zip":
                    with zipfile.ZipFile(file) as archive, archive.open(self.member) as inner:
                        yield self._within_bound(inner)
                    return
                opener = next(each[2] for each in _COMPRESSED.values() if each[0] == self.kind)
                with opener(file) as inner:
                    yield self._within_bound(inner)
        except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError) as e:
            raise self._damaged_error(e) from None
        except OSError as error:
            if self.kind and error.errno is None:
                raise self._damaged_error(error) from None  # raised by bz2 and zstd
            raise InputError(
                f"{self.path} must be readable, but: {error.strerror or error}; copy it to another place"
            ) from None

    def head(self, size: int) -> bytes:
        """The first bytes."""
        with self.stream() as file:
            return _read_whole(file, size)

    def read(self, most: int) -> bytes:
        """All bytes.

        Raises:
            InputError: there are more than `most` bytes.
        """
        with self.stream() as file:
            found = _read_whole(file, most + 1)
        if len(found) > most:
            raise InputError(f"{self.path} must hold at most {most:,} bytes to be read in one piece: save it as CSV")
        return found

    def _within_bound(self, inner: Any) -> IO[bytes]:
        bound = most_bytes(self.path.stat().st_size)
        return io.BufferedReader(_Bounded(inner, bound, self.path, self.kind), _CHUNK)

    def _damaged_error(self, error: BaseException) -> InputError:
        return InputError(f"{self.path} must be a whole {self.kind} file, but: {error}; compress or fetch it again")


class _Bounded(io.RawIOBase):
    """A stream that raises an error after a number of bytes."""

    def __init__(self, inner: Any, bound: int, path: Path, kind: str) -> None:
        self._inner, self._left, self._bound, self._path, self._kind = inner, bound, bound, path, kind

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads into the buffer.

        Raises:
            InputError: more bytes than the limit were read.
        """
        found = self._inner.read(min(len(buffer), _CHUNK))
        self._left -= len(found)
        if self._left < 0:
            raise InputError(
                f"{self._path} must decompress to at most {self._bound:,} bytes, but holds more: decompress it by hand "
                f"({self._kind}) if it is indeed a table"
            )
        buffer[: len(found)] = found
        return len(found)


def most_bytes(size: int) -> int:
    """Maximum size, in bytes, to which a compressed file of this size may expand."""
    return max(LEAST_BOUND, MOST_TIMES * size)


def _read_whole(file: IO[bytes], size: int) -> bytes:
    parts, left = [], size
    while left > 0 and (part := file.read(min(left, _CHUNK))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def open_source(path: Path, start: bytes) -> Opened:
    """Determines how to open a file.

    Args:
        path: path of a regular, non-empty file.
        start: its first bytes.

    Raises:
        InputError: an archive does not contain exactly one table.
    """
    if start.startswith(b"PK\x03\x04"):
        return _archive(path)
    for magic, (kind, endings, _) in _COMPRESSED.items():
        if start.startswith(magic):
            return Opened(path, path.stem if path.suffix.lower() in endings else path.name, kind)
    return Opened(path, path.name)


def _archive(path: Path) -> Opened:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{path} must be a whole zip archive or Excel workbook, but: {error}; save the table as CSV"
        ) from None
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" in names or ("mimetype" in names and "content.xml" in names):
        return Opened(path, path.name if path.suffix else f"{path.name}.xlsx", "workbook")
    tables = [
        entry
        for entry in entries
        if not entry.filename.startswith("__MACOSX/") and not PurePath(entry.filename).name.startswith(".")
    ]
    if len(tables) != 1:
        shown = ", ".join(entry.filename for entry in tables[:5]) or "none"
        raise InputError(
            f"{path} must contain one table, not {len(tables)} files ({shown}): unpack it, and pass one of them"
        )
    if tables[0].flag_bits & 1:
        raise InputError(f"{path} must not be encrypted: unpack it with its password, and pass the table")
    return Opened(path, PurePath(tables[0].filename).name, "zip", tables[0].filename)
