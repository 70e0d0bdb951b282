"""The process that trains the baselines during a search.

It is started as `python -m evonas.baselines.process DATA SEED SECONDS ALL PARENT`, where ALL is 1 for the option
`all_rows` of `fit_baselines`.

It prints JSON lines: each model with its scores, again whenever they improve, or `{"missing": reason}`. It has one
thread, low priority and limited time, and exits with its parent process. It does not affect the search.
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

#: Beside two training threads, the process gets a quarter of a core.
NICENESS = 5
#: Seconds between checks whether the parent process is still running.
_POLL_SECONDS = 0.5


def main(arguments: list[str] | None = None) -> None:
    """Trains the baselines and prints their scores."""
    path, seed, seconds, all_rows, parent = sys.argv[1:] if arguments is None else arguments
    _exit_with(int(parent))
    with suppress(OSError):
        os.nice(NICENESS)
    try:
        _train(Path(path), int(seed), float(seconds), all_rows == "1")
    except (ImportError, ValueError, MemoryError, ArithmeticError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        _print_json({"missing": f"{lines[0]:.200}"})


def _train(path: Path, seed: int, seconds: float, all_rows: bool) -> None:
    from evonas.baselines.fitting import fit_baselines
    from evonas.data.prepared import PreparedData

    for model in fit_baselines(PreparedData.load(path), seed, seconds, all_rows=all_rows):
        _print_json(asdict(model))


def _print_json(values: dict[str, object]) -> None:
    with suppress(OSError):
        print(json.dumps(values), flush=True)


def _exit_with(parent: int) -> None:
    """Makes this process exit when its parent has exited. Ctrl-C is handled by the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
