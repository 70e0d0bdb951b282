"""How a run spent its time: seconds of search, finalists and the rest, all sessions together.

The seconds of a session are in the table `session`; their split is in the row "times" of `about`, which only this
module reads and writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from pydantic import TypeAdapter

from evonas.evaluation import beginning_from_text
from evonas.runs.checksums import insert, update
from evonas.runs.records import Record, from_text
from genomes.codec import canonical_json
from genomes.errors import InputError

__all__ = ["Times", "TimesWriter"]

_SECONDS = TypeAdapter(dict[str, float])
_KEY = "times"


class Times:
    """Reads the times from the database of a run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def split(self) -> dict[str, float]:
        """Seconds of "search", "finalists" and "rest"; unrecorded time, as after a kill, counts as search."""
        (seconds,) = self._connection.execute("SELECT total(seconds) FROM session").fetchone()
        row = self._connection.execute("SELECT value FROM about WHERE key = ?", (_KEY,)).fetchone()
        try:
            noted = from_text(_SECONDS, row[0]) if row else {}
        except ValueError as error:
            raise InputError(
                f"times of the run must be as evonas wrote them ({error}): restore it from a copy"
            ) from None
        finalists, rest = (min(max(0.0, noted.get(name, 0.0)), seconds) for name in ("finalists", "rest"))
        return {"search": max(0.0, seconds - finalists - rest), "finalists": finalists, "rest": rest}

    def training_seconds(self, record: Record) -> float:
        """Total training time of a network in seconds, including the training runs that it continued."""
        seconds, origin, before = record.evaluation.train_seconds, record.origin, record.generation
        while origin is not None and origin.kind == "continue" and origin.generation < before:
            row = self._connection.execute(
                "SELECT train_seconds, origin FROM evaluation WHERE generation = ? AND position = ?", origin.place
            ).fetchone()
            if row is None:
                break
            before = origin.generation
            seconds, origin = seconds + row[0], beginning_from_text(row[1])[0]
        return seconds


class TimesWriter(Times):
    """Also writes them; for the run's single writer."""

    def __init__(self, connection: sqlite3.Connection, commit: Callable[[Callable[[], None]], None]) -> None:
        """`commit(rows)` must call `rows` in a transaction."""
        super().__init__(connection)
        self._commit = commit

    def note(self, seconds: float, split: Mapping[str, float]) -> None:
        """Commits the seconds of the latest session so far, and the split of all sessions together."""
        value = canonical_json({name: float(split[name]) for name in ("finalists", "rest")})

        def write() -> None:
            (number,) = self._connection.execute("SELECT max(number) FROM session").fetchone()
            update(self._connection, "session", {"number": number}, {"seconds": float(seconds)})
            if self._connection.execute("SELECT 1 FROM about WHERE key = ?", (_KEY,)).fetchone():
                update(self._connection, "about", {"key": _KEY}, {"value": value})
            else:
                insert(self._connection, "about", [(_KEY, value)])

        self._commit(write)
