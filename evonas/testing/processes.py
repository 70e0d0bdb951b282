"""Runs a strategy in another process, where hashes of strings differ."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from evonas.strategies import StrategyRow
from evonas.testing.cases import StrategyCase, ask_everywhere

__all__ = ["ask_in_another_process", "check_processes"]

_SCRIPT = "from evonas.testing.processes import answer; answer()"


def ask_in_another_process(cases: Sequence[StrategyCase], hash_seed: int = 1) -> list[Any]:
    """The candidates of each strategy on `SPACES`, as JSON values, from a process with the given hash seed.

    Args:
        cases: importable strategies, defined in a module, not in a notebook or inside a function.
        hash_seed: hash seed of the process.

    Raises:
        AssertionError: the process failed; the message contains its output.
    """
    question = json.dumps([{"strategy": _as_json(case), "options": dict(case.options)} for case in cases])
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        input=question,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the strategy does not work in another process: {done.stderr[-2000:]}"
    answers: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def check_processes(case: StrategyCase) -> None:
    """Checks that a process with another hash seed asks for the same candidates."""
    expected = json.loads(json.dumps(ask_everywhere(case)))
    assert ask_in_another_process([case]) == [expected], "a process with another hash seed asks for other candidates"


def answer() -> None:
    """Entry point of the process started by `ask_in_another_process`."""
    cases = [
        StrategyCase(_from_json(each["strategy"]), tuple(each["options"].items())) for each in json.load(sys.stdin)
    ]
    print(json.dumps([ask_everywhere(case) for case in cases]))


def _as_json(case: StrategyCase) -> Any:
    if isinstance(case.strategy, str):
        return case.strategy
    module, _, name = case.row.where.partition(":")
    importable = module != "__main__" and "<" not in name
    assert importable, (
        f"{case.row.where} must be in a module, so that another process can import it: move it, or leave out processes"
    )
    return {**asdict(case.row), "path": case.row.where}


def _from_json(value: Any) -> Any:
    return value if isinstance(value, str) else StrategyRow(**{**value, "settings": tuple(value["settings"])})
