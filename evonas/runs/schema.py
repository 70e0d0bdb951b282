"""The SQLite file of a run: its schema, its format number, and how it is opened.

The journal is a rollback journal (`journal_mode=DELETE`) with `synchronous=EXTRA`: when a commit returns, the rows are
on the disk and the journal's deletion too.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from evonas.errors import StorageError
from evonas.runs import migrations
from evonas.runs.rows import verify
from genomes.errors import InputError

__all__ = ["DATABASE", "FORMAT", "check_header", "connect", "connect_readonly", "create", "journal_of", "transaction"]

DATABASE = "run.sqlite"
APPLICATION_ID = 0x65764E41  # "evNA"
FORMAT = 4

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
"""

_BUSY_SECONDS = 30.0
_LONGEST_VALUE = 256 << 20


def create(path: Path) -> sqlite3.Connection:
    """A new database, open for writing."""
    connection = _open(path, "rwc")
    _configure(connection, "rwc")
    with transaction(connection):
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """The database, open for writing; what a crash left half written is rolled back, and an older format brought up.

    Raises:
        InputError: it is no run, of a newer format, or damaged; the file is left as it is.
    """
    with _refusing(path):
        connection = _open(path, "rw")
        try:
            _configure(connection, "rw")
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
    """The database, open for reading beside its writer. Changes nothing; an older format is brought up in memory.

    Args:
        trusted: whether every row is known to be good, since a live writer has looked at them.

    Raises:
        InputError: as `connect`.
    """
    with _refusing(path):
        if not trusted and journal_of(path).exists():
            # A crash in the midst of a commit, which only a writer can roll back: done on a copy.
            return _recovered(path)
        connection = _open(path, "ro")
        try:
            _configure(connection, "ro")
            version = _check_tables(connection)
            if not trusted:
                verify(connection, version)
            return connection if version == FORMAT else _migrated(connection, version)
        except BaseException:
            connection.close()
            raise


def journal_of(path: Path) -> Path:
    """The rollback journal, which is there during a commit, or after a crash in one until a writer rolls it back."""
    return path.with_name(path.name + "-journal")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block, or nothing of it."""
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
    # Autocommit: transactions are opened by `transaction`, and nowhere else.
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
def _refusing(path: Path) -> Iterator[None]:
    check_header(path)
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY):
            raise StorageError(f"{path} could not be opened: {error}") from error
        raise InputError(
            f"{path} must be a whole database of a run, but it is damaged ({error}): restore it from a copy"
        ) from None


def _check_tables(connection: sqlite3.Connection) -> int:
    """The format, if the tables are those of that format to the letter."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    with closing(sqlite3.connect(":memory:")) as expected:
        expected.executescript(migrations.SCHEMAS.get(version, SCHEMA))
        query = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        if expected.execute(query).fetchall() != connection.execute(query).fetchall():
            raise sqlite3.DatabaseError("its tables are not those of this format")
    return version


def _migrated(connection: sqlite3.Connection, version: int) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with closing(connection):
        connection.backup(memory)
    with transaction(memory):
        migrations.migrate(memory, version, SCHEMA)
        memory.execute(f"PRAGMA user_version = {FORMAT}")
    return memory


def _recovered(path: Path) -> sqlite3.Connection:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for source, target in ((path, copy), (journal_of(path), journal_of(copy))):
            with suppress(FileNotFoundError):  # the journal may have been settled meanwhile
                shutil.copyfile(source, target, follow_symlinks=False)
        memory = sqlite3.connect(":memory:", isolation_level=None)
        with closing(connect(copy)) as connection:
            connection.backup(memory)
        return memory


def check_header(path: Path) -> None:
    """Looks at the file's first 100 bytes, before SQLite does: a newer format must not be touched."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        raise InputError(f"run directory must hold a run, but there is none in {path.parent}: check the path") from None
    except OSError as error:
        raise InputError(f"{path} must be readable ({error.strerror}): check its permissions") from None
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise InputError(f"{path} must be the database of a run, but it is no SQLite file: restore it from a copy")
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
            f"{version}, of a version that was never released: start a new run; nothing was changed"
        )
