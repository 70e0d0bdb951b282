"""Ctrl-C and SIGTERM as a request to stop: the first ends the search in good order, the second ends the process.

After the first signal the part that is being trained has a few seconds to finish, then it is abandoned; what was
committed stays. Waiting for a part is the only place where `Abandoned` can be raised, so that no commit is torn. POSIX.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Abandoned", "Interruption"]

_NOTICE = (
    "\nStopping: what is being trained has {:.0f} s to finish. Once more stops at once; nothing committed is lost.\n"
)


class Abandoned(BaseException):
    """The part that was being waited for did not finish in time after a request to stop."""


class Interruption:
    """While entered (in the main thread), SIGINT and SIGTERM ask for a stop.

    Args:
        grace_seconds: what the part in training has left after the first signal.
        quiet: whether to say nothing on standard error.

    Attributes:
        signal: number of the first signal, None before.
    """

    def __init__(self, grace_seconds: float = 6.0, quiet: bool = False) -> None:
        self.signal: int | None = None
        self._grace_seconds = grace_seconds
        self._quiet = quiet
        self._waiting = False
        self._overdue = False
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a command that was stopped this way exits with: 130 after Ctrl-C, 143 after SIGTERM, else 0."""
        return 0 if self.signal is None else 128 + self.signal

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Marks the wait for a part: here, and only here, `Abandoned` is raised when the grace is over."""
        self._waiting = True
        try:
            if self._overdue:
                raise Abandoned
            yield
        finally:
            self._waiting = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._grace_is_over)
            for number in (signal.SIGINT, signal.SIGTERM):
                if (
                    signal.getsignal(number) is not signal.SIG_IGN
                ):  # started with nohup or in the background: leave it so
                    self._previous[number] = signal.signal(number, self._asked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            # Commits are transactions and the worker ends with its parent: there is nothing to tidy up.
            os._exit(128 + number)
        self.signal = number
        signal.setitimer(signal.ITIMER_REAL, self._grace_seconds)
        if not self._quiet:
            os.write(2, _NOTICE.format(self._grace_seconds).encode())

    def _grace_is_over(self, number: int, frame: FrameType | None) -> None:
        self._overdue = True
        if self._waiting:
            raise Abandoned
