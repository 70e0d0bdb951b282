"""`Mailbox`: the port of a remote worker: leases in, results out.

Used by actors of a Ray cluster (`ray_actor.py`) and by machines that join over a shared folder (`joining.py`): on one
side is a thread that drives the worker process (`worker_loop.drive`), on the other the communication with the driver.
Imports no Ray and no Keras.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from evonas.evaluation import InTraining
from evonas.execution.assignments import Fault, Lease, Outcome

__all__ = ["NEWS_SECONDS", "PROGRESS_SECONDS", "Mailbox", "News", "Started", "UnderWay"]

_IDLE_SECONDS, _GIVEN_SECONDS = 0.5, 0.2
#: Timeout of `news`.
NEWS_SECONDS = 5.0
#: Minimum seconds before a message that contains only progress.
PROGRESS_SECONDS = 1.0


@dataclass(frozen=True)
class Started:
    """The worker process is ready, and trains `slots` networks at a time."""

    slots: int


@dataclass(frozen=True)
class UnderWay:
    """Progress of the trainings of a worker.

    Attributes:
        networks: networks in training, by the numbers of their leases.
        floor: leases with lower tokens were invalid when this was noted.
    """

    networks: tuple[InTraining, ...]
    floor: int


News = Started | Fault | Outcome | UnderWay


class Mailbox:
    """Implements `Port`."""

    def __init__(self) -> None:
        """Starts empty."""
        self._changed = threading.Condition()
        self._given: deque[Lease] = deque()
        self._news: list[News] = []
        #: Latest progress, None once it was sent; and the time of the last message.
        self._under_way: UnderWay | None = None
        self._sent_at, self._progress_seconds = -math.inf, PROGRESS_SECONDS
        self._networks: tuple[InTraining, ...] = ()
        self._floor, self._rounds, self._seen = 0, 0, -1
        self.closed = False

    # Called by the driver.

    def give(self, leases: Sequence[Lease]) -> None:
        """Adds leases for the worker, except those that are no longer valid."""
        with self._changed:
            self._rounds += 1
            self._given.extend(lease for lease in leases if self.is_valid(lease.token))
            self._changed.notify_all()

    def news(self, seconds: float = NEWS_SECONDS, progress_seconds: float = PROGRESS_SECONDS) -> list[News]:
        """Returns everything that has arrived since the last call; waits up to this many seconds for something.

        Progress is included, and is sent alone at most every `progress_seconds`.
        """
        with self._changed:
            self._progress_seconds = progress_seconds
            until = time.monotonic() + seconds
            while not (self._news or self.closed):
                if (left := min(until, self._progress_due_at) - time.monotonic()) <= 0.0:
                    break
                self._changed.wait(left)
            found, self._news = self._news, []
            if self._under_way is not None and (found or self._progress_is_due):
                found.append(self._under_way)
                self._under_way = None
            if found:
                self._sent_at = time.monotonic()
            return found

    @property
    def _progress_due_at(self) -> float:
        return math.inf if self._under_way is None else self._sent_at + self._progress_seconds

    @property
    def _progress_is_due(self) -> bool:
        return time.monotonic() >= self._progress_due_at

    def revoke(self, floor: int) -> None:
        """Invalidates leases with tokens below `floor`."""
        with self._changed:
            if floor <= self._floor:
                return
            self._floor, self._under_way = floor, None
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
        """A single network beyond the room is passed on immediately; groups and requests wait for their turn."""
        return int(bool(self._given) and not (self._given[0].grouped or self._given[0].request))

    def note_progress(self, found: Sequence[InTraining]) -> None:
        """See `Port.note_progress`. Only the latest is sent, and no call waits for it."""
        networks = tuple(found)
        with self._changed:
            if networks == self._networks:  # a trainer that does not report progress
                return
            first, self._networks = self._under_way is None, networks
            self._under_way = UnderWay(networks, self._floor)
            if first:  # a waiting call of `news` does not know the new deadline yet
                self._changed.notify_all()

    def is_valid(self, token: int) -> bool:
        """See `Port.is_valid`."""
        return token >= self._floor

    def _append(self, news: News) -> None:
        with self._changed:
            self._news.append(news)
            self._changed.notify_all()
