"""The SQLite database of a run: schema, format number, and opening.

The journal is a rollback journal (`journal_mode=DELETE`) with `synchronous=EXTRA`: when a commit returns, the rows and
the deletion of the journal are on disk. Files are checked before SQLite opens them (`header.py`), since it would roll
back any journal next to them.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from evonas.errors import StorageError
from evonas.io.atomic import sync
from evonas.runs import migrations
from evonas.runs.checksums import insert, verify
from evonas.runs.header import APPLICATION_ID, FORMAT, check_header, check_journal, copy_file, journal_of
from genomes.errors import InputError

__all__ = [
    "DATABASE",
    "FORMAT",
    "check_header",
    "check_journal",
    "connect",
    "connect_readonly",
    "create",
    "journal_of",
    "transaction",
]

DATABASE = "run.sqlite"

SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
CREATE TABLE session (
    number INTEGER PRIMARY KEY, started_at TEXT NOT NULL, environment TEXT NOT NULL, budget TEXT NOT NULL,
    seconds REAL NOT NULL, stop TEXT, checksum TEXT NOT NULL
) STRICT;
CREATE TABLE candidate (
    generation INTEGER NOT NULL, position INTEGER NOT NULL, digest TEXT NOT NULL, seed INTEGER NOT NULL,
    epochs INTEGER NOT NULL, horizon INTEGER NOT NULL, origin TEXT NOT NULL,
    genome TEXT NOT NULL, parents TEXT NOT NULL, operator TEXT NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (generation, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE evaluation (
    generation INTEGER NOT NULL, position INTEGER NOT NULL, digest TEXT NOT NULL, seed INTEGER NOT NULL,
    epochs INTEGER NOT NULL, horizon INTEGER NOT NULL, origin TEXT NOT NULL, data TEXT NOT NULL, trainer TEXT NOT NULL,
    status TEXT NOT NULL, loss REAL, result TEXT NOT NULL, train_seconds REAL NOT NULL, weights TEXT, snapshots TEXT,
    checksum TEXT NOT NULL,
    PRIMARY KEY (generation, position), UNIQUE (digest, seed, epochs, horizon, origin, data, trainer)
) STRICT, WITHOUT ROWID;
CREATE INDEX evaluation_by_rank ON evaluation (loss, generation, position) WHERE loss IS NOT NULL;
CREATE INDEX evaluation_with_weights ON evaluation (weights) WHERE weights IS NOT NULL;
CREATE INDEX evaluation_with_snapshots ON evaluation (snapshots) WHERE snapshots IS NOT NULL;
CREATE TABLE state (generations INTEGER NOT NULL, value TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
CREATE TABLE finals (
    evaluated INTEGER NOT NULL, top INTEGER NOT NULL, seeds INTEGER NOT NULL, checksum TEXT NOT NULL
) STRICT;
CREATE TABLE retraining (
    digest TEXT NOT NULL, seed INTEGER NOT NULL, epochs INTEGER NOT NULL, status TEXT NOT NULL, result TEXT NOT NULL,
    test TEXT, train_seconds REAL NOT NULL, weights TEXT, checksum TEXT NOT NULL, PRIMARY KEY (digest, seed, epochs)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, generation INTEGER NOT NULL, position INTEGER NOT NULL,
    checksum TEXT NOT NULL
) STRICT;
CREATE TABLE span (
    generation INTEGER NOT NULL, position INTEGER NOT NULL, number INTEGER NOT NULL, process TEXT NOT NULL,
    thread INTEGER NOT NULL, started REAL NOT NULL, ended REAL NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (generation, position, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE retraining_span (
    digest TEXT NOT NULL, seed INTEGER NOT NULL, epochs INTEGER NOT NULL, number INTEGER NOT NULL,
    process TEXT NOT NULL, thread INTEGER NOT NULL, started REAL NOT NULL, ended REAL NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (digest, seed, epochs, number)
) STRICT, WITHOUT ROWID;
"""

_BUSY_SECONDS = 30.0
_LONGEST_VALUE = 64 << 20
#: Time limit for verifying a database: seconds, and seconds per byte.
_LOOK_SECONDS, _BYTES_A_SECOND = 5.0, 20e6
_STEPS = 100_000
#: Factor of the limit in wall-clock time.
_BUSY_FACTOR = 10.0


def create(path: Path, rows: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    """Creates a database with these rows, durably. The path must be private, since a crash leaves an incomplete file.

    Args:
        path: if there is nothing.
        rows: table -> its rows, without checksums.
    """
    with closing(_open(path, "rwc")) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        for table, values in rows.items():
            insert(connection, table, values)
        connection.execute("COMMIT")
    sync(path)


def connect(path: Path) -> sqlite3.Connection:
    """Opens the database for writing; incomplete transactions are rolled back, and older formats migrated.

    Raises:
        InputError: it is not a run, has a newer format, or is damaged; the file is left unchanged.
    """
    with _refusing(path):
        check_journal(path)
        connection = _open(path, "rw")
        try:
            _configure(connection, "rw")
            with _in_time(connection, path):
                version = _check_tables(connection)
                verify(connection, version)
            if version < FORMAT:
                migrations.back_up(connection, path.with_name(f"{path.name}.format-{version}"))
                with transaction(connection):
                    migrations.migrate(connection, version, SCHEMA)
                    connection.execute(f"PRAGMA user_version = {FORMAT}")
        except BaseException:
            connection.close()
            raise
        return connection


def connect_readonly(path: Path, trusted: bool = False) -> sqlite3.Connection:
    """Opens the database for reading, possibly while it is being written. Changes nothing; older formats are migrated
    in memory.

    Args:
        trusted: whether a live writer has verified all rows.

    Raises:
        InputError: as `connect`.
    """
    with _refusing(path):
        if not trusted and journal_of(path).exists():
            # After a crash during a commit, only a writer can roll back; this is done on a copy.
            return _recover(path)
        connection = _open(path, "ro")
        try:
            _configure(connection, "ro")
            with _in_time(connection, path):
                version = _check_tables(connection)
                if not trusted:
                    verify(connection, version)
            return connection if version == FORMAT else _migrate(connection, version)
        except BaseException:
            connection.close()
            raise


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Executes the block as one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a failed COMMIT may have rolled back already
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def _open(path: Path, mode: str) -> sqlite3.Connection:
    # Autocommit: only `transaction` opens transactions.
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)


def _configure(connection: sqlite3.Connection, mode: str) -> None:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    if mode != "ro":
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")


@contextmanager
def _in_time(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Interrupts verification that exceeds the limit for the file's size, in processor time of this thread."""
    most = _LOOK_SECONDS + path.stat().st_size / _BYTES_A_SECOND
    spent, until = time.thread_time() + most, time.monotonic() + _BUSY_FACTOR * most
    connection.set_progress_handler(lambda: time.thread_time() > spent or time.monotonic() > until, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    check_header(path)
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY):
            raise StorageError(f"{path} could not be opened: {error}") from error
        raise InputError(
            f"{path} must be an intact database of a run, but it is damaged ({error}): restore it from a copy"
        ) from None


def _check_tables(connection: sqlite3.Connection) -> int:
    """The format number, after checking that the tables match its schema exactly."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    with closing(sqlite3.connect(":memory:")) as expected:
        expected.executescript(migrations.SCHEMAS.get(version, SCHEMA))
        query = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        if expected.execute(query).fetchall() != connection.execute(query).fetchall():
            raise sqlite3.DatabaseError("its tables are not those of this format")
    return version


def _migrate(connection: sqlite3.Connection, version: int) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with closing(connection):
        connection.backup(memory)
    with transaction(memory):
        migrations.migrate(memory, version, SCHEMA)
        memory.execute(f"PRAGMA user_version = {FORMAT}")
    return memory


def _recover(path: Path) -> sqlite3.Connection:
    check_journal(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for source, target in ((path, copy), (journal_of(path), journal_of(copy))):
            with suppress(FileNotFoundError):  # the journal may have been rolled back meanwhile
                copy_file(source, target)
        memory = sqlite3.connect(":memory:", isolation_level=None)
        with closing(connect(copy)) as connection:
            connection.backup(memory)
        return memory
