"""The optional display of a search called from Python, the same as that of a command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evonas.config import Budget
from evonas.runs.reader import RunReader

__all__ = ["follow_search"]


@contextmanager
def follow_search(verbose: bool, listeners: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Wraps listeners so that they also show the search: redrawn in a terminal, one line per generation elsewhere.

    Args:
        verbose: whether to show anything; otherwise the listeners are unchanged.
        listeners: fields of `evonas.api.session.Listeners`, None for no listener.

    Yields:
        The listeners to pass on. After the block the outcome is shown, even if the search was interrupted.
    """
    if not verbose:
        yield listeners
        return
    from evonas.display import make_display
    from evonas.interruption import Interruption

    display = make_display(Interruption(), sys.stdout, sys.stderr)
    place: list[Path] = []

    def start(run: RunReader, budget: Budget) -> None:
        place.append(run.directory)
        display.start(run, budget)

    own: dict[str, Callable[..., None]] = {
        "on_start": start,
        "on_part": display.part,
        "on_generation": display.generation,
    }
    own["on_finalists"] = display.finalists
    try:
        yield {**listeners, **{name: _both(each, listeners.get(name)) for name, each in own.items()}}
    finally:
        display.pause()
        if place:
            with RunReader(place[0]) as run:
                display.finish(run, None, {})


def _both(first: Callable[..., None], second: Callable[..., None] | None) -> Callable[..., None]:
    """Calls both, the display first."""

    def call(*values: Any) -> None:
        first(*values)
        if second is not None:
            second(*values)

    return call
