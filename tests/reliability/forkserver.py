"""Runs of a stub search in separate processes that start in milliseconds: they are forked after the imports.

`python -m tests.reliability.forkserver` reads one JSON request a line and answers with one JSON value:

    {"call": "tests.runner:main", "arguments": [...], "out": FILE, "gate": FIFO or null, "environment": {...}}  ->  pid
    {"wait": pid, "seconds": 30}  ->  exit code, negative for a signal; null if it is still running

A forked child has a new session, default signal handlers and its standard streams in the file `out`; if a gate is
given, it waits until the gate is opened, so that a tracer can attach first.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evonas.errors import is_interruption

__all__ = ["ROOT", "ForkServer", "Process"]

ROOT = Path(__file__).parents[2]


@dataclass
class Process:
    """A child of the server."""

    server: ForkServer
    pid: int
    out: Path

    def wait(self, seconds: float = 180.0) -> int:
        """Returns the exit code, negative for a signal. If time runs out, kills the process and fails."""
        deadline = time.monotonic() + seconds
        while (code := self.poll(min(0.5, seconds))) is None and time.monotonic() < deadline:
            # Observed once, under strace and load: the process was stopped for an unknown reason. Continue it.
            if re.search(r"^State:\s+T ", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE):
                self.kill(signal.SIGCONT)
        if code is None:
            state = [Path(f"/proc/{self.pid}/{name}").read_text().strip() for name in ("wchan", "syscall")]
            self.kill()
            self.poll(5.0)
            raise AssertionError(f"process {self.pid} did not end within {seconds} s, in {state}: {self.text()}")
        return code

    def poll(self, seconds: float = 0.0) -> int | None:
        return self.server.ask({"wait": self.pid, "seconds": seconds})

    def kill(self, number: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def text(self) -> str:
        """All output so far."""
        return self.out.read_text(errors="replace") if self.out.exists() else ""

    def numbers(self) -> list[int]:
        """The whole numbers in its output, from complete lines only."""
        return [int(line) for line in self.text().split("\n")[:-1] if line.isdigit()]


class ForkServer:
    """The server's process. `modules` are imported before the first fork."""

    def __init__(self, folder: Path, *modules: str, **environment: str) -> None:
        self._folder, self._number = folder, 0
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.forkserver", *modules],
            cwd=ROOT,
            env={**clean, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, call: str, *arguments: Any, gate: Path | None = None, **environment: str) -> Process:
        """Forks a child that calls `module:function` with JSON values (paths as text)."""
        self._number += 1
        out = self._folder / f"out-{self._number}"
        request = {"call": call, "arguments": [str(a) if isinstance(a, Path) else a for a in arguments]}
        gate_name = None if gate is None else str(gate)
        pid = self.ask({**request, "out": str(out), "gate": gate_name, "environment": environment})
        return Process(self, pid, out)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _child(request: dict[str, Any]) -> int:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    file = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    os.environ.update(request["environment"])
    if request["gate"]:
        with open(request["gate"], "rb", buffering=0) as gate:
            gate.read(1)
    module, _, name = request["call"].partition(":")
    try:
        return int(getattr(importlib.import_module(module), name)(*request["arguments"]) or 0)
    except SystemExit as stop:
        return int(stop.code or 0)
    except BaseException as error:
        if is_interruption(error):
            return 130
        traceback.print_exc()
        return 1


def _wait(pid: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    pause = 0.001
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


def serve() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in sys.argv[1:]:
        importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = _wait(request["wait"], request["seconds"])
        elif (answer := os.fork()) == 0:
            code = _child(request)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
