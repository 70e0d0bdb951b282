"""`run_directory`: context manager for the run directory of an estimator's search."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evonas.errors import Interrupted, StorageError

__all__ = ["run_directory"]


@contextmanager
def run_directory(given: str | Path | None) -> Iterator[Path]:
    """The given directory, or a temporary one, which is deleted afterwards.

    Raises:
        KeyboardInterrupt: the search was interrupted; the message states that a temporary run is deleted.
        StorageError: the search raised it; for a temporary run, the message names the folder for temporary files.
    """
    if given is not None:
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="evonas-", ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder) / "run"
        except Interrupted:
            raise KeyboardInterrupt(
                "the search was stopped and its results are deleted: give run_dir, so that another fit can resume it"
            ) from None
        except StorageError as error:
            raise StorageError(
                f"the folder for temporary files, {tempfile.gettempdir()}, is full, failing or not writable: free "
                "space there, set TMPDIR to another folder, or give run_dir; then fit again",
                error.full,
            ) from error
