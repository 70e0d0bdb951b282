"""The report at the end of a command that searches: within the run's time, or not at all."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from evonas.io.console import say_lines

__all__ = ["NoReport", "report_at_end"]

NoReport = Annotated[bool, typer.Option("--no-report", help="Write no report.html into the run directory at the end.")]

#: Seconds that a report takes, and more for each network; how late a run may end, in seconds or as a share of its time.
_SECONDS, _SECONDS_EACH, _LATE_SECONDS, _LATE_SHARE = 0.8, 0.0009, 1.0, 0.01


def report_at_end(run_dir: Path, ended: float, quiet: bool, as_json: bool) -> None:
    """Writes `report.html` into a run directory, if the time of the run allows, and says so in a line.

    A report that fails must not fail a search that is done: why it failed is said in that line, too.

    Args:
        run_dir: the run directory.
        ended: when the search had ended, as `time.monotonic()` counts.
        quiet: whether to say nothing.
        as_json: whether standard output is for machines.
    """
    try:
        said = _written(run_dir, ended)
    except Exception as error:
        said = f"not written ({error}); evonas report {run_dir}"
    if not quiet:
        say_lines(f"Report:  {said}", stream=sys.stderr if as_json else sys.stdout)


def _written(run_dir: Path, ended: float) -> str:
    from evonas.runs.reader import RunReader

    with RunReader(run_dir) as run:
        bound, spent, networks = run.budget.seconds, run.seconds, run.evaluated
    if bound is not None:
        late = max(_LATE_SECONDS, _LATE_SHARE * bound)
        needed = _SECONDS + _SECONDS_EACH * networks
        if spent + time.monotonic() - ended + needed > bound + late:
            return f"no time was left for it; evonas report {run_dir}"
    from evonas.reporting.page import has_plotly
    from evonas.reporting.report import write_report

    if not has_plotly():
        return "not written, since plotly is not installed: pip install 'evonas[report]'"
    return str(write_report(run_dir, quick=True))
