"""The time that reading and encoding of data may take, and messages while they take long.

`limited_preparation` sets the limit for everything that is called within it; long loops call `check_time`.

Example:
    >>> from time import monotonic
    >>> with limited_preparation(monotonic() + 60.0, 60.0, print):
    ...     check_time("images read", 1, 10)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic

from genomes.errors import InputError

__all__ = ["check_time", "limited_preparation"]

#: Seconds before the first message, between messages, and before a loop's duration is estimated.
_FIRST, _BETWEEN, _ESTIMATED = 3.0, 10.0, 3.0
#: A loop is given up at once if its estimated duration is this multiple of the time that is left.
_HOPELESS = 2.0


@dataclass
class _Clock:
    """The limit, and the state of the messages.

    Attributes:
        ends: end of the time as `monotonic()` counts; None without a limit.
        limit: the time limit in seconds, for messages.
        tell: called with each message, if any.
        loop: the current loop, and when it began.
        next_message: time of the next message.
    """

    ends: float | None
    limit: float | None
    tell: Callable[[str], None] | None
    loop: tuple[str, float] = ("", 0.0)
    next_message: float = field(default_factory=lambda: monotonic() + _FIRST)

    def check(self, what: str, done: int, total: int) -> None:
        now = monotonic()
        if self.loop[0] != what:
            self.loop = what, now
        spent = now - self.loop[1]
        estimate = spent * total / done if done and spent > _ESTIMATED else spent
        if self.ends is not None and (now > self.ends or estimate - spent > _HOPELESS * (self.ends - now)):
            raise InputError(
                f"data must be prepared within the time of {self.limit or 0.0:g} s, but only {done:,} of {total:,} "
                f"{what} in {spent:.0f} s: give more time, fewer rows, or a smaller image size"
            )
        if self.tell is not None and done and now > self.next_message:
            self.next_message = now + _BETWEEN
            self.tell(f"{done:,} of {total:,} {what}")


_CLOCK: ContextVar[_Clock | None] = ContextVar("preparation clock", default=None)


@contextmanager
def limited_preparation(
    ends: float | None, limit: float | None = None, tell: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Limits the preparation of data within the block.

    Args:
        ends: when it must have ended, as `time.monotonic()` counts; None for no limit.
        limit: the run's time limit in seconds, for the message.
        tell: called with a message every some seconds.
    """
    token = _CLOCK.set(_Clock(ends, limit, tell))
    try:
        yield
    finally:
        _CLOCK.reset(token)


def check_time(what: str, done: int, total: int) -> None:
    """Reports progress.

    Args:
        what: the steps and what has been done with them, such as "images read".
        done, total: numbers of steps.

    Raises:
        InputError: the time is over, or the loop would take far longer than the time that is left.
    """
    if (clock := _CLOCK.get()) is not None:
        clock.check(what, done, total)
