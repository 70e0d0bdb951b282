"""`CommitPacing`: which results of a generation are committed together.

A commit waits for the disk several times, however little it writes. Where networks are evaluated faster than the disk
confirms commits, committing each result by itself would cost more than all else that the search does. Results that come
soon after a commit therefore wait for the next one, so that commits take at most `SHARE` of the time.

What waits is lost if the process is killed, so only results of evaluators that return at least every second wait
(`Prompt`); those of others are committed at once.

References:
    DeWitt et al. 1984, Implementation Techniques for Main Memory Database Systems. SIGMOD (group commit).
"""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

__all__ = ["MOST_SECONDS", "SHARE", "CommitPacing", "Prompt"]

#: Share of the time that commits may take where results come faster.
SHARE = 0.2
#: Most seconds for which an evaluator may yield nothing, so that its results may wait.
MOST_SECONDS = 1.0


@runtime_checkable
class Prompt(Protocol):
    """An evaluator that never waits for long: `evaluate` yields an empty part where nothing has finished.

    Attributes:
        part_seconds: at most so many seconds after it was asked, `evaluate` yields a part.
    """

    part_seconds: float


class CommitPacing:
    """Decides when results are committed.

    Example:
        >>> CommitPacing(object()).is_due  # not `Prompt`: everything is committed at once
        True
    """

    def __init__(self, evaluator: object) -> None:
        """The first results are committed at once.

        Args:
            evaluator: whose results are committed.
        """
        self._may_wait = isinstance(evaluator, Prompt) and evaluator.part_seconds <= MOST_SECONDS
        self._due_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether what has come is committed now."""
        return not self._may_wait or time.monotonic() >= self._due_at

    def note_commit(self, seconds: float) -> None:
        """A commit has ended that took this long."""
        self._due_at = time.monotonic() + min(seconds * (1.0 / SHARE - 1.0), MOST_SECONDS)
