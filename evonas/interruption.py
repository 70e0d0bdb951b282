"""Ctrl-C and SIGTERM as a request to stop: the first ends the search in good order, the second ends the process.

After the first signal the part that is being trained has a few seconds to finish, then it is abandoned; what was
committed stays. Waiting for a part is the only place where `Abandoned` can be raised, so that no commit is torn. POSIX.

Nothing else of the caller's is touched: neither alarms nor timers, and while its own functions run (`aside`), the two
signals are its own again. A thread keeps the time, and wakes the main thread by the signal that was the first.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, ParamSpec, Self, TypeVar

__all__ = ["Abandoned", "Interruption"]

P = ParamSpec("P")
T = TypeVar("T")

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
        self._woken = False
        self._previous: dict[int, Any] = {}
        self._main = 0
        self._clock: threading.Thread | None = None
        self._started, self._ended = threading.Event(), threading.Event()

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

    def aside(self, function: Callable[P, T]) -> Callable[P, T]:
        """The function, which runs with the caller's own handlers of the signals."""

        def call_aside(*args: P.args, **kwargs: P.kwargs) -> T:
            if not self._previous or self.requested:
                return function(*args, **kwargs)
            own = {number: signal.getsignal(number) for number in self._previous}
            self._give_back()
            try:
                return function(*args, **kwargs)
            finally:
                for number, handler in own.items():
                    # What the function has set is the caller's from now on.
                    self._previous[number] = signal.signal(number, handler)

        return call_aside

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._main = threading.get_ident()
            for number in (signal.SIGINT, signal.SIGTERM):
                # Started with nohup or in the background: left so.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._on_signal)
            self._started, self._ended = threading.Event(), threading.Event()
            self._clock = threading.Thread(target=self._keep_time, name="evonas-grace", daemon=True)
            self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._clock is not None:
            self._ended.set()
            self._started.set()
            self._clock.join()
            self._clock = None
        self._give_back()
        self._previous.clear()

    def _give_back(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._woken:  # by `_keep_time`
            self._woken = False
            if self._waiting:
                raise Abandoned
            return
        if self.signal is not None:
            # Commits are transactions and the worker ends with its parent: there is nothing to tidy up.
            os._exit(128 + number)
        self.signal = number
        self._started.set()
        if not self._quiet:
            with suppress(OSError):  # standard error may be closed
                os.write(2, _NOTICE.format(self._grace_seconds).encode())

    def _keep_time(self) -> None:
        self._started.wait()
        if self._ended.wait(self._grace_seconds):
            return
        self._overdue = True
        if self._waiting:
            self._woken = True
            signal.pthread_kill(self._main, self.signal or signal.SIGINT)
