"""`evonas ls`: the runs in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.tables import AsCsv, AsLines, show_rows

__all__ = ["ls"]


def ls(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with run directories [evonas-runs].", show_default=False)
    ] = Path("evonas-runs"),
    as_json: AsLines = False,
    as_csv: AsCsv = False,
) -> None:
    """List the runs in a folder: state, best score, networks."""
    from evonas.reporting.listing import list_runs

    show_rows(list_runs(folder), as_json, as_csv, f"no runs in {folder}")
