"""The event log of an asynchronous run: calls of ask and tell in order.

Proposals depend only on these, so that a run is resumed or repeated by replaying them. Runs in generations have no
events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from evonas.runs.checksums import insert

__all__ = ["ASKED", "TOLD", "Event", "Events", "EventsWriter"]

ASKED, TOLD = "asked", "told"


@dataclass(frozen=True)
class Event:
    """An event.

    Attributes:
        kind: `ASKED` or `TOLD`.
        place: generation and index of the candidate.
    """

    kind: str
    place: tuple[int, int]


class Events:
    """Reads the events from the database of a run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def count(self) -> int:
        """Number of events."""
        return int(self._rows("SELECT coalesce(max(number), 0) FROM event")[0][0])

    @property
    def asked(self) -> int:
        """Number of candidates asked for."""
        return int(self._rows("SELECT count(*) FROM event WHERE kind = ?", ASKED)[0][0])

    def since(self, number: int = 0) -> list[Event]:
        """The events after the first `number`, in order."""
        query = "SELECT kind, generation, position FROM event WHERE number > ? ORDER BY number"
        return [Event(kind, (generation, index)) for kind, generation, index in self._rows(query, number)]

    def candidate(self, place: tuple[int, int]) -> tuple[Any, ...] | None:
        """The row of a candidate with an ask event, including its checksum."""
        return next(iter(self._rows("SELECT * FROM candidate WHERE generation = ? AND position = ?", *place)), None)

    def was_trained(self, place: tuple[int, int]) -> bool:
        """Whether a candidate with a result was trained itself: neither known before nor over a limit."""
        query = "SELECT 1 FROM evaluation WHERE generation = ? AND position = ? AND status != 'infeasible'"
        return bool(self._rows(query, *place))

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()


class EventsWriter(Events):
    """Also writes them; for the run's single writer."""

    def __init__(self, connection: sqlite3.Connection, commit: Callable[[Callable[[], None]], None]) -> None:
        """`commit(rows)` must call `rows` in a transaction."""
        super().__init__(connection)
        self._commit = commit
        self._told: list[tuple[int, int]] = []

    @property
    def count(self) -> int:
        """Number of events, including those that the next commit writes."""
        return super().count + len(self._told)

    def ask(self, row: Sequence[Any]) -> None:
        """Commits the ask event of a candidate, given as its row."""

        def add() -> None:
            insert(self._connection, "candidate", [row])
            self._add(ASKED, (row[0], row[1]))

        self._commit(add)

    def tell(self, place: tuple[int, int]) -> None:
        """Records the tell event of a candidate; the next commit of the run writes it.

        Nothing stored before then depends on it, and a commit takes longer than an epoch of a small network.
        """
        self._told.append(place)

    def write_told(self) -> None:
        """Writes the recorded events; must be called first in a transaction, and `forget_told` after it."""
        for place in self._told:
            self._add(TOLD, place)

    def forget_told(self) -> None:
        """Clears the recorded events once they are on the disk."""
        self._told.clear()

    def _add(self, kind: str, place: tuple[int, int]) -> None:
        insert(self._connection, "event", [(super().count + 1, kind, *place)])
