"""`evonas report`: writes a report of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.options import RunDir, option
from evonas.cli.tables import AsLines
from evonas.io.printable import printable

__all__ = ["report"]


def report(
    run_dir: RunDir,
    output: Annotated[
        Path | None,
        option(
            "Where to write it [report.html or report.md in DIR; pictures: the folder figures].",
            "FILE",
            "--output",
            "-o",
        ),
    ] = None,
    format: Annotated[
        str, option("html, md, png or svg [html].", "FORMAT", "--format", choices=("html", "md", "png", "svg"))
    ] = "html",
    boosting: Annotated[
        bool, typer.Option("--boosting", help="Train gradient boosting on the same rows, for comparison.")
    ] = False,
    as_json: AsLines = False,
) -> None:
    """Write a report of a run: one page with figures.

    Works while the run is searching. The page needs neither a network nor other files. In md format it has text and
    tables; in png or svg format each figure is a file.
    """
    from evonas.reporting.report import write_report

    path = write_report(run_dir, output, format, boosting)
    typer.echo(json.dumps({"report": str(path)}) if as_json else f"Report: {printable(path)}")
