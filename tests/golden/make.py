"""Regenerates the golden run directory: `python -m tests.golden.make`, at each release and after a change of format.

The directory of a release is never changed; tests/runs/test_golden.py shows that later versions open it.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from evonas.display import make_display
from evonas.interruption import Interruption
from tests.stub import stub_search

HERE = Path(__file__).parent


def main() -> None:
    """Three generations of a stub search over the default space."""
    shutil.rmtree(HERE / "run", ignore_errors=True)
    stream = io.StringIO()
    display = make_display(Interruption(), stream, stream, quiet=True, as_json=False)
    stub_search(HERE / "run", display, generations=3, asynchronous=False)
    for name in ("ballast", "run.lock", "worker.log"):
        (HERE / "run" / name).unlink()


if __name__ == "__main__":
    main()
