"""Detection of the encoding of a text file, by reading all of it once."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from evonas.io.opened import Opened
from genomes.errors import InputError

__all__ = ["LONGEST_LINE", "Scan", "decode", "scan", "utf8_stream"]

#: Maximum length of a line, in characters.
LONGEST_LINE = 1 << 26
_CHUNK = 1 << 20
_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


@dataclass(frozen=True)
class Scan:
    """Result of one pass over the bytes of a text file.

    Attributes:
        encoding: Python name of the encoding.
        note: message for the user if the encoding is not UTF-8, otherwise empty.
        quotes: number of double quotes.
        escaped: whether one of them follows a backslash.
    """

    encoding: str
    note: str
    quotes: int
    escaped: bool


def scan(source: Opened, asked: str = "") -> Scan:
    """Reads all of a text file and detects its encoding.

    UTF-8, UTF-16 and UTF-32 are recognised reliably; anything else is read as cp1252 (Windows) if it decodes all bytes,
    otherwise as Latin-1.

    Args:
        source: the file.
        asked: the encoding given by the user, or "".

    Raises:
        InputError: the file is not text, or not in the given encoding.
    """
    encoding = asked or _guess(source.head(4096))
    try:
        return Scan(encoding, "", *_count(source, encoding))
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        if asked or encoding != "utf-8":
            raise InputError(
                f"{source.path} must be {encoding} text, but holds the invalid byte {byte:#04x}: name its "
                "encoding (--encoding), or save it as UTF-8"
            ) from None
    for encoding in ("cp1252", "latin-1"):
        try:
            found = _count(source, encoding)
        except UnicodeDecodeError:
            continue
        note = (
            f"{source.path.name} is read as {encoding}, since it is not UTF-8 (byte {byte:#04x}): --encoding NAME sets "
            "another"
        )
        return Scan(encoding, note, *found)
    raise AssertionError("latin-1 decodes all bytes")


def _guess(head: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    # In UTF-16 text of mostly Western letters without a byte order mark, every other byte is 0.
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > len(head) // 4 and even < odd // 10:
        return "utf-16-le"
    return "utf-16-be" if even > len(head) // 4 and odd < even // 10 else "utf-8"


def _count(source: Opened, encoding: str) -> tuple[int, bool]:
    """Counts double quotes and detects escaped ones, decoding the whole file."""
    decoder = codecs.getincrementaldecoder(encoding)()
    plain = encoding in ("utf-8", "utf-8-sig", "cp1252", "latin-1")
    quotes, escaped, lines, length, last = 0, False, 1, 0, b""
    with source.stream() as file:
        while chunk := file.read(_CHUNK):
            text = decoder.decode(chunk)
            length = 0 if "\n" in text or "\r" in text else length + len(text)
            if length >= LONGEST_LINE:
                raise InputError(
                    f"{source.path} must have lines of fewer than {LONGEST_LINE:,} characters, but line {lines} has "
                    "more: is it a table?"
                )
            if "\0" in text:
                line = lines + text[: text.index("\0")].count("\n")
                raise InputError(
                    f"{source.path} must be text, but line {line} holds a NUL byte (binary data, or UTF-16): save it "
                    "as UTF-8 CSV"
                )
            lines += text.count("\n")
            data = chunk if plain else text.encode()
            quotes += data.count(b'"')
            escaped = escaped or b'\\"' in last + data
            last = data[-1:]
        decoder.decode(b"", final=True)
    return quotes, escaped


@contextmanager
def decode(source: Opened, encoding: str) -> Iterator[IO[str]]:
    """Opens the decoded text with its line ends unchanged."""
    with source.stream() as file, io.TextIOWrapper(_reader(file), encoding=encoding, newline="") as text:
        yield text


@contextmanager
def utf8_stream(source: Opened, encoding: str, skipped: int, comment: str = "") -> Iterator[IO[bytes]]:
    """Opens the text as UTF-8 bytes, without the skipped characters and without comment lines."""
    with source.stream() as file:
        if encoding == "utf-8" and not skipped and not comment:
            yield file
            return
        with io.TextIOWrapper(_reader(file), encoding=encoding, newline="") as text:
            while skipped and (part := text.read(min(skipped, _CHUNK))):
                skipped -= len(part)
            yield io.BufferedReader(_Encoded(text, comment), _CHUNK)


def _reader(file: IO[bytes]) -> io.BufferedReader:
    """Wraps a stream for `TextIOWrapper`, which closes the stream it reads."""
    return io.BufferedReader(_Raw(file), _CHUNK)


class _Raw(io.RawIOBase):
    """A byte stream whose inner stream stays open when it is closed."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner = inner

    def readable(self) -> bool:
        """Whether the stream is readable: always true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads as much as fits into the buffer."""
        found = self._inner.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


class _Encoded(io.RawIOBase):
    """Text as UTF-8 bytes."""

    def __init__(self, text: IO[str], comment: str) -> None:
        self._text, self._comment, self._rest = text, comment, b""

    def readable(self) -> bool:
        """Whether the stream is readable: always true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads as much as fits into the buffer."""
        if not self._rest:
            self._rest = self._more().encode()
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _more(self) -> str:
        if not self._comment:
            return self._text.read(_CHUNK)
        while lines := self._text.readlines(_CHUNK):
            if kept := "".join(line for line in lines if not line.lstrip().startswith(self._comment)):
                return kept
        return ""
