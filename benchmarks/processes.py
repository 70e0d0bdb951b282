"""Measures whole processes including imports. Imports the standard library only."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Finished", "evonas", "run", "script"]

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Finished:
    """A process that has ended.

    Attributes:
        wall: seconds from its start to its end.
        cpu: processor seconds, including those of its children.
        output: its output.
    """

    wall: float
    cpu: float
    output: str

    @property
    def value(self) -> Any:
        """The JSON of its last line."""
        return json.loads(self.output.splitlines()[-1])


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Finished:
    """Runs a command to its end, with bytecode as for an installed package.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**own, **(environment or {})}, cwd=cwd
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Finished(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout)


def script(name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
    """Runs a script of this folder with the same Python."""
    return run([sys.executable, str(HERE / name), *arguments], environment)


def evonas(*arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
    """Runs the command `evonas` installed with this Python."""
    return run([str(Path(sys.executable).with_name("evonas")), *arguments], environment)
