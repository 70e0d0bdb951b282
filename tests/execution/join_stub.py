"""Joins the search in a directory with a worker that does not train: python join_stub.py DIR UNHEARD_SECONDS."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from evonas.execution import joining, ray_actor
from tests.execution.stubs import StubEvaluator

if __name__ == "__main__":
    joining.WorkerEvaluator = StubEvaluator
    if len(sys.argv) > 3:
        joining.versions = lambda: {**ray_actor.versions(), "Python": sys.argv[3]}
    said = lambda text: print(text, flush=True)  # noqa: E731
    try:
        joining.join(sys.argv[1], threads=1, wait=30, on_news=said, unheard_seconds=float(sys.argv[2]))
    except joining.InputError as error:
        said(f"Error: {error}")
