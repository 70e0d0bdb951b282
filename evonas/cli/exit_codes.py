"""Exit codes of the command line and what each means."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """The process's exit code, with its `meaning` for the documentation."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """The code with its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "done"
    FAILED = 1, "failure: no network has a score, or the worker does not start"
    MISTAKE = 2, "user error; the message explains it and what to do. Nothing was changed"
    STORAGE = (
        74,
        "the disk is full, fails or became read-only. Committed results stay; `resume` continues",
    )  # EX_IOERR
    INTERRUPTED = 130, "stopped cleanly by Ctrl-C"
    TERMINATED = 143, "stopped cleanly by SIGTERM"
