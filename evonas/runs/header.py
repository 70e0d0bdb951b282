"""Checks the headers of a database and its journal before SQLite opens them, since foreign files may contain
anything.

SQLite rolls back a journal as soon as it opens the database: it writes pages from the journal, resizes the database,
and deletes the file named as "super-journal", which evonas never uses. Rejected files are not touched.

References:
    SQLite, "Database File Format", sections 1.3 and 3, https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from evonas.io.npz import open_plain
from evonas.runs import migrations
from genomes.errors import InputError

__all__ = ["APPLICATION_ID", "FORMAT", "check_header", "check_journal", "copy_file", "journal_of"]

APPLICATION_ID = 0x65764E41  # "evNA"
FORMAT = 6

_HEADER_BYTES = 100
_JOURNAL = bytes([0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7])
_READ_BYTES = 1 << 20


def journal_of(path: Path) -> Path:
    """The rollback journal, which exists during a commit, or after a crash until a writer rolls it back."""
    return path.with_name(path.name + "-journal")


def check_header(path: Path) -> None:
    """Checks the file's first 100 bytes and its size, so that newer formats and foreign files are not opened.

    Raises:
        InputError: it is not the database of a run; the message describes what was found.
    """
    try:
        with open_plain(path) as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        raise InputError(f"run directory must hold a run, but there is none in {path.parent}: check the path") from None
    except OSError as error:
        raise InputError(f"{path} must be readable ({error.strerror or error}): check its permissions") from None
    if len(header) < _HEADER_BYTES or not header.startswith(b"SQLite format 3\0"):
        raise InputError(f"{path} must be the database of a run, but it is not a SQLite file: restore it from a copy")
    version, application = struct.unpack(">I", header[60:64])[0], struct.unpack(">I", header[68:72])[0]
    if application != APPLICATION_ID:
        raise InputError(f"{path} must be the database of a run, but another program wrote it: check the path")
    if version > FORMAT:
        raise InputError(
            f"run format must be at most {FORMAT}, which this version of evonas reads, but {path.parent} has format "
            f"{version}: upgrade evonas; nothing was changed"
        )
    if version < FORMAT and version not in migrations.SCHEMAS:
        raise InputError(
            f"run format must be {' or '.join(map(str, (*migrations.SCHEMAS, FORMAT)))}, but {path.parent} has format "
            f"{version}, from an unreleased version: start a new run; nothing was changed"
        )
    if header[18:20] != b"\x01\x01":
        raise InputError(
            f"{path} must have a rollback journal, as evonas writes it, not a write-ahead log: restore it from a copy"
        )
    for suffix in ("-wal", "-shm"):
        if os.path.lexists(path.with_name(path.name + suffix)):
            raise InputError(
                f"run directory must contain only files of evonas, but {path.name}{suffix} is in {path.parent}, which "
                "SQLite would consider part of the run: move it away"
            )


def check_journal(path: Path) -> None:
    """Checks the journal of a database, if any, before SQLite rolls it back.

    Raises:
        InputError: it names another file, or is of a longer database.
    """
    journal = journal_of(path)
    try:
        with open_plain(journal) as file:
            about = os.fstat(file.fileno())
            header = file.read(28)
            file.seek(max(0, about.st_size - 8))
            tail = file.read(8)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{journal} must be readable ({error.strerror or error}): check its permissions") from None
    if tail == _JOURNAL and about.st_size > 8:
        raise InputError(
            f"{journal} must be a journal of evonas, but it names another file, which SQLite would delete: the "
            "directory was changed by another program; nothing was changed now"
        )
    if not header.startswith(_JOURNAL) and header.strip(b"\0") and not _is_begun(header):
        raise InputError(
            f"{journal} must be a journal of evonas, but another program wrote it, and SQLite would delete it: move "
            "it away"
        )
    if len(header) < 28 or not header.startswith(_JOURNAL):
        return  # SQLite would not play back anything
    pages, sector, size = struct.unpack(">III", header[16:28])
    if size < 512 or size > 65536 or sector > 65536 or pages * size > path.stat().st_size + size:
        raise InputError(
            f"{journal} must be the journal of {path.name}, but belongs to a database of {pages:,} pages: restore the "
            "run from a copy; nothing was changed"
        )


def _is_begun(header: bytes) -> bool:
    """Whether the header is that of a journal not yet synchronised, without its first 12 bytes."""
    if len(header) < 28 or header[:12].strip(b"\0"):
        return False
    sector, size = struct.unpack(">II", header[20:28])
    return all(512 <= value <= 65536 and value & (value - 1) == 0 for value in (sector, size))


def copy_file(source: Path, target: Path) -> None:
    """Copies a regular file; `check_journal` still applies to the copy."""
    with open_plain(source) as file, target.open("wb") as copy:
        left = os.fstat(file.fileno()).st_size
        while left and (piece := file.read(min(left, _READ_BYTES))):
            copy.write(piece)
            left -= len(piece)
