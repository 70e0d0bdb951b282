"""The exceptions that a search may raise in addition to `genomes.errors.InputError`."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Interrupted", "StorageError", "WorkerError", "is_interruption"]


class Interrupted(KeyboardInterrupt):
    """A search was stopped by Ctrl-C or SIGTERM, in good order: everything evaluated is committed.

    Attributes:
        run_dir: where; `evonas.resume(run_dir)` continues.
        exit_code: what a command exits with, 130 after Ctrl-C and 143 after SIGTERM.
    """

    def __init__(self, run_dir: Path, exit_code: int) -> None:
        super().__init__(f"the search was stopped, and continues with evonas.resume({str(run_dir)!r})")
        self.run_dir = run_dir
        self.exit_code = exit_code


class StorageError(Exception):
    """The disk is full, fails, or became read-only. What was committed stays; resuming continues from there.

    Attributes:
        full: whether room is all that is missing.
    """

    def __init__(self, text: str, full: bool = False) -> None:
        super().__init__(text)
        self.full = full


def is_interruption(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an exception: compiled modules that are being imported raise ImportError from it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


class WorkerError(RuntimeError):
    """Something in the worker went wrong. The text has the worker's traceback.

    Attributes:
        raised: the exception in one line, when a request raised one; empty when the worker does not start, or died.
    """

    def __init__(self, text: str, raised: str = "") -> None:
        super().__init__(text)
        self.raised = raised
