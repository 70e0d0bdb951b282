"""`evonas ls`: the runs in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.tables import AsCsv, AsLines, show_rows

__all__ = ["ls"]

#: Default folder of runs.
_USUAL = Path("evonas-runs")


def ls(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="Folder with run directories [evonas-runs, or this folder if there is none].",
            show_default=False,
            file_okay=False,
        ),
    ] = None,
    as_json: AsLines = False,
    as_csv: AsCsv = False,
) -> None:
    """List the runs in a folder: state, best score, networks."""
    from evonas.reporting.listing import list_runs
    from evonas.runs.progress import state_words

    place = folder or (_USUAL if _USUAL.is_dir() else Path())
    missing = f"no runs in {place}"
    if folder is None and place != _USUAL:
        missing = "no runs here: evonas run FILE --target COLUMN starts one; evonas ls FOLDER lists another folder"
    rows = list_runs(place)
    if not (as_json or as_csv):  # programs get the reason to stop as it is stored
        rows = [row | {"state": state_words(row["state"])} for row in rows]
    show_rows(rows, as_json, as_csv, missing)
