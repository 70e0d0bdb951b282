"""The process that trains the baselines during a search.

`python -m evonas.baselines.process DATA SEED SECONDS ALL PARENT`, with ALL 1 for `all_rows` of `fit_baselines`.

Prints JSON lines: each model with its scores, repeatedly as they improve, or `{"missing": why}`. It has one thread, low
priority and limited time, and ends with its parent process. It does not affect the search.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

__all__ = ["NICENESS", "main"]

#: With two threads that train, it gets a quarter of a core.
NICENESS = 5
_LOOK_SECONDS = 0.5


def main(arguments: list[str] | None = None) -> None:
    """Trains and prints."""
    path, seed, seconds, all_rows, parent = sys.argv[1:] if arguments is None else arguments
    _end_with(int(parent))
    with suppress(OSError):
        os.nice(NICENESS)
    try:
        _train(Path(path), int(seed), float(seconds), all_rows == "1")
    except (ImportError, ValueError, MemoryError, ArithmeticError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        _say({"missing": f"{lines[0]:.200}"})


def _train(path: Path, seed: int, seconds: float, all_rows: bool) -> None:
    from evonas.baselines.fitting import fit_baselines
    from evonas.data.prepared import PreparedData

    for model in fit_baselines(PreparedData.load(path), seed, seconds, all_rows=all_rows):
        _say(asdict(model))


def _say(values: dict[str, object]) -> None:
    with suppress(OSError):
        print(json.dumps(values), flush=True)


def _end_with(parent: int) -> None:
    """Ends this process when its parent is gone. Ctrl-C is handled by the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
