"""The exceptions that a search may raise in addition to `genomes.errors.InputError`."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Interrupted", "StorageError", "WorkerError", "is_interruption"]


class Interrupted(KeyboardInterrupt):
    """A search was stopped by Ctrl-C or SIGTERM; everything evaluated is committed.

    Attributes:
        run_dir: the run directory; `evonas.resume(run_dir)` continues the run.
        exit_code: exit code of a command, 130 after Ctrl-C and 143 after SIGTERM.
    """

    def __init__(self, run_dir: Path, exit_code: int) -> None:
        super().__init__(f"the search was stopped; evonas.resume({str(run_dir)!r}) continues it")
        self.run_dir = run_dir
        self.exit_code = exit_code


class StorageError(Exception):
    """The disk is full, failing, or read-only. Committed results are kept; resuming continues from them.

    Attributes:
        full: whether the disk is merely full.
    """

    def __init__(self, text: str, full: bool = False) -> None:
        super().__init__(text)
        self.full = full


def is_interruption(error: BaseException | None) -> bool:
    """Whether an exception was caused by Ctrl-C: compiled modules may turn it into an ImportError during import."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


class WorkerError(RuntimeError):
    """The worker failed. The message contains its traceback.

    Attributes:
        raised: the exception in one line, if a request raised one; empty if the worker did not start or died.
    """

    def __init__(self, text: str, raised: str = "") -> None:
        super().__init__(text)
        self.raised = raised
