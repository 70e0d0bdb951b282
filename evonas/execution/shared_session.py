"""Which search there is to join in a directory, and how long it is waited for. See `joining.py`."""

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
#: What is waited for a search before that is said.
_PATIENT_SECONDS = 3.0
#: How long, unless told, is waited for the search of a run that is there to be shared: its owner may be starting.
_STARTING_SECONDS = 20.0
#: How long, unless told, is waited for an owner that has joined machines and is not heard any more: it may be resumed.
_RESUMING_SECONDS = 600.0


def check_place(run_dir: Path, patience: float | None) -> None:
    """Refuses a name that is mistyped: what is not there is waited for where that was asked for, and no longer.

    Raises:
        InputError: the directory is not there, or holds no run.
    """
    if run_dir.is_dir():
        if patience is None and not any((run_dir / name).exists() for name in (DATABASE, SHARED)):
            raise InputError(
                f"run directory must hold a run, but {run_dir} does not: see its name; a search that is still to be "
                "started there is waited for with --wait 10m"
            )
    elif patience is None or not run_dir.absolute().parent.is_dir():
        raise InputError(
            f"run directory must be there, but {run_dir} is not: is its name right, and is the shared folder "
            "mounted here? A search that is still to be started is waited for with --wait 10m"
        )


def wait_for_session(
    run_dir: Path,
    patience: float | None,
    unheard: float,
    on_news: Callable[[str], None],
    listening: Interruption,
    joined: bool,
) -> SessionFile | None:
    """The session of an owner that is heard; None where a stop was asked for, or the search has ended.

    Args:
        run_dir: of the run.
        patience: seconds to wait for it, None where the user named none.
        unheard: seconds after which an owner that is not heard from is gone.
        on_news: called with a line of text on each event.
        listening: how to listen to signals.
        joined: whether this machine has joined the run before.

    Raises:
        InputError: there is none within the time.
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
                f"search must be running and shared, but none in {run_dir} was heard of within {limit:g} s: start or "
                "resume it on one machine with --execution shared, and see that this machine has the same folder; "
                "for one that starts later, give --wait 1h"
            )
        if waited > _PATIENT_SECONDS and not told:
            told = True
            on_news(f"Waiting for a search in {run_dir} (evonas run or resume, with --execution shared) ...")
        time.sleep(_LOOK_SECONDS)
    return None


def session_or_none(shared: Path) -> SessionFile | None:
    """What is searched now; None also where the file is not to be read: it is read again."""
    with suppress(InputError):
        return shared_folder.read_session(shared)
    return None
