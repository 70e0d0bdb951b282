"""Displays a search on the command line, and its outcome at the end."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer

from evonas.errors import Interrupted
from evonas.io.console import say_lines

if TYPE_CHECKING:
    from evonas.config import Budget

__all__ = ["show_search"]


def show_search(
    search: Callable[..., Any],
    context: typer.Context,
    quiet: bool,
    as_json: bool,
    report: bool = True,
    export: Path | None = None,
    reads: bool = False,
) -> None:
    """Runs a search with a display, and shows its outcome.

    Args:
        search: called with the listeners.
        context: of the command; its object is the start time, as of `time.monotonic()`.
        quiet, as_json: options of the display.
        report: whether to write a report at the end.
        export: path for the best network, passed to `search` as `export`.
        reads: whether `search` reads data, and takes the listener "on_reading".
    """
    from evonas.cli.reporting import REPORT_SECONDS, report_at_end
    from evonas.display import make_display
    from evonas.interruption import Interruption
    from evonas.runs.reader import RunReader

    # A live display shows the pending stop itself; printing would corrupt it.
    stream = sys.stderr if as_json else sys.stdout
    interruption = Interruption(quiet=stream.isatty() and not quiet)
    display = make_display(interruption, sys.stdout, sys.stderr, quiet=quiet, as_json=as_json)

    def start(run: RunReader, budget: Budget) -> None:
        gc.freeze()  # imports are not garbage
        gc.enable()
        display.start(run, budget)

    def end(run: RunReader, exported: Any, scores: Mapping[str, float]) -> None:
        ended = monotonic()
        display.finish(run, exported, scores)
        if export is not None and exported is None and run.best(1):
            left = f"Model: not written, since no time was left: evonas export {run.directory} -o {export}"
            say_lines(left, stream=stream)
        if report and run.best(1):
            report_at_end(run.directory, ended, quiet, as_json)

    try:
        result = search(
            interruption=interruption,
            on_start=start,
            on_part=display.part,
            on_generation=display.generation,
            on_finalists=display.finalists,
            on_end=end,
            reserved=REPORT_SECONDS if report else 0.0,
            started=context.find_object(float) or monotonic(),
            export=export,
            **({} if quiet or not reads else {"on_reading": partial(say_lines, stream=sys.stderr)}),
        )
    except Interrupted as stop:
        display.pause()
        with RunReader(stop.run_dir) as run:
            display.finish(run, None, {})
        raise
    finally:
        display.pause()
    with RunReader(result.run_dir) as run:
        found = bool(run.best(1))
    if not found:
        raise typer.Exit(1)
