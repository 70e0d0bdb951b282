"""Files that evonas writes to paths chosen by users: they contain a mark, and only marked files are overwritten.

A mark is the digest of the rest of the file. Files written by others have no mark, and files changed since they were
written have an invalid one: neither is overwritten.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import struct
from pathlib import Path

from evonas.io.atomic import sync_directory, temporary_in, write_atomically, write_new
from genomes.errors import InputError

__all__ = [
    "check_place",
    "is_product",
    "mark_archive",
    "mark_bytes",
    "mark_json",
    "mark_onnx",
    "mark_text",
    "publish",
    "publish_folder",
]

_PREFIX = b"written-by-evonas:sha256:"
_DIGITS = 64
_EMPTY = _PREFIX + b"0" * _DIGITS
_MARK = re.compile(re.escape(_PREFIX) + rb"[0-9a-f]{64}")
#: A mark is within the last bytes of a file.
_WITHIN = 4096
_LONGEST = 8 << 30
#: End record of a ZIP archive without a comment, whose last two bytes are the length of the comment.
_END_OF_ARCHIVE, _END_BYTES = b"PK\x05\x06", 22


def publish(path: Path, content: bytes) -> None:
    """Writes marked content to a path.

    Raises:
        InputError: the path has a file that evonas did not write, or that was changed since.
        OSError: it cannot be written.
    """
    if not os.path.lexists(path):
        try:
            write_new(path, lambda file: file.write(content))
            return
        except FileExistsError:
            pass  # created by another process meanwhile
    check_place(path)
    write_atomically(path, content)


def publish_folder(draft: Path, path: Path) -> None:
    """Copies a folder to a new path, completely or not at all.

    Raises:
        InputError: the path exists.
        OSError: it cannot be written.
    """
    temporary = temporary_in(path.parent)
    try:
        shutil.copytree(draft, temporary)
        if os.path.lexists(path):
            raise InputError(f"export path must be a new folder, but {path} exists already: choose another name")
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_directory(path.parent)


def check_place(path: Path, what: str = "file to write") -> None:
    """Raises InputError if the path has a file that evonas did not write, or that was changed since."""
    if os.path.lexists(path) and not is_product(path):
        raise InputError(
            f"{what} must be new, or written by evonas and unchanged since, but {path} is neither: "
            "choose another name, or move it away"
        )


def is_product(path: Path) -> bool:
    """Whether a regular file contains the mark of its content."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or not len(_EMPTY) <= about.st_size <= _LONGEST:
        os.close(descriptor)  # a folder cannot be opened as a file
        return False
    with os.fdopen(descriptor, "rb") as file:
        start = max(0, about.st_size - _WITHIN)
        file.seek(start)
        found = list(_MARK.finditer(file.read()))
        if not found:
            return False
        begin, end = start + found[-1].start(), start + found[-1].end()
        file.seek(0)
        digest = hashlib.sha256()
        left = begin
        while left and (piece := file.read(min(left, 1 << 20))):
            digest.update(piece)
            left -= len(piece)
        file.seek(end)
        digest.update(file.read())
        return found[-1].group()[-_DIGITS:] == digest.hexdigest().encode()


def mark_bytes(content: bytes, before: bytes = b"", behind: bytes = b"") -> bytes:
    """Appends a mark to the content, enclosed in the given bytes."""
    return _fill(content + before + _EMPTY + behind)


def mark_text(text: str, comment: tuple[str, str] = ("<!-- ", " -->")) -> bytes:
    """Appends a mark in a comment to Markdown, HTML or SVG text."""
    return mark_bytes(text.rstrip("\n").encode() + b"\n\n", comment[0].encode(), comment[1].encode() + b"\n")


def mark_json(text: str) -> bytes:
    """Adds a mark as the value of the last key, `mark`, to the text of a non-empty JSON object."""
    body = text.rstrip().removesuffix("}").rstrip()
    return mark_bytes(body.encode(), b',\n "mark": "', b'"\n}\n')


def mark_archive(content: bytes) -> bytes:
    """Adds a mark as the comment of a ZIP archive without one, such as a `.keras` file."""
    if content[-_END_BYTES:][:4] != _END_OF_ARCHIVE or content[-2:] != b"\0\0":
        raise ValueError("the archive must end without a comment")
    return mark_bytes(content[:-2] + struct.pack("<H", len(_EMPTY)))


def mark_onnx(content: bytes) -> bytes:
    """Adds a mark to the metadata of an ONNX model; in its format, bytes appended to a message are another field."""
    key = b"evonas"
    entry = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(_EMPTY)])
    return mark_bytes(content, b"\x72" + bytes([len(entry) + len(_EMPTY)]) + entry)


def _fill(content: bytes) -> bytes:
    begin = content.rindex(_EMPTY)
    before, behind = content[:begin], content[begin + len(_EMPTY) :]
    return before + _PREFIX + hashlib.sha256(before + behind).hexdigest().encode() + behind
