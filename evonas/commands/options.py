"""What several commands take: how an option is described and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["AsJson", "BuildOption", "Quiet", "RunDir", "option"]


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"it must be a whole number, such as 20, not {text!r}") from None


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"it must be a number, such as 0.5, not {text!r}") from None


def option(text: str, metavar: str, *names: str, parser: Callable[[str], Any] | None = None) -> Any:
    """An option's description. `metavar` N is a whole number, X any number."""
    parser = parser or {"N": _whole, "X": _real}.get(metavar)
    return typer.Option(*names, help=text, metavar=metavar, parser=parser, show_default=False)


RunDir = Annotated[Path, typer.Argument(metavar="DIR", help="Run directory.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line; text goes to standard error.")]
BuildOption = Annotated[str | None, option("Function that builds models of your own.", "FILE.py:FUNCTION", "--build")]
