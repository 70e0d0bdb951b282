"""The display that fits the options and the output of a command."""

from __future__ import annotations

from typing import IO

from evonas.display.text import Display, Events, Plain, Several
from evonas.interruption import Interruption

__all__ = ["make_display"]


def make_display(
    interruption: Interruption, output: IO[str], errors: IO[str], *, quiet: bool = False, as_json: bool = False
) -> Display:
    """The display for a command.

    Args:
        interruption: queried by a live display to show a pending stop.
        output, errors: standard output and error. Text goes to `output`, or to `errors` if the output is JSON.
        quiet: whether to show the result only.
        as_json: whether the output is JSON.
    """
    stream = errors if as_json else output
    if stream.isatty() and not quiet:
        from evonas.display.live import Live

        display: Display = Live(stream, interruption)
    else:
        display = Plain(stream, quiet=quiet)
    if as_json:
        return Events(output) if quiet else Several([Events(output), display])
    return display
