"""Finds the search to join in a directory and waits for it. See `joining.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from evonas.execution import shared_folder
from evonas.execution.shared_folder import SHARED, Heard, SessionFile
from evonas.runs.schema import DATABASE
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.interruption import Interruption

__all__ = ["check_place", "session_or_none", "wait_for_session"]

_LOOK_SECONDS = 0.1
#: Seconds of waiting for a search before a message is shown.
_PATIENT_SECONDS = 3.0
#: Default wait for the search of an existing shared run, whose owner may be starting, in seconds.
_STARTING_SECONDS = 20.0
#: Default wait for a silent owner that machines had joined, which may be resumed, in seconds.
_RESUMING_SECONDS = 600.0


def check_place(run_dir: Path, patience: float | None) -> None:
    """Rejects a missing directory or run, unless waiting for it was requested.

    Raises:
        InputError: the directory does not exist or holds no run.
    """
    if run_dir.is_dir():
        if patience is None and not any((run_dir / name).exists() for name in (DATABASE, SHARED)):
            raise InputError(
                f"run directory must hold a run, but {run_dir} does not: check its name, or wait for a search that "
                f"starts later with --wait 10m"
            )
    elif patience is None or not run_dir.absolute().parent.is_dir():
        raise InputError(
            f"run directory must exist, but {run_dir} does not: check its name and that the shared folder is "
            f"mounted, or wait for a search that starts later with --wait 10m"
        )


def wait_for_session(
    run_dir: Path,
    patience: float | None,
    unheard: float,
    on_news: Callable[[str], None],
    listening: Interruption,
    joined: bool,
) -> SessionFile | None:
    """Waits for the session of a live owner; None if a stop was requested or the search has ended.

    Args:
        run_dir: of the run.
        patience: seconds to wait for it, None for the default.
        unheard: seconds of silence after which an owner is considered gone.
        on_news: called with a line of text on each event.
        listening: how to listen to signals.
        joined: whether this machine has joined the run before.

    Raises:
        InputError: no session was found within the time.
    """
    began, told = time.monotonic(), False
    beats: dict[str, Heard] = {}
    while not listening.requested:
        session = shared_folder.read_session(run_dir / SHARED)
        if session is not None and session["ended"] and patience is None:
            on_news(f"The search of {run_dir} has ended.")
            return None
        if session is not None and not session["ended"]:
            name = session["session"]
            beat = beats.setdefault(name, Heard(run_dir / SHARED / name / "owner.beat"))
            if beat.listen() <= unheard and beat.changes > 0:
                return session
        limit = patience
        if limit is None:
            limit = _STARTING_SECONDS if session is None and not joined else _RESUMING_SECONDS
        if (waited := time.monotonic() - began) > limit:
            raise InputError(
                f"search must be running and shared, but none was found in {run_dir} within {limit:g} s: start or "
                "resume it on one machine with --execution shared, and check that this machine has the same folder; "
                "for one that starts later, give --wait 1h"
            )
        if waited > _PATIENT_SECONDS and not told:
            told = True
            on_news(f"Waiting for a search in {run_dir} (evonas run or resume, with --execution shared) ...")
        time.sleep(_LOOK_SECONDS)
    return None


def session_or_none(shared: Path) -> SessionFile | None:
    """The current session; None also if the file cannot be read now, since it is read again later."""
    with suppress(InputError):
        return shared_folder.read_session(shared)
    return None
