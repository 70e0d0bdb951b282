"""`CommitPacing`: group commits of a generation's results.

A commit waits for the disk several times, however little it writes. If networks are evaluated faster than the disk
confirms commits, committing each result separately would take longer than the rest of the search. Results that arrive
soon after a commit are therefore held for the next one, so that commits take at most `SHARE` of the time.

Results that are held are lost if the process is killed. Only results of evaluators that return at least once a second
(`Prompt`) are held; those of other evaluators are committed immediately.

References:
    DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984 (group commit).
"""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

__all__ = ["MOST_SECONDS", "SHARE", "CommitPacing", "Prompt"]

#: Largest share of the time that commits may take.
SHARE = 0.2
#: Results are held only if the evaluator yields at least this often, in seconds; also the longest time they are held.
MOST_SECONDS = 1.0


@runtime_checkable
class Prompt(Protocol):
    """An evaluator that never blocks for long: `evaluate` yields an empty part if nothing has finished.

    Attributes:
        part_seconds: largest number of seconds until `evaluate` yields the next part.
    """

    part_seconds: float


class CommitPacing:
    """Decides when results are committed.

    Example:
        >>> CommitPacing(object()).is_due  # not `Prompt`: everything is committed at once
        True
    """

    def __init__(self, evaluator: object) -> None:
        """Starts with a commit due, so that the first results are committed immediately.

        Args:
            evaluator: the evaluator whose results are committed.
        """
        self._may_wait = isinstance(evaluator, Prompt) and evaluator.part_seconds <= MOST_SECONDS
        self._due_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the results held should be committed now."""
        return not self._may_wait or time.monotonic() >= self._due_at

    def note_commit(self, seconds: float) -> None:
        """Records that a commit has just ended, which took this many seconds."""
        self._due_at = time.monotonic() + min(seconds * (1.0 / SHARE - 1.0), MOST_SECONDS)
