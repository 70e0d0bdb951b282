"""The report at the end of a search command, if the time of the run allows."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from evonas.io.console import say_lines

__all__ = ["REPORT_SECONDS", "NoReport", "report_at_end"]

NoReport = Annotated[
    bool,
    typer.Option(
        "--no-report", envvar="EVONAS_NO_REPORT", help="Write no report.html into the run directory at the end."
    ),
]

#: Estimated seconds of a report, and per network; tolerated excess of the time limit in seconds.
REPORT_SECONDS, _SECONDS_EACH, _LATE_SECONDS = 0.9, 0.0012, 0.7


def report_at_end(run_dir: Path, ended: float, quiet: bool, as_json: bool) -> None:
    """Writes `report.html` into a run directory, if the time of the run allows, and prints a line about it.

    A failing report must not fail a completed search; the line then gives the reason.

    Args:
        run_dir: the run directory.
        ended: when the search had ended, as `time.monotonic()` counts.
        quiet: whether to print nothing.
        as_json: whether standard output is JSON.
    """
    try:
        said = _write_if_time(run_dir, ended)
    except Exception as error:
        said = f"not written ({error}); evonas report {run_dir}"
    if not quiet:
        say_lines(f"Report:   {said}", stream=sys.stderr if as_json else sys.stdout)


def _write_if_time(run_dir: Path, ended: float) -> str:
    from evonas.runs.reader import RunReader

    with RunReader(run_dir) as run:
        bound, spent, networks = run.budget.seconds, run.seconds, run.evaluated
    late = f"no time was left for it; evonas report {run_dir}"

    def is_late(needed: float = 0.0) -> bool:
        return bound is not None and spent + time.monotonic() - ended + needed > bound + _LATE_SECONDS

    if is_late(REPORT_SECONDS + _SECONDS_EACH * networks):
        return late
    from evonas.io.marked_files import check_place, mark_text, publish
    from evonas.reporting.page import has_plotly, html_page
    from evonas.reporting.predictions import neighbours_seconds
    from evonas.reporting.report import make_report
    from evonas.reporting.rundata import read_run
    from evonas.runs.directory import REPORT_NAME

    if not has_plotly():
        return "not written, since plotly is not installed: pip install 'evonas[report]'"
    place = run_dir / REPORT_NAME
    check_place(place, "report")
    # On a busy machine each step takes longer than estimated.
    if is_late():
        return late
    data = read_run(run_dir)
    if is_late(neighbours_seconds(data)):
        return late
    report = make_report(data, quick=True)
    if is_late():
        return late
    publish(place, mark_text(html_page(data, report)))
    return str(place)
