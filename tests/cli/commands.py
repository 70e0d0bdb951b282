"""Running commands: in this process or in a separate one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from evonas.cli.app import app

ROOT = Path(__file__).parents[2]
OWN = ["run", "table.csv", "--target", "price"]


def write_table(path: Path, rows: int = 60, name: str = "price") -> Path:
    lines = [f"rooms,colour,{name}"]
    lines += [f"{row * 7 % 11},{('red', 'blue')[row % 2]},{row * 7 % 11 + row % 2 + 0.5}" for row in range(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def evonas(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, prog_name="evonas", env={"COLUMNS": "80"})


def search(*arguments: str) -> Result:
    return evonas("run", "table.csv", "--target", "price", "--population", "4", *arguments)


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Starts a real process; `table.csv` and the run directories are in the current folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    command = [sys.executable, "-m", "evonas", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)
