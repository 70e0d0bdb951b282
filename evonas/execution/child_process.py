"""Child processes: command, environment, memory, and how they end. Uses Linux's own calls; no Keras."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["ProcessMemory", "cause_of_end", "child_environment", "command_of", "has_ended", "reap"]

_REAP_SECONDS = 0.005


def command_of(module: str) -> list[str]:
    """Command that runs a module with this Python. `-P` prevents importing a user's file named like a library."""
    return [sys.executable, "-P", "-m", module]


def child_environment() -> dict[str, str]:
    """The driver's environment, with libraries silenced and with the driver's evonas if that is not installed."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    root = Path(__file__).parents[2]
    if root.name not in ("site-packages", "dist-packages"):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return environment


class ProcessMemory:
    """Resident memory of a process. Its file stays open: opening it ten times a second costs more than reading it.

    Example:
        >>> own = ProcessMemory(os.getpid())
        >>> own.read() >= 0
        True
        >>> own.close()
        >>> own.read()
        0
    """

    def __init__(self, pid: int) -> None:
        self._page_bytes, self._file = os.sysconf("SC_PAGE_SIZE"), -1
        with suppress(OSError):
            self._file = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> int:
        """Bytes; 0 if the system does not report it, or if the process has ended."""
        try:
            return int(os.pread(self._file, 100, 0).split()[1]) * self._page_bytes
        except (OSError, IndexError):
            return 0

    def close(self) -> None:
        """May be called twice."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a child has ended, also while its process id is still reserved for it."""
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:  # in a process that was forked from the driver
        return True


def reap(process: subprocess.Popen[bytes], patience_seconds: float = math.inf) -> int | None:
    """The exit status of a child, as from `Popen.wait`; None while it runs. Its process group is killed with it.

    Args:
        process: started in a new session.
        patience_seconds: how long to wait for its end.
    """
    until = time.monotonic() + patience_seconds
    while not has_ended(process):
        if time.monotonic() >= until:
            return None
        time.sleep(_REAP_SECONDS)
    if process.returncode is None:
        # Until it is reaped, no other process group can have its id.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def cause_of_end(status: int) -> str:
    """Describes the end of a process that should have answered, given its exit status.

    >>> cause_of_end(3)
    'crashed: it exited with status 3'
    >>> cause_of_end(-11)
    'crashed (SIGSEGV)'
    """
    if status == -signal.SIGKILL:
        return "killed (SIGKILL): most likely the machine ran out of memory"
    if status < 0:
        return f"crashed ({signal.Signals(-status).name})"
    return f"crashed: it exited with status {status}"
