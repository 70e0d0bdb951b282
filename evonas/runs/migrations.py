"""Migrations of older formats of the run database to the current one, after a backup."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from evonas.io.atomic import place_new, sync_directory, temporary_in
from evonas.runs.checksums import insert

__all__ = ["SCHEMAS", "TABLES", "back_up", "migrate"]

_FORMAT_3 = """
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
"""

_EVENT = """
CREATE TABLE event (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, generation INTEGER NOT NULL, position INTEGER NOT NULL,
    checksum TEXT NOT NULL
) STRICT;
"""

_SPAN = """CREATE TABLE span (
    generation INTEGER NOT NULL, position INTEGER NOT NULL, number INTEGER NOT NULL, process TEXT NOT NULL,
    thread INTEGER NOT NULL, started REAL NOT NULL, ended REAL NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (generation, position, number)
) STRICT, WITHOUT ROWID;
"""

#: Format -> its schema, for formats that can be migrated.
SCHEMAS = {
    2: """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE session (
    number INTEGER PRIMARY KEY, started_at TEXT NOT NULL, environment TEXT NOT NULL, budget TEXT NOT NULL,
    seconds REAL NOT NULL, stop TEXT
) STRICT;
CREATE TABLE candidate (
    generation INTEGER NOT NULL, position INTEGER NOT NULL, digest TEXT NOT NULL, seed INTEGER NOT NULL,
    epochs INTEGER NOT NULL, horizon INTEGER NOT NULL, origin TEXT NOT NULL,
    genome TEXT NOT NULL, parents TEXT NOT NULL, operator TEXT NOT NULL,
    PRIMARY KEY (generation, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE evaluation (
    generation INTEGER NOT NULL, position INTEGER NOT NULL, digest TEXT NOT NULL, seed INTEGER NOT NULL,
    epochs INTEGER NOT NULL, horizon INTEGER NOT NULL, origin TEXT NOT NULL,
    status TEXT NOT NULL, loss REAL, result TEXT NOT NULL, train_seconds REAL NOT NULL, weights TEXT, snapshots TEXT,
    PRIMARY KEY (generation, position), UNIQUE (digest, seed, epochs, horizon, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX evaluation_by_rank ON evaluation (loss, generation, position) WHERE loss IS NOT NULL;
CREATE INDEX evaluation_with_weights ON evaluation (weights) WHERE weights IS NOT NULL;
CREATE INDEX evaluation_with_snapshots ON evaluation (snapshots) WHERE snapshots IS NOT NULL;
CREATE TABLE state (generations INTEGER NOT NULL, value TEXT NOT NULL) STRICT;
""",
    3: _FORMAT_3,
    4: _FORMAT_3 + _EVENT.lstrip(),
    5: _FORMAT_3 + _EVENT.lstrip() + _SPAN,
}
#: Tables introduced by a format, each identical to that in the current schema.
_ADDED = {4: "event", 5: "span", 6: "retraining_span"}

#: Tables of format 2.
TABLES = ("about", "session", "candidate", "evaluation", "state")


def back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Copies the database to `path`, durably, unless an earlier attempt did."""
    if path.exists():
        return
    temporary = temporary_in(path.parent)
    with closing(sqlite3.connect(temporary)) as copy:
        connection.backup(copy)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    place_new(temporary, path)
    sync_directory(path.parent)


def migrate(connection: sqlite3.Connection, version: int, schema: str) -> None:
    """Migrates the tables to the current schema, within the open transaction.

    Format 2 had no checksums, and neither the data nor the trainer in an evaluation's key; format 3 had no events,
    format 4 no spans, format 5 no spans of retraining.
    """
    if version == 2:
        _from_2(connection, schema)
    else:
        for table in (table for since, table in _ADDED.items() if since > version):
            connection.execute(next(each for each in schema.split(";") if f"CREATE TABLE {table} " in each))


def _from_2(connection: sqlite3.Connection, schema: str) -> None:
    rows: dict[str, list[tuple[Any, ...]]] = {
        table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES
    }
    about = dict(rows["about"])
    for table in TABLES:
        connection.execute(f"DROP TABLE {table}")
    for statement in schema.split(";"):
        connection.execute(statement)
    rows["about"].append(("trainer", "1"))
    added = (about["fingerprint"][:16], "1")
    rows["evaluation"] = [(*row[:7], *added, *row[7:]) for row in rows["evaluation"]]
    for table in TABLES:
        insert(connection, table, rows[table])
