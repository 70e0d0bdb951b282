"""Output of rows: as a table for people, as JSON lines or CSV for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from genomes.errors import InputError

__all__ = ["AsCsv", "AsLines", "check_one", "show_rows"]

AsLines = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")]


def check_one(as_json: bool, as_csv: bool) -> None:
    """Raises InputError if two formats are requested."""
    if as_json and as_csv:
        raise InputError("--json and --csv must not be given together: choose one")


def show_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, as_csv: bool, nothing: str) -> None:
    """Prints rows.

    Args:
        rows: column -> value.
        as_json, as_csv: output format; at most one of them.
        nothing: message if there are no rows.
    """
    from evonas.io.console import say, say_data
    from evonas.reporting.listing import csv_text, json_text, table_text

    check_one(as_json, as_csv)
    if as_json or as_csv:
        text = json_text(rows) if as_json else csv_text(rows)
        if text:
            say_data(text)
        return
    say(table_text(rows) if rows else nothing)
