"""`Mailbox`: the port of a remote worker: leases in, results out.

Used by actors of a Ray cluster (`ray_actor.py`) and by machines that join over a shared folder (`joining.py`): on one
side is a thread that drives the worker process (`worker_loop.drive`), on the other the communication with the driver.
Imports the standard library only.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evonas.execution.assignments import Fault, Lease, Outcome

if TYPE_CHECKING:
    from evonas.evaluation import InTraining

__all__ = ["NEWS_SECONDS", "Mailbox", "Started"]

_IDLE_SECONDS, _GIVEN_SECONDS = 0.5, 0.2
#: Timeout of `news`.
NEWS_SECONDS = 5.0


@dataclass(frozen=True)
class Started:
    """The worker process is ready, and trains `slots` networks at a time."""

    slots: int


class Mailbox:
    """Implements `Port`."""

    def __init__(self) -> None:
        """Empty."""
        self._changed = threading.Condition()
        self._given: deque[Lease] = deque()
        self._news: list[Started | Fault | Outcome] = []
        self._floor, self._rounds, self._seen = 0, 0, -1
        self.closed = False

    # Called by the driver.

    def give(self, leases: Sequence[Lease]) -> None:
        """Adds leases for the worker, except those that are no longer valid."""
        with self._changed:
            self._rounds += 1
            self._given.extend(lease for lease in leases if self.is_valid(lease.token))
            self._changed.notify_all()

    def news(self, seconds: float = NEWS_SECONDS) -> list[Started | Fault | Outcome]:
        """Returns what has arrived since the last call; waits up to this many seconds for something."""
        with self._changed:
            self._changed.wait_for(lambda: self._news or self.closed, seconds)
            found, self._news = self._news, []
            return found

    def revoke(self, floor: int) -> None:
        """Invalidates leases with tokens below `floor`."""
        with self._changed:
            self._floor = max(floor, self._floor)
            self._given = deque(lease for lease in self._given if self.is_valid(lease.token))
            self._news = [each for each in self._news if not isinstance(each, Outcome) or self.is_valid(each.token)]
            self._changed.notify_all()

    def close(self) -> None:
        """Asks the worker to end."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    # Called by the worker's thread.

    def ready(self, slots: int) -> None:
        """See `Port.ready`."""
        self._append(Started(slots))

    def failed(self, fault: Fault) -> None:
        """See `Port.failed`."""
        self._append(fault)

    def put(self, outcome: Outcome) -> None:
        """See `Port.put`."""
        self._seen = self._rounds
        self._append(outcome)

    def take(self, room: int, idle: bool) -> Sequence[Lease]:
        """See `Port.take`."""

        def due() -> bool:
            return bool(self._given) or not room or self.closed or not (idle or self._rounds == self._seen)

        with self._changed:
            self._changed.wait_for(due, _IDLE_SECONDS if idle else _GIVEN_SECONDS)
            return [self._given.popleft() for _ in range(min(room + self._spare, len(self._given)))]

    @property
    def _spare(self) -> int:
        """A single network beyond the room is passed on at once; groups and requests wait for their turn."""
        return int(bool(self._given) and not (self._given[0].grouped or self._given[0].request))

    def note_progress(self, found: Sequence[InTraining]) -> None:
        """See `Port.note_progress`; the progress of remote workers is not sent to the driver."""

    def is_valid(self, token: int) -> bool:
        """See `Port.is_valid`."""
        return token >= self._floor

    def _append(self, news: Started | Fault | Outcome) -> None:
        with self._changed:
            self._news.append(news)
            self._changed.notify_all()
