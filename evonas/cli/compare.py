"""`evonas compare`: runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.options import option
from evonas.cli.tables import check_one, show_rows

__all__ = ["compare"]

_ENDINGS = (".html", ".md", ".json")


def compare(
    run_dirs: Annotated[list[Path], typer.Argument(metavar="DIR", help="Run directories.", show_default=False)],
    output: Annotated[
        Path | None, option("File to write, .html, .md or .json [text here].", "FILE", "--output", "-o")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line per run.")] = False,
) -> None:
    """Compare runs: convergence, a test over seeds, the champions.

    Runs that differ only in their seeds form a group. Groups are compared with a Mann-Whitney U test and Cliff's delta,
    which needs several seeds per group.
    """
    from evonas.io.console import say
    from evonas.io.marked_files import check_place, mark_json, mark_text, publish
    from evonas.reporting.comparison import compare_runs, comparison_report, comparison_values
    from evonas.reporting.markdown import markdown, plain_text
    from genomes.errors import InputError

    check_one(as_json, as_csv)
    if output is not None:
        if output.suffix not in _ENDINGS:
            raise InputError(f"output must end in {', '.join(_ENDINGS)}, not {output.name!r}: rename it")
        check_place(output, "output")
    comparison = compare_runs(run_dirs)
    if output is None:
        if as_csv:
            names = {"runs": "run", "seeds": "seed", "scores": "score", "trained": "trained", "seconds": "seconds"}
            rows = [
                {"group": group["name"], **dict(zip(names.values(), cells, strict=True))}
                for group in comparison_values(comparison)["groups"]
                for cells in zip(*(group[name] for name in names), strict=True)
            ]
            show_rows(rows, False, True, "")
        elif as_json:
            typer.echo(json.dumps(comparison_values(comparison)))
        else:
            say(plain_text(comparison_report(comparison)))
        return
    if output.suffix == ".json":
        content = mark_json(json.dumps(comparison_values(comparison), indent=1))
    elif output.suffix == ".md":
        content = mark_text(markdown(comparison_report(comparison)))
    else:
        from evonas.reporting.page import check_plotly, html_page

        check_plotly()
        content = mark_text(html_page(None, comparison_report(comparison)))
    try:
        publish(output, content)
    except OSError as error:
        raise InputError(f"output must be writable, but {output} is not ({error.strerror}): choose another") from None
    say(f"Comparison: {output}")
