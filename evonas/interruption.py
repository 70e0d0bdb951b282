"""Ctrl-C and SIGTERM as a request to stop: the first ends the search cleanly, the second ends the process.

After the first signal, running training has a few seconds to finish before it is abandoned; committed results
are kept. `Abandoned` is only raised while waiting for results, so that commits are never interrupted. POSIX only.

The caller's alarms and timers are not touched, and its signal handlers are restored while its own functions run
(`aside`). A thread keeps the time and wakes the main thread by repeating the first signal.
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
    "\nStopping: running trainings have {:.0f} s to finish. Ctrl-C again stops immediately; committed results are "
    "kept.\n"
)


class Abandoned(BaseException):
    """The awaited training did not finish in time after a stop was requested."""


class Interruption:
    """A context (in the main thread) in which SIGINT and SIGTERM request a stop.

    Args:
        grace_seconds: time for running training to finish after the first signal.
        quiet: whether to print nothing on standard error.

    Attributes:
        signal: number of the first signal; None before.
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
        """Whether a stop was requested."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """Exit code of a stopped command: 130 after Ctrl-C, 143 after SIGTERM, else 0."""
        return 0 if self.signal is None else 128 + self.signal

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Marks a wait for results, the only place where `Abandoned` is raised after the grace period."""
        self._waiting = True
        try:
            if self._overdue:
                raise Abandoned
            yield
        finally:
            self._waiting = False

    def aside(self, function: Callable[P, T]) -> Callable[P, T]:
        """Wraps a function so that it runs with the caller's signal handlers."""

        def call_aside(*args: P.args, **kwargs: P.kwargs) -> T:
            if not self._previous or self.requested:
                return function(*args, **kwargs)
            own = {number: signal.getsignal(number) for number in self._previous}
            self._give_back()
            try:
                return function(*args, **kwargs)
            finally:
                for number, handler in own.items():
                    # Handlers set by the function become the caller's.
                    self._previous[number] = signal.signal(number, handler)

        return call_aside

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._main = threading.get_ident()
            for number in (signal.SIGINT, signal.SIGTERM):
                # Ignored (nohup, or in the background): keep ignoring it.
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
            # Commits are transactions and the worker ends with its parent, so there is nothing to clean up.
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
