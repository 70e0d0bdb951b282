"""strace on one process: counts the calls that change files, and interferes with the n-th of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.reliability.forkserver import Process

__all__ = ["CALLS", "calls_of", "needs_strace", "trace_process"]

#: The calls that change data on a disk.
CALLS = (
    *("write", "pwrite64", "writev", "fsync", "fdatasync", "rename", "renameat", "renameat2"),
    *("unlink", "unlinkat", "ftruncate", "truncate", "mkdir", "mkdirat"),
)


def _can_trace() -> bool:
    command = ["strace", "-o", os.devnull, "-e", "inject=fsync:signal=KILL:when=1", "true"]
    return shutil.which("strace") is not None and subprocess.run(command, capture_output=True).returncode == 0


needs_strace = pytest.mark.skipif(not _can_trace(), reason="needs strace, and the right to trace")


@contextmanager
def trace_process(start: Callable[[Path], Process], folder: Path, *options: str) -> Iterator[Process]:
    """A process that strace is attached to from its first instruction; `start` takes a gate."""
    gate, log = folder / "gate", folder / "strace.log"
    log.unlink(missing_ok=True)
    gate.unlink(missing_ok=True)
    os.mkfifo(gate)
    opened = os.open(gate, os.O_RDWR)  # kept open: the tracer may interrupt the other end while it opens the pipe
    process = start(gate)
    command = ["strace", "-f", "-q", "-o", str(log), "-p", str(process.pid), *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        status = Path(f"/proc/{process.pid}/status")
        while not re.search(r"TracerPid:\s*[1-9]", status.read_text()):
            assert tracer.poll() is None, tracer.stderr and tracer.stderr.read()
            time.sleep(0.001)
        os.write(opened, b"x")
        yield process
    finally:
        process.kill()
        tracer.wait(10)
        os.close(opened)
        if tracer.stderr is not None:
            tracer.stderr.close()


def calls_of(start: Callable[[Path], Process], folder: Path) -> list[tuple[str, int]]:
    """Every (call, n) of the process, n counted from 1 for each call."""
    with trace_process(start, folder, "-e", f"trace={','.join(CALLS)}") as process:
        assert process.wait() == 0, process.text()
    counts: dict[str, int] = {}
    found = []
    for match in re.finditer(r"^\d+ +(\w+)\((1,)?", (folder / "strace.log").read_text(), re.MULTILINE):
        name = match[1]
        if name in CALLS:
            counts[name] = counts.get(name, 0) + 1
            if not match[2]:  # it prints
                found.append((name, counts[name]))
    return found
