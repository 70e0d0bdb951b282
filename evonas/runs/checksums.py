"""Row checksums: the last column of every table is a checksum of the others."""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["insert", "put_about", "seal", "update", "verify"]

Row = tuple[Any, ...]

_TABLES: tuple[str, ...] = (
    *("about", "session", "candidate", "evaluation", "state", "finals", "retraining", "event"),
    *("span", "retraining_span"),
)

#: Table -> the first format that has it, if not 3.
_SINCE = {"event": 4, "span": 5, "retraining_span": 6}

#: Queries that return rows only if a row is missing.
_MISSING = (
    "SELECT count(*) FROM evaluation e LEFT JOIN candidate c USING (generation, position) WHERE c.seed IS NULL",
    "SELECT count(*) FROM (SELECT max(position) - count(*) AS gap FROM candidate GROUP BY generation) WHERE gap != -1",
    "SELECT max(number) != count(*) FROM session",
    "SELECT count(*) != 1 FROM state",
)
_MISSING_SPANS = (
    "SELECT count(*) FROM span s LEFT JOIN evaluation e USING (generation, position) WHERE e.seed IS NULL",
)
_MISSING_RETRAININGS = (
    "SELECT count(*) FROM retraining_span s LEFT JOIN retraining r USING (digest, seed, epochs) WHERE r.status IS NULL",
)
#: The same for asynchronous runs: each candidate has an ask event, which precedes its tell event.
_MISSING_EVENTS = (
    "SELECT max(number) != count(*) FROM event",
    "SELECT EXISTS (SELECT 1 FROM event) AND (SELECT count(*) FROM candidate) != "
    "(SELECT count(*) FROM event WHERE kind = 'asked')",
    "SELECT EXISTS (SELECT 1 FROM event t WHERE t.kind = 'told' AND NOT EXISTS (SELECT 1 FROM event a WHERE "
    "a.kind = 'asked' AND a.number < t.number AND a.generation = t.generation AND a.position = t.position))",
)


def seal(row: Sequence[Any]) -> Row:
    """Appends the checksum to a row, after converting numpy numbers and enumerations to plain values.

    SQLite does not distinguish -0.0 from 0.0, and stores NaN as NULL.
    """
    row = tuple(map(_plain, row))
    return (*row, hashlib.blake2b(repr(row).encode(), digest_size=8).hexdigest())


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(value) + 0.0  # -0.0 + 0.0 is 0.0
    return int(value) if isinstance(value, np.integer) else value


def insert(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Adds rows, given without checksums."""
    for row in map(seal, rows):
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def update(connection: sqlite3.Connection, table: str, key: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Changes the one row whose columns are `key`."""
    where = " AND ".join(f"{name} = ?" for name in key) or "true"
    cursor = connection.execute(f"SELECT * FROM {table} WHERE {where}", tuple(key.values()))
    row = dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True)) | dict(changes)
    values = dict(zip(row, seal(list(row.values())[:-1]), strict=True))
    setting = ", ".join(f"{name} = ?" for name in (*changes, "checksum"))
    stored = (values[name] for name in (*changes, "checksum"))
    connection.execute(f"UPDATE {table} SET {setting} WHERE {where}", (*stored, *key.values()))


def put_about(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Sets a row of `about`, adding it if necessary."""
    if connection.execute("SELECT 1 FROM about WHERE key = ?", (key,)).fetchone():
        update(connection, "about", {"key": key}, {"value": value})
    else:
        insert(connection, "about", [(key, value)])


def verify(connection: sqlite3.Connection, version: int) -> None:
    """Verifies every page and every row; rows have checksums from format 3 on.

    Raises:
        sqlite3.DatabaseError: a page or a row was changed, or a row is missing.
    """
    if (problem := connection.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(problem)
    tables = () if version < 3 else [table for table in _TABLES if _SINCE.get(table, 3) <= version]
    for table in tables:
        for number, row in enumerate(connection.execute(f"SELECT * FROM {table}")):
            if any(isinstance(value, float) and math.isinf(value) for value in row):
                raise sqlite3.DatabaseError(f"row {number + 1} of {table} holds an infinite number")
            if seal(row[:-1]) != row:
                raise sqlite3.DatabaseError(f"row {number + 1} of {table} is not as it was written")
    for query in (
        *_MISSING,
        *(_MISSING_EVENTS if "event" in tables else ()),
        *(_MISSING_SPANS if "span" in tables else ()),
        *(_MISSING_RETRAININGS if "retraining_span" in tables else ()),
    ):
        if connection.execute(query).fetchone()[0]:
            raise sqlite3.DatabaseError("a row is missing")
