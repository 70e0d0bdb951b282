"""The digest of a run, which is equal for two runs with the same results."""

from __future__ import annotations

import hashlib
import sqlite3

__all__ = ["run_digest"]


def run_digest(connection: sqlite3.Connection, asynchronous: bool) -> str:
    """SHA-256 of everything that a repetition of a run must reproduce: all except wall-clock times and sessions.

    Args:
        connection: connection to the run's database.
        asynchronous: whether to include the order of events, which runs in generations do not have.
    """
    sha = hashlib.sha256()
    for query in (
        "SELECT key, value FROM about WHERE key IN ('settings', 'space', 'problem', 'fingerprint') ORDER BY key",
        "SELECT * FROM candidate ORDER BY generation, position",
        "SELECT generation, position, digest, seed, epochs, horizon, origin, status, loss, result, weights, "
        "snapshots FROM evaluation ORDER BY generation, position",
        "SELECT generations, value FROM state",
        "SELECT evaluated, top, seeds FROM finals",
        "SELECT digest, seed, epochs, status, result, test, weights FROM retraining ORDER BY digest, seed, epochs",
        *(["SELECT number, kind, generation, position FROM event ORDER BY number"] * asynchronous),
    ):
        for row in connection.execute(query):
            sha.update(repr(row).encode())
        sha.update(b"\n")
    return sha.hexdigest()
